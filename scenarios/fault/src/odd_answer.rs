//! Answers to the server's requests that are not a wrapper's, such as those of a proxy in front of it.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An answer that is not a wrapper's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OddAnswer {
    /// An HTML page with status 502, as of a proxy. The request does not reach the wrapper.
    #[serde(rename = "html-502")]
    Html502,
    /// The first half of the JSON. The request takes effect.
    Truncated,
    /// No body. The request takes effect.
    Empty,
    /// A body that never ends. The request takes effect.
    Endless,
}

/// All answers, or a number of answers, that are not a wrapper's: `truncated`, or `{ is: truncated, times: 1 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OddAnswers {
    /// The answer.
    pub is: OddAnswer,
    /// Number of such answers; `None` for all.
    pub times: Option<NonZeroU32>,
}

impl OddAnswers {
    /// Returns the next answer and counts it; `None` if none is left.
    pub fn take_next(answers: &mut Option<Self>) -> Option<OddAnswer> {
        let Self { is, times } = (*answers)?;
        if let Some(times) = times {
            *answers = NonZeroU32::new(times.get() - 1).map(|left| Self {
                is,
                times: Some(left),
            });
        }
        Some(is)
    }
}

/// The form with a number.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Counted {
    is: OddAnswer,
    times: NonZeroU32,
}

impl<'de> Deserialize<'de> for OddAnswers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = OddAnswers;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .write_str("html-502, truncated, empty, endless, or a map such as { is: truncated, times: 1 }")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<OddAnswers, E> {
        let is = OddAnswer::deserialize(StrDeserializer::new(word))?;
        Ok(OddAnswers { is, times: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OddAnswers, A::Error> {
        let Counted { is, times } = Counted::deserialize(MapAccessDeserializer::new(map))?;
        let times = Some(times);
        Ok(OddAnswers { is, times })
    }
}

impl Serialize for OddAnswers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { is, times } = *self;
        match times {
            None => is.serialize(serializer),
            Some(times) => Counted { is, times }.serialize(serializer),
        }
    }
}

impl JsonSchema for OddAnswers {
    fn schema_name() -> Cow<'static, str> {
        "OddAnswers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [generator.subschema_for::<OddAnswer>(), generator.subschema_for::<Counted>()],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_survive_and_count() {
        for text in [r#""html-502""#, r#"{"is":"endless","times":2}"#] {
            let answers: OddAnswers = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&answers).unwrap(), text);
        }
        let mut twice = serde_json::from_str(r#"{"is":"endless","times":2}"#).unwrap();
        let taken: Vec<_> = (0..3).map(|_| OddAnswers::take_next(&mut twice)).collect();
        assert_eq!(taken, [Some(OddAnswer::Endless), Some(OddAnswer::Endless), None]);
    }

    #[test]
    fn an_unknown_answer_is_an_error_that_lists_the_known_ones() {
        let error = serde_json::from_str::<OddAnswers>(r#""xml""#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("html-502") && error.contains("endless"), "{error}");
    }
}
