//! Values with two forms in a script: one word, or a map of keys.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::place::At;

/// The map form of a value, with an example for error messages.
pub(crate) trait MapForm: DeserializeOwned {
    /// Such as `{ for: 3s }`.
    const EXAMPLE: &'static str;
}

/// A value in either form.
pub(crate) enum WordOr<W, M> {
    Word(At<W>),
    Map(M),
}

impl<'de, W: DeserializeOwned, M: MapForm> Deserialize<'de> for WordOr<W, M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Only `At` knows the position of a bare word, for later checks and for errors in it.
        let At { value, spot } = At::<Either<W, M>>::deserialize(deserializer)?;
        Ok(match value {
            Either::Word(value) => Self::Word(At { value, spot }),
            Either::Map(map) => Self::Map(map),
        })
    }
}

enum Either<W, M> {
    Word(W),
    Map(M),
}

impl<'de, W: DeserializeOwned, M: MapForm> Deserialize<'de> for Either<W, M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

struct Reader<W, M>(PhantomData<(W, M)>);

impl<'de, W: DeserializeOwned, M: MapForm> Visitor<'de> for Reader<W, M> {
    type Value = Either<W, M>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a word, or a map such as {}", M::EXAMPLE)
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
        W::deserialize(StrDeserializer::new(word)).map(Either::Word)
    }

    // A word that YAML reads as a number gets the error of the word.
    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        M::deserialize(MapAccessDeserializer::new(map)).map(Either::Map)
    }
}

impl<W: JsonSchema, M: JsonSchema> JsonSchema for WordOr<W, M> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Or{}", W::schema_name(), M::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [generator.subschema_for::<W>(), generator.subschema_for::<M>()] })
    }
}
