//! The rows of the store: how each record is written and read. All implementations of
//! [`Storage`](super::Storage) store these bytes.

use super::versions::{read_versioned, write_versioned};
use super::{StoreError, StoredJob, json, read};
use crate::legacy::model::execution::Execution;
use crate::legacy::record;
use crate::model::message::Message;
use crate::model::metadata::Metadata;
use crate::session::Core;
use crate::session::events::Event;

/// A record with a row.
pub trait Row: Sized {
    /// Serializes the record.
    fn to_row(&self) -> Vec<u8>;

    /// Parses a row of `owner`.
    ///
    /// # Errors
    ///
    /// If the row has not the form of a version that this server reads. The error names the owner.
    fn from_row(row: &[u8], owner: &dyn Fn() -> String) -> Result<Self, StoreError>;
}

impl Row for Metadata {
    fn to_row(&self) -> Vec<u8> {
        json(self)
    }

    fn from_row(row: &[u8], owner: &dyn Fn() -> String) -> Result<Self, StoreError> {
        record::read(row).map_err(|source| StoreError::Record {
            what: owner(),
            source,
        })
    }
}

macro_rules! versioned_rows {
    ($($record:ty),*) => {
        $(impl Row for $record {
            fn to_row(&self) -> Vec<u8> {
                write_versioned(self)
            }

            fn from_row(row: &[u8], owner: &dyn Fn() -> String) -> Result<Self, StoreError> {
                read_versioned(row, owner)
            }
        })*
    };
}

versioned_rows!(Core, Message);

macro_rules! plain_rows {
    ($($record:ty),*) => {
        $(impl Row for $record {
            fn to_row(&self) -> Vec<u8> {
                json(self)
            }

            fn from_row(row: &[u8], owner: &dyn Fn() -> String) -> Result<Self, StoreError> {
                read(row, owner)
            }
        })*
    };
}

plain_rows!(Execution, Event, StoredJob);
