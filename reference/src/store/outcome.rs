//! Finds out whether a failed commit was stored.
//!
//! A disk can report the failure of a sync after everything was written. Then the rows are there
//! when the database is opened again, so a caller must not report that nothing was stored before it has looked.

use redb::{Database, ReadTransaction, ReadableDatabase as _};

use super::versions::write_versioned;
use super::{CORES, EVENTS, EXECUTIONS, MESSAGES, METADATA, SessionKey, Store, StoreError, json};
use crate::session::commit::Commit;

impl Store {
    /// Whether all rows of a commit are in the database, opened again. If they are, they are durable when this returns.
    ///
    /// # Errors
    ///
    /// If the database fails. Then the outcome stays unknown.
    pub(super) fn is_stored(&self, key: &SessionKey, commit: &Commit<'_>) -> Result<bool, StoreError> {
        self.with(|database| {
            let is_stored = has_rows(&database.begin_read()?, key, commit)?;
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
fn has_rows(
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
        && stored.is_none_or(|row| row.value() != &*json(wanted))
    {
        return Ok(false);
    }
    if let Some(wanted) = &commit.core {
        let stored = transaction.open_table(CORES)?.get(key.parts())?;
        if stored.is_none_or(|row| row.value() != &*write_versioned(wanted)) {
            return Ok(false);
        }
    }
    let messages = transaction.open_table(MESSAGES)?;
    for message in &commit.messages {
        let stored = messages.get((id, message.id.as_str()))?;
        if stored.is_none_or(|row| row.value() != &*write_versioned(message.as_ref())) {
            return Ok(false);
        }
    }
    let executions = transaction.open_table(EXECUTIONS)?;
    for execution in &commit.executions {
        let stored = executions.get((id, execution.id().as_str()))?;
        if stored.is_none_or(|row| row.value() != &*json(execution.as_ref())) {
            return Ok(false);
        }
    }
    let events = transaction.open_table(EVENTS)?;
    for row in commit.events.iter() {
        let stored = events.get((id, row.event.id))?;
        if stored.is_none_or(|stored| stored.value() != &*json(&row.event)) {
            return Ok(false);
        }
    }
    Ok(true)
}
