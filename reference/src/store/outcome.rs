//! Finds out whether a failed write was stored.
//!
//! A disk can report the failure of a sync after everything was written. Then the rows are there
//! when the database is opened again, so a caller must not report that nothing was stored before it has looked.

use redb::{Database, ReadTransaction, ReadableDatabase as _};

use super::rows::Row as _;
use super::{CORES, EVENTS, EXECUTIONS, MESSAGES, METADATA, SessionKey, Store, StoreError};
use crate::session::commit::Commit;

impl Store {
    /// The outcome of a write of a whole transaction, which `is_there` looks for in the database, opened again. If it is
    /// there, it is durable when this returns.
    ///
    /// # Errors
    ///
    /// The error of the write, if it was not stored or if the database cannot be opened again.
    pub(super) fn outcome_of(
        &self,
        written: Result<(), StoreError>,
        is_there: &dyn Fn(&ReadTransaction) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        match written {
            Err(StoreError::Database(_) | StoreError::Backend(_))
                if self.is_stored(is_there).unwrap_or_default() =>
            {
                Ok(())
            }
            written => written,
        }
    }

    fn is_stored(
        &self,
        is_there: &dyn Fn(&ReadTransaction) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        self.with(|database| {
            let is_stored = is_there(&database.begin_read()?)?;
            if is_stored {
                sync(database)?;
            }
            Ok(is_stored)
        })
    }
}

/// Syncs everything that was written before.
fn sync(database: &Database) -> Result<(), StoreError> {
    Ok(database.begin_write()?.commit()?)
}

/// Whether the rows that a commit writes are in the database, with the same content. A transaction is written as a whole,
/// so the indexes need no look.
pub(super) fn has_rows(
    transaction: &ReadTransaction,
    key: &SessionKey,
    commit: &Commit<'_>,
) -> Result<bool, StoreError> {
    let (_, id) = key.parts();
    let metadata = transaction.open_table(METADATA)?;
    let stored = metadata.get(key.parts())?;
    if commit.removal {
        return Ok(stored.is_none());
    }
    if let Some(wanted) = commit.metadata.as_deref()
        && stored.is_none_or(|row| row.value() != &*wanted.to_row())
    {
        return Ok(false);
    }
    if let Some(wanted) = &commit.core {
        let stored = transaction.open_table(CORES)?.get(key.parts())?;
        if stored.is_none_or(|row| row.value() != &*wanted.to_row()) {
            return Ok(false);
        }
    }
    let messages = transaction.open_table(MESSAGES)?;
    for message in &commit.messages {
        let stored = messages.get((id, message.id.as_str()))?;
        if stored.is_none_or(|row| row.value() != &*message.to_row()) {
            return Ok(false);
        }
    }
    let executions = transaction.open_table(EXECUTIONS)?;
    for execution in &commit.executions {
        let stored = executions.get((id, execution.id().as_str()))?;
        if stored.is_none_or(|row| row.value() != &*execution.to_row()) {
            return Ok(false);
        }
    }
    let events = transaction.open_table(EVENTS)?;
    for row in commit.events.iter() {
        let stored = events.get((id, row.event.id))?;
        if stored.is_none_or(|stored| stored.value() != &*row.event.to_row()) {
            return Ok(false);
        }
    }
    Ok(true)
}
