//! Values of the protocol profile that a script requires, by the names of the profile's fields in kebab case.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use turnstile_fault::Lapse;
use turnstile_profile::{Field, Kind, LARGEST_NUMBER, LONGEST_DURATION, MOST_ATTEMPTS, MOST_DELAYS, Profile};

use crate::place::At;
use crate::text::listed;

// A script has one limit for all durations.
const _: () = assert!(turnstile_fault::LONGEST_DURATION.as_secs() == LONGEST_DURATION.as_secs());

/// The minimum similarity of a misspelt name to a suggested one, from 0 to 1.
const SIMILARITY: f64 = 0.6;

/// Values that the profile of the server must have. Other fields of the profile may have any value.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RequiredProfile {
    /// Valid values by name, written as a [`Profile`] writes them.
    values: BTreeMap<String, Value>,
}

impl RequiredProfile {
    /// Requires those values of `profile` that are not the protocol's defaults.
    pub fn differing(profile: &Profile) -> Self {
        let (defaults, values) = (written(&Profile::default()), written(profile));
        let differing = values
            .into_iter()
            .filter(|(field, value)| defaults[field] != *value);
        Self {
            values: differing
                .map(|(field, value)| (in_kebab_case(&field), value))
                .collect(),
        }
    }

    /// The names of the required values, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The same requirements except for the value of this name.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut values = self.values.clone();
        values.remove(name);
        Self { values }
    }

    /// The profile with these values, and with the protocol's defaults otherwise.
    ///
    /// # Panics
    ///
    /// Never: the values are valid.
    pub fn complete(&self) -> Profile {
        let values = self.values.iter();
        let fields = values.map(|(name, value)| (in_snake_case(name), value.clone()));
        serde_json::from_value(fields.collect()).expect("required values are checked when they are read")
    }

    /// The first value that `profile` does not have, as `name: value`; `None` if it has all of them.
    pub fn first_missing_in(&self, profile: &Profile) -> Option<String> {
        let declared = written(profile);
        let mut values = self.values.iter();
        let (name, value) = values.find(|(name, value)| declared.get(&in_snake_case(name)) != Some(value))?;
        Some(format!("{name}: {}", shown(value)))
    }
}

/// The fields of a profile, by name.
fn written(profile: &Profile) -> Map<String, Value> {
    match serde_json::to_value(profile) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("a profile is a map of plain data"),
    }
}

fn in_kebab_case(field: &str) -> String {
    field.replace('_', "-")
}

fn in_snake_case(name: &str) -> String {
    name.replace('-', "_")
}

/// A value as in a script.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(shown).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}

/// Finds a field by its name in a script.
fn field_named(name: &str) -> Result<Field, String> {
    let mut fields = Profile::fields();
    if let Some(index) = fields.iter().position(|field| in_kebab_case(field.name) == name) {
        return Ok(fields.swap_remove(index));
    }
    let names: Vec<String> = fields.iter().map(|field| in_kebab_case(field.name)).collect();
    let similarity = |known: &String| strsim::normalized_damerau_levenshtein(known, name);
    let most_similar = names
        .iter()
        .max_by(|one, other| similarity(one).total_cmp(&similarity(other)))
        .filter(|known| similarity(known) >= SIMILARITY);
    Err(match most_similar {
        Some(known) => format!("`{name}` is not a value of the profile; did you mean `{known}`?"),
        None => format!(
            "`{name}` is not a value of the profile; allowed: {}",
            listed(names)
        ),
    })
}

/// What a value of a kind looks like.
fn expected(kind: Kind) -> Cow<'static, str> {
    let longest = Lapse::from(LONGEST_DURATION);
    match kind {
        Kind::Flag => "true or false".into(),
        Kind::Number => format!("a whole number from 0 to {LARGEST_NUMBER}").into(),
        Kind::PositiveNumber => format!("a whole number from 1 to {MOST_ATTEMPTS}").into(),
        Kind::Duration => format!("a duration up to {longest}, such as 2s").into(),
        Kind::Durations => {
            format!("a list of at most {MOST_DELAYS} durations up to {longest}, such as [2s, 4s]").into()
        }
        Kind::Texts => "a list of texts, such as [INVALID_REQUEST]".into(),
    }
}

impl<'de> Deserialize<'de> for RequiredProfile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = RequiredProfile;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("values of the profile")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RequiredProfile, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let field = field_named(&name).map_err(A::Error::custom)?;
            values.insert(name, map.next_value_seed(ValueOf(field))?);
        }
        Ok(RequiredProfile { values })
    }
}

/// Parses a value of a field, and writes it as a [`Profile`] does.
struct ValueOf(Field);

impl<'de> DeserializeSeed<'de> for ValueOf {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let value = At::<Value>::deserialize(deserializer)?.value;
        let Field { name, kind, .. } = self.0;
        let alone = Value::Object(Map::from_iter([(name.to_owned(), value)]));
        match serde_json::from_value::<Profile>(alone) {
            Ok(profile) => Ok(written(&profile)[name].take()),
            Err(_) => Err(D::Error::custom(format_args!("expected {}", expected(kind)))),
        }
    }
}

impl JsonSchema for RequiredProfile {
    fn schema_name() -> Cow<'static, str> {
        "RequiredProfile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fields = Profile::fields().into_iter();
        let properties: Map<String, Value> = fields
            .map(|field| {
                let mut values = values_of(field.kind, generator);
                values.insert("description".to_owned(), field.doc.into());
                (in_kebab_case(field.name), values.to_value())
            })
            .collect();
        json_schema!({
            "description": "Values of the protocol profile, by name",
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        })
    }
}

/// The schema of the values of a kind.
fn values_of(kind: Kind, generator: &mut SchemaGenerator) -> Schema {
    match kind {
        Kind::Flag => json_schema!({ "type": "boolean" }),
        Kind::Number => json_schema!({ "type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER }),
        Kind::PositiveNumber => json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST_ATTEMPTS }),
        Kind::Duration => generator.subschema_for::<Lapse>(),
        Kind::Durations => {
            let duration = generator.subschema_for::<Lapse>();
            json_schema!({ "type": "array", "items": duration, "maxItems": MOST_DELAYS })
        }
        Kind::Texts => json_schema!({ "type": "array", "items": { "type": "string" } }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn required(value: Value) -> RequiredProfile {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn values_replace_defaults_and_are_written_in_one_form() {
        let read = required(json!({"delivery-retry-delays-cold": ["2000ms", "4s"], "pending-limit": 3}));
        let expected = Profile {
            delivery_retry_delays_cold: vec![Duration::from_secs(2), Duration::from_secs(4)],
            pending_limit: 3,
            ..Profile::default()
        };
        assert_eq!(read.complete(), expected);
        assert_eq!(RequiredProfile::differing(&expected), read);
        let text = json!({"delivery-retry-delays-cold": ["2s", "4s"], "pending-limit": 3});
        assert_eq!(json!(read), text);
        let fewer = read.without("pending-limit");
        assert_eq!(fewer.names().collect::<Vec<_>>(), ["delivery-retry-delays-cold"]);
    }

    #[test]
    fn a_default_can_be_required_too() {
        let read = required(json!({"callback-at-start": true, "disconnect-grace": "10s"}));
        assert_eq!(read.first_missing_in(&Profile::default()), None);
        let declared = Profile {
            disconnect_grace: Duration::from_secs(20),
            ..Profile::default()
        };
        let missing = read.first_missing_in(&declared);
        assert_eq!(missing.as_deref(), Some("disconnect-grace: 10s"));
    }
}
