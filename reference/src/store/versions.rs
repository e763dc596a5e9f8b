//! The schema versions of cores and messages.
//!
//! Each row has the version of its form. Rows without one are from before versions existed: they have version 0,
//! which has the form of version 1. Metadata has a separate, older version (see
//! [`legacy::record`](crate::legacy::record)).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{StoreError, json, read};
use crate::model::message::Message;
use crate::session::Core;

/// A record that is stored with the version of its form.
pub(super) trait Versioned: Serialize + DeserializeOwned {
    /// The version that this server writes. It reads all versions up to this one.
    const VERSION: u32;
}

/// Version 2 has no `killOwed`.
impl Versioned for Core {
    const VERSION: u32 = 2;
}

impl Versioned for Message {
    const VERSION: u32 = 1;
}

/// A row as stored.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a, T> {
    schema_version: u32,
    #[serde(flatten)]
    record: &'a T,
}

/// The field of a row that is read first.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    #[serde(default)]
    schema_version: u32,
}

/// Serializes a record as a row.
pub(super) fn write_versioned<T: Versioned>(record: &T) -> Vec<u8> {
    json(&Row {
        schema_version: T::VERSION,
        record,
    })
}

/// Parses a row.
///
/// # Errors
///
/// If the row has a later version, or does not have the form of its version.
pub(super) fn read_versioned<T: Versioned>(row: &[u8], what: impl Fn() -> String) -> Result<T, StoreError> {
    let Version { schema_version } = read(row, &what)?;
    if schema_version > T::VERSION {
        return Err(StoreError::Version {
            what: what(),
            version: schema_version,
            known: T::VERSION,
        });
    }
    read(row, what)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Rows of version 0, written by the last server without versions.
    const VERSION_0: &str = include_str!("fixtures/version_0.json");
    /// The same rows in version 1.
    const VERSION_1: &str = include_str!("fixtures/version_1.json");
    /// The same cores in version 2.
    const VERSION_2: &str = include_str!("fixtures/version_2.json");

    fn rows(fixture: &str, of: &str) -> Vec<Value> {
        let mut fixture: Value = serde_json::from_str(fixture).unwrap();
        serde_json::from_value(fixture[of].take()).unwrap()
    }

    fn read_back<T: Versioned>(row: &Value) -> Result<T, StoreError> {
        read_versioned(row.to_string().as_bytes(), || "a fixture".to_owned())
    }

    /// Checks the rows of all versions, the latest last.
    fn every_version_is_read<T: Versioned + PartialEq + std::fmt::Debug>(of: &str, versions: &[&str]) {
        let latest = rows(versions.last().unwrap(), of);
        for version in versions {
            let rows = rows(version, of);
            assert_eq!(rows.len(), latest.len());
            for (row, latest) in rows.iter().zip(&latest) {
                let record: T = read_back(row).unwrap();
                let written: Value = serde_json::from_slice(&write_versioned(&record)).unwrap();
                assert_eq!(&written, latest);
            }
        }
    }

    #[test]
    fn every_version_of_a_core_is_read_and_the_latest_is_written() {
        every_version_is_read::<Core>("cores", &[VERSION_0, VERSION_1, VERSION_2]);
    }

    #[test]
    fn every_version_of_a_message_is_read_and_the_latest_is_written() {
        every_version_is_read::<Message>("messages", &[VERSION_0, VERSION_1]);
    }

    #[test]
    fn the_error_for_a_later_version_names_both_versions() {
        let mut row = rows(VERSION_2, "cores").remove(0);
        row["schemaVersion"] = json!(3);
        let error = read_back::<Core>(&row).unwrap_err().to_string();
        assert!(error.contains("version 3") && error.contains('2'), "{error}");
    }
}
