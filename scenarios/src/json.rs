//! JSON values in a script: values to send, with labels for ids, and patterns for values received.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::name::{KILO_SESSION_NAME, Label, SESSION_NAME, is_plain};

/// Maximum length of a text that is given by its number of characters: above every limit of a request's body.
pub(crate) const LONGEST_TEXT: usize = 16 << 20;

/// Pattern for any value except null.
const PRESENT: &str = "present";

/// End of a string such as `<5000 characters>`, which is replaced by a text of that length.
const CHARACTERS: &str = " characters";

/// JSON in which a string such as `<first>` is replaced by the id of the message or execution with that
/// label, `<session>` by the id of the session, `<kilo-session>` by its `kiloSessionId`, and a string such as
/// `<5000 characters>` by a text of that length.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Value")]
pub struct Json(pub Value);

/// A JSON object with labels, as in [`Json`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Map<String, Value>")]
pub struct JsonObject(pub Map<String, Value>);

/// A pattern for an object: the object has all of these fields with matching values, and may have others. The
/// string `present` matches any value except null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Subset(pub Map<String, Value>);

/// The ids of a session that JSON can name without a label, as far as they are known.
#[derive(Debug, Clone, Default)]
pub struct SessionIds {
    /// The id of the session, for `<session>`.
    pub session: Option<String>,
    /// The id of the agent's root session, for `<kilo-session>`.
    pub kilo_session: Option<String>,
}

/// Texts of given lengths that are too long together.
#[derive(Debug, thiserror::Error)]
#[error(
    "the texts such as `<5000 characters>` are too long: together they have at most {LONGEST_TEXT} characters"
)]
pub struct LengthError;

impl TryFrom<Value> for Json {
    type Error = LengthError;

    fn try_from(value: Value) -> Result<Self, LengthError> {
        if characters(&value) > LONGEST_TEXT {
            return Err(LengthError);
        }
        Ok(Self(value))
    }
}

impl TryFrom<Map<String, Value>> for JsonObject {
    type Error = LengthError;

    fn try_from(fields: Map<String, Value>) -> Result<Self, LengthError> {
        let total = fields.values().map(characters).fold(0, usize::saturating_add);
        if total > LONGEST_TEXT {
            return Err(LengthError);
        }
        Ok(Self(fields))
    }
}

impl SessionIds {
    /// The id for a name in JSON: the one with that label, or else one of these.
    pub fn resolve(&self, name: &str, labelled: &BTreeMap<Label, String>) -> Option<String> {
        let of_session = || match name {
            SESSION_NAME => self.session.as_ref(),
            KILO_SESSION_NAME => self.kilo_session.as_ref(),
            _ => None,
        };
        labelled.get(name).or_else(of_session).cloned()
    }
}

impl Json {
    /// The length of its text, with strings such as `<5000 characters>` replaced.
    pub(crate) fn length(&self) -> usize {
        self.0.to_string().len().saturating_add(characters(&self.0))
    }

    /// The labels in it.
    pub fn labels(&self) -> BTreeSet<&str> {
        labels(&self.0)
    }

    /// Replaces labels by ids.
    pub fn with_ids(&self, id: impl Fn(&str) -> Option<String>) -> Value {
        with_ids(&self.0, &id)
    }
}

impl JsonObject {
    /// The labels in it.
    pub fn labels(&self) -> BTreeSet<&str> {
        self.0.values().flat_map(labels).collect()
    }

    /// Replaces labels by ids.
    pub fn with_ids(&self, id: impl Fn(&str) -> Option<String>) -> Map<String, Value> {
        fields_with_ids(&self.0, &id)
    }
}

impl Subset {
    /// The labels in it.
    pub fn labels(&self) -> BTreeSet<&str> {
        self.0.values().flat_map(labels).collect()
    }

    /// Describes the first difference between `actual` and the pattern; `None` if it matches.
    pub fn mismatch(&self, actual: &Value, id: impl Fn(&str) -> Option<String>) -> Option<String> {
        let wanted = Value::Object(fields_with_ids(&self.0, &id));
        mismatch(&wanted, Some(actual), "it")
    }
}

