//! Parses JSON from outside by the rules of the protocol: text as JavaScript writes it ([`parse`]), and then its values: a list is never accepted as an object (R2.34), `null`
//! equals absent (R2.33), and an error names the expected form and never repeats the value, which may be a secret
//! (R2.35).
//!
//! The types that are parsed check the values.

mod text;

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

pub use self::text::{NotJson, parse};

/// What a value should have been. The text does not repeat the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(String);

impl serde::de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("expected {expected}, found {}", kind(&unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!(
            "expected {expected}, found another {}",
            kind(&unexpected)
        ))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("expected one of {}", expected.join(", ")))
    }
}

fn kind(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "number",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "text",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "list",
        Unexpected::Map => "object",
        _ => "value of another kind",
    }
}

/// An invalid value: its path and the error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{source}", place = self.place())]
pub struct Invalid {
    path: String,
    source: Mismatch,
}

impl Invalid {
    fn place(&self) -> String {
        match self.path.as_str() {
            "." => String::new(),
            path => format!("at `{path}`: "),
        }
    }
}

/// Parses a value in which `null` means absent.
///
/// # Errors
///
/// The first invalid value.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Invalid> {
    read_with_null_at(&[], value)
}

/// Parses a value in which `null` means absent, except in the field at `path`, where it is kept.
///
/// # Errors
///
/// The first invalid value.
pub fn read_with_null_at<T: DeserializeOwned>(
    path: &'static [&'static str],
    value: Value,
) -> Result<T, Invalid> {
    let value = JsonValue { value, null_at: path };
    serde_path_to_error::deserialize(value).map_err(|error| Invalid {
        path: error.path().to_string(),
        source: error.into_inner(),
    })
}

/// A JSON value as a deserializer.
struct JsonValue {
    value: Value,
    /// The path from here to the field whose `null` is kept. Empty if there is none.
    null_at: &'static [&'static str],
}

impl JsonValue {
    fn visit_object<'de, V: Visitor<'de>>(
        null_at: &'static [&'static str],
        object: Map<String, Value>,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let fields = object.into_iter().map(|(name, value)| {
            let null_at = match null_at {
                [first, rest @ ..] if *first == name => rest,
                _ => &[],
            };
            (name, Self { value, null_at })
        });
        visitor.visit_map(MapDeserializer::new(fields))
    }

    fn unexpected(value: &Value) -> Unexpected<'_> {
        match value {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(_) => Unexpected::Float(0.0),
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        }
    }
}

impl<'de> IntoDeserializer<'de, Mismatch> for JsonValue {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for JsonValue {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(values) => {
                let elements = values.into_iter().map(|value| Self { value, null_at: &[] });
                visitor.visit_seq(SeqDeserializer::new(elements))
            }
            Value::Object(object) => Self::visit_object(self.null_at, object, visitor),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::Object(mut object) => {
                let kept = |name: &str| matches!(self.null_at, [kept] if *kept == name);
                object.retain(|name, value| !value.is_null() || kept(name));
                Self::visit_object(self.null_at, object, visitor)
            }
            value => Err(serde::de::Error::invalid_type(
                Self::unexpected(&value),
                &"an object",
            )),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::String(name) => visitor.visit_enum(name.into_deserializer()),
            value => Err(serde::de::Error::invalid_type(
                Self::unexpected(&value),
                &"a text",
            )),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Thing {
        name: String,
        #[serde(default)]
        kind: Kind,
        inner: Option<Inner>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        #[default]
        Plain,
        Other,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        number: u8,
    }

    fn refusal(value: Value) -> String {
        read::<Thing>(value).unwrap_err().to_string()
    }

    #[test]
    fn null_is_absent_in_an_object() {
        let thing: Thing = read(json!({"name": "a", "kind": null, "inner": null})).unwrap();
        assert_eq!(
            thing,
            Thing {
                name: "a".into(),
                kind: Kind::Plain,
                inner: None
            }
        );
    }

    #[test]
    fn null_is_kept_only_where_it_is_wanted() {
        let read = |value| read_with_null_at::<Value>(&["inner", "number"], value);
        // A value of any type keeps all fields; only a struct has absent ones.
        assert_eq!(read(json!({"inner": null})), Ok(json!({"inner": null})));
        let number = |value| read_with_null_at::<Thing>(&["inner", "number"], value).unwrap_err();
        let error = number(json!({"name": "a", "inner": {"number": null}})).to_string();
        assert!(error.contains("null"), "{error}");
        assert!(refusal(json!({"name": "a", "inner": {"number": null}})).contains("missing"));
    }

    #[test]
    fn a_list_is_not_an_object_and_an_object_is_not_a_name() {
        assert_eq!(refusal(json!(["a"])), "expected an object, found list");
        let inner = refusal(json!({"name": "a", "inner": [1]}));
        assert_eq!(inner, "at `inner`: expected an object, found list");
        let kind = refusal(json!({"name": "a", "kind": {"plain": null}}));
        assert_eq!(kind, "at `kind`: expected a text, found object");
    }

    #[test]
    fn an_error_has_the_path_and_not_the_value() {
        let cases = [
            json!({"name": 12345}),
            json!({"name": "a", "kind": "12345"}),
            json!({"name": "a", "inner": "12345"}),
            json!({"name": "a", "inner": {"number": 12345}}),
            json!("12345"),
        ];
        for case in cases {
            let refusal = refusal(case);
            assert!(!refusal.contains("12345"), "{refusal}");
        }
        let inner = refusal(json!({"name": "a", "inner": {"number": "x"}}));
        assert!(inner.starts_with("at `inner.number`: "), "{inner}");
    }
}
