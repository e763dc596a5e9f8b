//! The keys with which a step says where in the network it strikes: `between`, or `from` and `to`.
//!
//! Every step about links and connections reads its keys here, and finds the schema of them here.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use turnstile_fault::{FaultKind, Lapse, Link, LinkEffect, Parameter, nonzero};

use crate::party::{Between, Direction, LinkError, Party};
use crate::place::{At, Spot};

/// The keys of a step without a kind of fault, `heal`.
const LINK_KEYS: &[&str] = &["between", "from", "to"];

/// The two ends that a step names, and where it does.
pub(crate) struct Ends {
    /// The ends; both directions count unless it is one way.
    pub link: Link,
    pub spots: [Spot; 2],
}

impl From<Between> for Ends {
    fn from(Between { one, two }: Between) -> Self {
        Self {
            link: Link::between(&one.to_string(), &two.to_string()),
            spots: [one.spot, two.spot],
        }
    }
}

impl From<Direction> for Ends {
    fn from(Direction { from, to }: Direction) -> Self {
        Self {
            link: Link::one_way(&from.to_string(), &to.to_string()),
            spots: [from.spot, to.spot],
        }
    }
}

/// All that a step about the network says.
pub(crate) struct Said {
    pub ends: Ends,
    /// What its parameter makes of the link.
    pub effect: Option<LinkEffect>,
    /// The value of `for`.
    pub lasts: Option<Lapse>,
}

/// Reads a step about the network: a fault of some kind, or a `heal`.
#[derive(Clone, Copy)]
pub(crate) struct NetworkStep(pub Option<FaultKind>);

impl NetworkStep {
    fn keys(self) -> &'static [&'static str] {
        self.0.map_or(LINK_KEYS, FaultKind::network_keys)
    }

    fn parameter(self) -> Option<(FaultKind, &'static str)> {
        let kind = self.0?;
        Some((kind, kind.parameter()?))
    }

    /// The ends that the keys name, which may be those of this step.
    fn ends<E: serde::de::Error>(
        self,
        between: Option<Between>,
        from: Option<At<Party>>,
        to: Option<At<Party>>,
    ) -> Result<Ends, E> {
        let has_both_forms = self.keys().starts_with(LINK_KEYS);
        match (between, from, to) {
            (Some(between), None, None) => Ok(between.into()),
            (None, Some(from), Some(to)) => Direction::new(from, to).map(Ends::from).map_err(E::custom),
            _ if has_both_forms => Err(E::custom(LinkError::Ends)),
            (None, None, _) => Err(E::missing_field(self.keys()[0])),
            _ => Err(E::missing_field("to")),
        }
    }

    pub(crate) fn schema(self, generator: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        let mut required = Vec::new();
        for key in self.keys() {
            let (schema, description) = match *key {
                "between" => (
                    generator.subschema_for::<Between>(),
                    "Both directions of the link between two parties.",
                ),
                "from" => (generator.subschema_for::<Party>(), "One direction: who sends."),
                "to" => (
                    generator.subschema_for::<Party>(),
                    "One direction: who would receive.",
                ),
                "for" => (
                    generator.subschema_for::<Lapse>(),
                    "How long it lasts; until `heal` if left out.",
                ),
                parameter => {
                    required.push(Value::from(parameter));
                    let kind = self.0.expect("a step with a parameter is a fault");
                    Parameter(kind).schema(generator)
                }
            };
            let mut schema = schema.to_value();
            if let Some(fields) = schema.as_object_mut() {
                fields.insert("description".to_owned(), description.into());
            }
            properties.insert((*key).to_owned(), schema);
        }
        let mut schema = json_schema!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        if self.keys().starts_with(LINK_KEYS) {
            let ends = serde_json::json!([{ "required": ["between"] }, { "required": ["from", "to"] }]);
            schema.insert("oneOf".to_owned(), ends);
        } else {
            required.extend(self.keys().iter().map(|key| Value::from(*key)));
        }
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        schema
    }
}

impl<'de> DeserializeSeed<'de> for NetworkStep {
    type Value = Said;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Said, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for NetworkStep {
    type Value = Said;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a map of {}", self.keys().join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Said, A::Error> {
        let (mut between, mut from, mut to, mut effect, mut lasts) = (None, None, None, None, None);
        while let Some(key) = map.next_key_seed(Key(self.keys()))? {
            match key {
                "between" => between = map.next_value()?,
                "from" => from = map.next_value()?,
                "to" => to = map.next_value()?,
                "for" => lasts = Some(map.next_value::<NonzeroLapse>()?.0),
                _ => {
                    if let Some((kind, _)) = self.parameter() {
                        effect = Some(map.next_value_seed(Parameter(kind))?);
                    }
                }
            }
        }
        if let (Some((_, key)), None) = (self.parameter(), effect) {
            return Err(A::Error::missing_field(key));
        }
        Ok(Said {
            ends: self.ends(between, from, to)?,
            effect: effect.or_else(|| self.0?.plain_effect()),
            lasts,
        })
    }
}

/// Writes the keys of a step about the network. A link of both directions has one key, and of one direction two.
pub(crate) fn write_ends<M: SerializeMap>(map: &mut M, link: &Link) -> Result<(), M::Error> {
    if link.one_way {
        map.serialize_entry("from", &link.from)?;
        map.serialize_entry("to", &link.to)
    } else {
        map.serialize_entry("between", &[&link.from, &link.to])
    }
}

/// Reads one of some keys.
struct Key(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key {
    type Value = &'static str;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<&'static str, E> {
        let known = self.0.iter().find(|key| **key == text);
        known.copied().ok_or_else(|| E::unknown_field(text, self.0))
    }
}

/// A length of time that is longer than zero.
struct NonzeroLapse(Lapse);

impl<'de> Deserialize<'de> for NonzeroLapse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        nonzero(deserializer).map(Self)
    }
}

/// A `heal`: whatever was cut, black-holed or delayed there is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Heal {
    /// What is healed.
    pub link: Link,
    /// Where its ends are named.
    pub(crate) spots: [At<()>; 2],
}

impl<'de> Deserialize<'de> for Heal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Ends { link, spots } = NetworkStep(None).deserialize(deserializer)?.ends;
        let spots = spots.map(Spot::nothing);
        Ok(Self { link, spots })
    }
}

impl Serialize for Heal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        write_ends(&mut map, &self.link)?;
        map.end()
    }
}

impl JsonSchema for Heal {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Heal".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        NetworkStep(None).schema(generator)
    }
}