/// Whether a field `name` occurs anywhere in `value`.
pub fn has_field(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(fields) => {
            fields.contains_key(name) || fields.values().any(|value| has_field(value, name))
        }
        Value::Array(values) => values.iter().any(|value| has_field(value, name)),
        _ => false,
    }
}

/// Replaces every part such as `<first>` whose name has an id.
pub fn text_with_ids(text: &str, id: impl Fn(&str) -> Option<String>) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, marked) = rest.split_at(start);
        replaced.push_str(before);
        let found = marked
            .find('>')
            .and_then(|end| Some((id(label(&marked[..=end])?)?, end)));
        rest = match found {
            Some((id, end)) => {
                replaced.push_str(&id);
                &marked[end + 1..]
            }
            None => {
                replaced.push('<');
                &marked[1..]
            }
        };
    }
    replaced + rest
}

/// The label in a string such as `<first>`.
fn label(text: &str) -> Option<&str> {
    let label = text.strip_prefix('<')?.strip_suffix('>')?;
    is_plain(label).then_some(label)
}

/// The text for a string such as `<5000 characters>`.
fn long_text(text: &str) -> Option<String> {
    length(text).map(|length| "x".repeat(length))
}

/// The length that a string such as `<5000 characters>` gives, or the largest number if it is larger.
fn length(text: &str) -> Option<usize> {
    let digits = text
        .strip_prefix('<')?
        .strip_suffix('>')?
        .strip_suffix(CHARACTERS)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

/// The sum of all lengths that strings such as `<5000 characters>` give.
fn characters(value: &Value) -> usize {
    match value {
        Value::String(text) => length(text).unwrap_or_default(),
        Value::Array(values) => values.iter().map(characters).fold(0, usize::saturating_add),
        Value::Object(fields) => fields.values().map(characters).fold(0, usize::saturating_add),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
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
            .or_else(|| long_text(text))
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

/// Describes the first difference between `actual`, at `path`, and `wanted`.
fn mismatch(wanted: &Value, actual: Option<&Value>, path: &str) -> Option<String> {
    match (wanted, actual) {
        (Value::String(word), Some(actual)) if word == PRESENT && !actual.is_null() => None,
        (Value::Object(wanted), Some(Value::Object(actual))) => wanted.iter().find_map(|(name, wanted)| {
            let path = if path == "it" {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            mismatch(wanted, actual.get(name), &path)
        }),
        (Value::Array(wanted), Some(Value::Array(actual))) if wanted.len() == actual.len() => {
            let mut pairs = wanted.iter().zip(actual).enumerate();
            pairs.find_map(|(index, (wanted, actual))| {
                mismatch(wanted, Some(actual), &format!("{path}[{index}]"))
            })
        }
        (_, Some(actual)) if wanted == actual => None,
        (_, Some(actual)) => Some(format!("{path} is {actual}, not {wanted}")),
        (_, None) => Some(format!("{path} is missing, expected {wanted}")),
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
    fn a_pattern_ignores_other_fields() {
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
    fn only_names_with_an_id_are_replaced_in_a_text() {
        let id = |label: &str| (label == "first").then(|| "msg_1".to_owned());
        let text = r#"{"id":"<first>","other":"<<first>> < <second> <first"#;
        let expected = r#"{"id":"msg_1","other":"<msg_1> < <second> <first"#;
        assert_eq!(text_with_ids(text, id), expected);
    }

    #[test]
    fn a_length_is_replaced_by_a_text() {
        let json = Json(json!({"a": ["<3 characters>", "<three characters>", "3 characters"]}));
        let expected = json!({"a": ["xxx", "<three characters>", "3 characters"]});
        assert_eq!(json.with_ids(|_| None), expected);
    }

    #[test]
    fn a_field_is_found_at_any_depth() {
        let value = json!({"a": [{"secret": null}]});
        assert!(has_field(&value, "secret"));
        assert!(!has_field(&value, "b"));
    }
}
