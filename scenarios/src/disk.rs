//! The value of the step `disk`: a behaviour, with the time for which it lasts or the operation that it affects.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use turnstile_fault::{DiskBehaviour, DiskOperation, Lapse, is_default, nonzero};

use crate::place::At;
use crate::shorthand::{MapForm, WordOr};

/// A behaviour of the disk: `fails`, `{ is: fails, for: 5s }` or `{ is: fails, at: { write: 3 } }`.
#[derive(Deserialize)]
#[serde(try_from = "WordOr<DiskBehaviour, WrittenDisk>")]
pub(crate) struct DiskStep {
    pub is: DiskBehaviour,
    pub at: Option<DiskOperation>,
    pub r#for: Option<Lapse>,
}

/// The map form.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["for"] }, { "required": ["at"] }]))]
pub(crate) struct WrittenDisk {
    /// The behaviour.
    is: DiskBehaviour,
    /// The only operation that is affected, counted from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<DiskOperation>,
    /// Time after which the disk works again.
    #[serde(
        default,
        deserialize_with = "nonzero",
        skip_serializing_if = "Option::is_none"
    )]
    r#for: Option<Lapse>,
}

impl MapForm for WrittenDisk {
    const EXAMPLE: &'static str = "{ is: fails, for: 4s }";
}

/// Invalid keys of a `disk` step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiskError {
    #[error("the normal behaviour needs no `for` and no `at`: write only the word")]
    Normal,
    #[error("specify either `for` or `at`")]
    Keys,
    #[error("a disk is full for every write: use `is: fails` with `at`")]
    Full,
}

impl TryFrom<WordOr<DiskBehaviour, WrittenDisk>> for DiskStep {
    type Error = DiskError;

    fn try_from(written: WordOr<DiskBehaviour, WrittenDisk>) -> Result<Self, DiskError> {
        let WrittenDisk { is, at, r#for } = match written {
            WordOr::Word(At { value: is, .. }) => {
                return Ok(Self {
                    is,
                    at: None,
                    r#for: None,
                });
            }
            WordOr::Map(map) => map,
        };
        match (at, r#for) {
            _ if is_default(&is) => Err(DiskError::Normal),
            (None, None) | (Some(_), Some(_)) => Err(DiskError::Keys),
            (Some(_), None) if is == DiskBehaviour::Full => Err(DiskError::Full),
            _ => Ok(Self { is, at, r#for }),
        }
    }
}

impl Serialize for DiskStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { is, at, r#for } = *self;
        match (at, r#for) {
            (None, None) => is.serialize(serializer),
            _ => WrittenDisk { is, at, r#for }.serialize(serializer),
        }
    }
}

impl JsonSchema for DiskStep {
    fn schema_name() -> Cow<'static, str> {
        "Disk".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        WordOr::<DiskBehaviour, WrittenDisk>::json_schema(generator)
    }
}
