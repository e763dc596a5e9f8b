//! Answers of the callback receiver.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::lapse::{Lapse, nonzero};
use crate::limit::LONGEST_DURATION;
use crate::status::Status;

/// What the receiver does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Answers with this status.
    Status(Status),
    /// Answers with a status after a delay.
    Late(LateAnswer),
    /// Never answers; the connection stays open.
    Stall,
    /// Closes the connection without an answer.
    Drop,
    /// Answers with 200, twice on the same connection.
    Twice,
}

/// An answer with a delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LateAnswer {
    /// Time between request and answer.
    #[serde(deserialize_with = "nonzero")]
    pub delay: Lapse,
    /// Status of the answer.
    pub status: Status,
}

/// Invalid text for [`Answer`].
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not an answer of the receiver; allowed: an HTTP status from 200 to 599, stall, drop, twice, or a map \
     such as {{ delay: 3s, status: 200 }}"
)]
struct AnswerError(String);

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl Reader {
    fn status<E: serde::de::Error>(number: &str) -> Result<Answer, E> {
        let status = number.parse().ok().and_then(|code: u16| code.try_into().ok());
        let status = status.map(Answer::Status);
        status.ok_or_else(|| E::custom(AnswerError(number.to_owned())))
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Answer;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an HTTP status, stall, drop, twice, or a map such as { delay: 3s, status: 200 }")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Answer, E> {
        match word {
            "stall" => Ok(Answer::Stall),
            "drop" => Ok(Answer::Drop),
            "twice" => Ok(Answer::Twice),
            number => Self::status(number),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Answer, E> {
        Self::status(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Answer, E> {
        Self::status(&number.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Answer, A::Error> {
        LateAnswer::deserialize(MapAccessDeserializer::new(map)).map(Answer::Late)
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Status(status) => status.serialize(serializer),
            Self::Late(late) => late.serialize(serializer),
            Self::Stall => serializer.serialize_str("stall"),
            Self::Drop => serializer.serialize_str("drop"),
            Self::Twice => serializer.serialize_str("twice"),
        }
    }
}

impl JsonSchema for Answer {
    fn schema_name() -> Cow<'static, str> {
        "Answer".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                generator.subschema_for::<Status>(),
                { "type": "string", "enum": ["stall", "drop", "twice"] },
                generator.subschema_for::<LateAnswer>(),
            ],
        })
    }
}

/// An [`Answer`] at the receiver's control route (R11.46): a map with one of `status`, `stall`, `drop` and
/// `twice`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WireAnswer {
    /// Delay of the answer in milliseconds; only with `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// No answer; the connection stays open. `false` is an ordinary 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall: Option<bool>,
    /// The connection closes without an answer. `false` is an ordinary 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop: Option<bool>,
    /// The answer is sent twice. `false` is an ordinary 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twice: Option<bool>,
}

/// Longest delay of a [`WireAnswer`], in milliseconds.
const LONGEST_DELAY_MS: u64 = LONGEST_DURATION.as_secs() * 1000;

/// Invalid [`WireAnswer`].
#[derive(Debug, thiserror::Error)]
pub enum WireAnswerError {
    /// It has none or several of the four keys.
    #[error("an answer needs exactly one of status, stall, drop and twice")]
    NotOne,
    /// It has a delay without a status.
    #[error("delayMs is only allowed with status")]
    DelayedNothing,
    /// The delay is too long.
    #[error("delayMs is at most {LONGEST_DELAY_MS}, not {0}")]
    TooLate(u64),
}

impl TryFrom<WireAnswer> for Answer {
    type Error = WireAnswerError;

    fn try_from(wire: WireAnswer) -> Result<Self, WireAnswerError> {
        let when = |is_meant, answer| {
            if is_meant {
                answer
            } else {
                Self::Status(Status::default())
            }
        };
        let answer = match (wire.status, wire.stall, wire.drop, wire.twice) {
            (Some(status), None, None, None) => {
                return match wire.delay_ms {
                    None => Ok(Self::Status(status)),
                    Some(delay) if delay > LONGEST_DELAY_MS => Err(WireAnswerError::TooLate(delay)),
                    Some(delay) => Ok(Self::Late(LateAnswer {
                        delay: Duration::from_millis(delay).into(),
                        status,
                    })),
                };
            }
            (None, Some(is_meant), None, None) => when(is_meant, Self::Stall),
            (None, None, Some(is_meant), None) => when(is_meant, Self::Drop),
            (None, None, None, Some(is_meant)) => when(is_meant, Self::Twice),
            _ => return Err(WireAnswerError::NotOne),
        };
        match wire.delay_ms {
            None => Ok(answer),
            Some(_) => Err(WireAnswerError::DelayedNothing),
        }
    }
}

impl From<Answer> for WireAnswer {
    fn from(answer: Answer) -> Self {
        let mut wire = Self::default();
        match answer {
            Answer::Status(status) => wire.status = Some(status),
            Answer::Late(late) => {
                wire.status = Some(late.status);
                wire.delay_ms = Some(late.delay.as_millis().try_into().unwrap_or(u64::MAX));
            }
            Answer::Stall => wire.stall = Some(true),
            Answer::Drop => wire.drop = Some(true),
            Answer::Twice => wire.twice = Some(true),
        }
        wire
    }
}
