//! A snapshot of the kept events of a session, which is read in portions.

use std::fmt;

use redb::ReadOnlyTable;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{StoreError, read};
use crate::identity::SessionId;
use crate::session::events::Event;

/// The rows of events in a snapshot.
pub trait EventRows: Send {
    /// Passes the rows of a session's events with `after < id <= up_to` to `take`, in order, until it returns false.
    ///
    /// # Errors
    ///
    /// If the medium fails, or `take` does.
    fn each(
        &self,
        session: &SessionId,
        after: u64,
        up_to: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError>;
}

impl EventRows for ReadOnlyTable<(&'static str, u64), &'static [u8]> {
    fn each(
        &self,
        session: &SessionId,
        after: u64,
        up_to: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let id = session.as_str();
        for row in self.range((id, after + 1)..=(id, up_to))? {
            let (_, value) = row?;
            if !take(value.value())? {
                break;
            }
        }
        Ok(())
    }
}

/// The data of an event as it is stored. Clients receive it unchanged, so it is not parsed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredData(Box<RawValue>);

impl PartialEq for StoredData {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// A snapshot of the kept events of a session. Later writes do not affect it, but after an I/O error the store closes its
/// medium, and then the snapshot cannot be read any more.
pub struct Replay {
    rows: Box<dyn EventRows>,
    session: SessionId,
}

impl fmt::Debug for Replay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Replay of {}", self.session)
    }
}

impl Replay {
    /// A snapshot of the events of `session` among these rows.
    pub fn new(session: SessionId, rows: Box<dyn EventRows>) -> Self {
        Self { rows, session }
    }

    /// Returns the events with `after < id <= up_to`, in order: as many as fit into `bytes`, and at least one if
    /// there is any.
    ///
    /// # Errors
    ///
    /// If the medium fails, or an event is unreadable.
    pub fn events(&self, after: u64, up_to: u64, bytes: usize) -> Result<Vec<Event<StoredData>>, StoreError> {
        let mut found = Vec::new();
        let mut size = 0;
        if after < up_to {
            self.rows.each(&self.session, after, up_to, &mut |row| {
                size += row.len();
                let fits = size <= bytes || found.is_empty();
                if fits {
                    found.push(read(row, || self.session.to_string())?);
                }
                Ok(fits)
            })?;
        }
        Ok(found)
    }
}
