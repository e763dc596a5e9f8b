//! What the receiver does with the requests that come to it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::lapse::{Lapse, nonzero};
use crate::reply::Status;

/// What the receiver does with the next requests, one after another; then it answers 200. Replaces
/// what is left of earlier instructions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Receiver {
    /// The answers, in order.
    pub answers: Vec<Answer>,
}

/// What the receiver does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Answers with this status.
    Status(Status),
    /// Answers with this status, so much later.
    Late(LateAnswer),
    /// Takes the request and never answers.
    Stall,
    /// Closes the connection without an answer.
    Drop,
    /// Answers with 200, and then the same once more on the same connection.
    Twice,
}

/// An answer that takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LateAnswer {
    /// How long after the request it comes.
    #[serde(deserialize_with = "nonzero")]
    pub delay: Lapse,
    /// Its status.
    pub status: Status,
}

/// Why a word is no answer.
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
