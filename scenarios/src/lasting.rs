//! A behaviour with an optional duration: a word, or a map of the word and `for`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::place::At;
use turnstile_fault::{Lapse, nonzero};

/// A behaviour from this step on: `refuses`, or `{ is: refuses, for: 40s }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lasting<T> {
    /// The behaviour.
    pub is: T,
    /// Time after which the normal behaviour returns; `None` if it does not.
    pub lasts: Option<Lapse>,
}

/// The map form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<T> {
    is: T,
    #[serde(deserialize_with = "nonzero")]
    r#for: Lapse,
}

impl<'de, T: DeserializeOwned + Default + PartialEq> Deserialize<'de> for Lasting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Without `At`, an error in a bare word has no position.
        At::<Either<T>>::deserialize(deserializer).map(|read| read.value.0)
    }
}

/// Either form.
struct Either<T>(Lasting<T>);

impl<'de, T: DeserializeOwned + Default + PartialEq> Deserialize<'de> for Either<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData)).map(Self)
    }
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned + Default + PartialEq> Visitor<'de> for Reader<T> {
    type Value = Lasting<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a word, or a map such as { is: word, for: 4s }")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
        let is = T::deserialize(StrDeserializer::new(word))?;
        Ok(Lasting { is, lasts: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let Written { is, r#for } = Written::<T>::deserialize(MapAccessDeserializer::new(map))?;
        if is == T::default() {
            return Err(A::Error::custom(
                "`for` has no meaning with the normal behaviour: remove it",
            ));
        }
        Ok(Lasting {
            is,
            lasts: Some(r#for),
        })
    }
}

impl<T: Serialize + Copy> Serialize for Lasting<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.lasts {
            Some(lapse) => Written {
                is: self.is,
                r#for: lapse,
            }
            .serialize(serializer),
            None => self.is.serialize(serializer),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Lasting<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Lasting{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (word, lapse) = (generator.subschema_for::<T>(), generator.subschema_for::<Lapse>());
        json_schema!({
            "oneOf": [
                word,
                {
                    "type": "object",
                    "properties": { "is": word, "for": lapse },
                    "required": ["is", "for"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}
