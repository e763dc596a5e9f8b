//! Pieces of JSON in a script: what is sent as it stands, and what something must look like.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::name::is_plain;

/// What stands for any value where JSON is expected.
const PRESENT: &str = "present";

/// JSON in which a text such as `<first>` stands for the id of what the script calls `first`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Json(pub Value);

/// An object of JSON, with labels in it as [`Json`] has them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct JsonObject(pub Map<String, Value>);

/// What an object must have: every field that is given here, with a value that has what is given for it.
/// The word `present` stands for any value but null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Subset(pub Map<String, Value>);

impl Json {
    /// The names that stand for ids.
    pub fn labels(&self) -> BTreeSet<&str> {
        labels(&self.0)
    }

    /// The JSON that is meant, given the ids.
    pub fn with_ids(&self, id: impl Fn(&str) -> Option<String>) -> Value {
        with_ids(&self.0, &id)
    }
}

impl JsonObject {
    /// The names that stand for ids.
    pub fn labels(&self) -> BTreeSet<&str> {
        self.0.values().flat_map(labels).collect()
    }

    /// The object that is meant, given the ids.
    pub fn with_ids(&self, id: impl Fn(&str) -> Option<String>) -> Map<String, Value> {
        fields_with_ids(&self.0, &id)
    }
}

impl Subset {
    /// The names that stand for ids.
    pub fn labels(&self) -> BTreeSet<&str> {
        self.0.values().flat_map(labels).collect()
    }

    /// In words, what `actual` has otherwise; nothing if it has all that it must have.
    pub fn mismatch(&self, actual: &Value, id: impl Fn(&str) -> Option<String>) -> Option<String> {
        let wanted = Value::Object(fields_with_ids(&self.0, &id));
        mismatch(&wanted, Some(actual), "it")
    }
}

/// Whether an object of that name is anywhere in `value`.
pub fn has_field(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(fields) => {
            fields.contains_key(name) || fields.values().any(|value| has_field(value, name))
        }
        Value::Array(values) => values.iter().any(|value| has_field(value, name)),
        _ => false,
    }
}

/// The name in a text that stands for an id.
fn label(text: &str) -> Option<&str> {
    let label = text.strip_prefix('<')?.strip_suffix('>')?;
    is_plain(label).then_some(label)
}

fn labels(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::String(text) => label(text).into_iter().collect(),
        Value::Array(values) => values.iter().flat_map(labels).collect(),
        Value::Object(fields) => fields.values().flat_map(labels).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => BTreeSet::new(),
    }
}

fn with_ids(value: &Value, id: &dyn Fn(&str) -> Option<String>) -> Value {
    match value {
        Value::String(text) => label(text)
            .and_then(id)
            .map_or_else(|| value.clone(), Value::String),
        Value::Array(values) => values.iter().map(|value| with_ids(value, id)).collect(),
        Value::Object(fields) => Value::Object(fields_with_ids(fields, id)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn fields_with_ids(fields: &Map<String, Value>, id: &dyn Fn(&str) -> Option<String>) -> Map<String, Value> {
    let fields = fields.iter();
    fields
        .map(|(name, value)| (name.clone(), with_ids(value, id)))
        .collect()
}

/// What `actual`, which is found at `place`, has otherwise than `wanted`.
fn mismatch(wanted: &Value, actual: Option<&Value>, place: &str) -> Option<String> {
    match (wanted, actual) {
        (Value::String(word), Some(actual)) if word == PRESENT && !actual.is_null() => None,
        (Value::Object(wanted), Some(Value::Object(actual))) => wanted.iter().find_map(|(name, wanted)| {
            let place = if place == "it" {
                name.clone()
            } else {
                format!("{place}.{name}")
            };
            mismatch(wanted, actual.get(name), &place)
        }),
        (Value::Array(wanted), Some(Value::Array(actual))) if wanted.len() == actual.len() => {
            let mut pairs = wanted.iter().zip(actual).enumerate();
            pairs.find_map(|(index, (wanted, actual))| {
                mismatch(wanted, Some(actual), &format!("{place}[{index}]"))
            })
        }
        (_, Some(actual)) if wanted == actual => None,
        (_, Some(actual)) => Some(format!("{place} is {actual}, not {wanted}")),
        (_, None) => Some(format!("{place} is not there, and should be {wanted}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn subset(value: Value) -> Subset {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_object_has_what_it_must_have_whatever_else_it_has() {
        let wanted = subset(json!({"a": {"b": "present", "c": [1, {"d": "<first>"}]}, "e": null}));
        let id = |label: &str| (label == "first").then(|| "msg_1".to_owned());
        let mut actual = json!({"a": {"b": 7, "c": [1, {"d": "msg_1", "x": 2}]}, "e": null, "y": []});
        assert_eq!(wanted.mismatch(&actual, id), None);
        actual["a"]["c"][1]["d"] = json!("msg_2");
        let text = wanted.mismatch(&actual, id).unwrap();
        assert_eq!(text, r#"a.c[1].d is "msg_2", not "msg_1""#);
        actual["a"] = json!({"b": null});
        let text = wanted.mismatch(&actual, id).unwrap();
        assert_eq!(text, r#"a.b is null, not "present""#);
    }

    #[test]
    fn a_field_is_found_however_deep_it_lies() {
        let value = json!({"a": [{"secret": null}]});
        assert!(has_field(&value, "secret"));
        assert!(!has_field(&value, "b"));
    }
}
