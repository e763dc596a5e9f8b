//! The keys of steps about links and connections: `between`, or `from` and `to`, with the parameters of the
//! fault.
//!
//! All these steps are parsed here and get their schema here.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use turnstile_fault::{FaultKind, Lapse, Link, LinkEffect, Parameter, nonzero};

use crate::party::{Between, Direction, LinkError, Party};
use crate::place::{At, Spot};

/// Keys of `heal`.
const LINK_KEYS: &[&str] = &["between", "from", "to"];

/// The two ends that a step names, with their positions.
pub(crate) struct Ends {
    /// The ends, in both directions unless `one_way`.
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

/// Everything that such a step specifies.
pub(crate) struct NetworkArguments {
    pub ends: Ends,
    /// Effect on the link, from the step's parameter.
    pub effect: Option<LinkEffect>,
    /// Value of `for`.
    pub lasts: Option<Lapse>,
}

/// Parses a step: a fault of this kind, or `heal` for `None`.
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

    /// Combines the keys that name the ends.
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
                "from" => (generator.subschema_for::<Party>(), "One direction: the sender."),
                "to" => (generator.subschema_for::<Party>(), "One direction: the receiver."),
                "for" => (
                    generator.subschema_for::<Lapse>(),
                    "Duration of the fault; by default until `heal`.",
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
    type Value = NetworkArguments;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<NetworkArguments, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for NetworkStep {
    type Value = NetworkArguments;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a map of {}", self.keys().join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NetworkArguments, A::Error> {
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
        Ok(NetworkArguments {
            ends: self.ends(between, from, to)?,
            effect: effect.or_else(|| LinkEffect::without_parameter(self.0?)),
            lasts,
        })
    }
}

/// Writes the ends: `between` for both directions, `from` and `to` for one.
pub(crate) fn write_ends<M: SerializeMap>(map: &mut M, link: &Link) -> Result<(), M::Error> {
    if link.one_way {
        map.serialize_entry("from", &link.from)?;
        map.serialize_entry("to", &link.to)
    } else {
        map.serialize_entry("between", &[&link.from, &link.to])
    }
}

/// Parses one of these keys.
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

/// A duration above zero.
struct NonzeroLapse(Lapse);

impl<'de> Deserialize<'de> for NonzeroLapse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        nonzero(deserializer).map(Self)
    }
}

/// Ends all cuts, black holes and delays of a link.
#[derive(Debug, Clone, PartialEq)]
pub struct Heal {
    /// The link to heal.
    pub link: Link,
    /// Positions of its ends.
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
