//! Writes the changes of a decision in one transaction.

use redb::{ReadableTable as _, WriteTransaction};

use super::outcome::has_rows;
use super::rows::Row as _;
use super::{
    CORES, ENTITIES, EVENTS, EXECUTIONS, MESSAGES, METADATA, SessionKey, Store, StoreError, WAKING, calendar,
    removal,
};
use crate::session::commit::Commit;
use crate::session::events::EventRow;

impl Store {
    /// Writes the changes of a decision atomically. They are durable when this returns.
    ///
    /// # Errors
    ///
    /// If the database fails. Nothing was written then, unless the database cannot be opened again either.
    pub fn commit(&self, key: &SessionKey, commit: &Commit<'_>) -> Result<(), StoreError> {
        if commit.is_empty() {
            return Ok(());
        }
        let written = self.write(key, commit);
        self.outcome_of(written, &|transaction| has_rows(transaction, key, commit))
    }

    fn write(&self, key: &SessionKey, commit: &Commit<'_>) -> Result<(), StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            if let Some(calendar) = commit.calendar {
                calendar::move_session(&transaction, key, calendar)?;
            }
            if commit.removal {
                removal::remove(&transaction, key)?;
            } else {
                write_session(&transaction, key, commit)?;
                write_events(&transaction, key, commit)?;
            }
            transaction.commit()?;
            Ok(())
        })
    }
}

/// Writes metadata, core, messages and executions.
fn write_session(
    transaction: &WriteTransaction,
    key: &SessionKey,
    commit: &Commit<'_>,
) -> Result<(), StoreError> {
    let (_, id) = key.parts();
    if let Some(metadata) = commit.metadata.as_deref() {
        transaction
            .open_table(METADATA)?
            .insert(key.parts(), &*metadata.to_row())?;
    }
    if let Some(core) = &commit.core {
        transaction
            .open_table(CORES)?
            .insert(key.parts(), &*core.to_row())?;
        write_waking(transaction, key, commit.needs_resuming)?;
    }
    if !commit.messages.is_empty() {
        let mut messages = transaction.open_table(MESSAGES)?;
        for message in &commit.messages {
            messages.insert((id, message.id.as_str()), &*message.to_row())?;
        }
    }
    if !commit.executions.is_empty() {
        let mut executions = transaction.open_table(EXECUTIONS)?;
        for execution in &commit.executions {
            executions.insert((id, execution.id().as_str()), &*execution.to_row())?;
        }
    }
    Ok(())
}

/// Records whether the server must load the session when it starts.
fn write_waking(
    transaction: &WriteTransaction,
    key: &SessionKey,
    needs_resuming: bool,
) -> Result<(), StoreError> {
    let mut waking = transaction.open_table(WAKING)?;
    // Write only on a change: each written page has to be synced to the disk.
    let is_waking = waking.get(key.parts())?.is_some();
    if needs_resuming && !is_waking {
        waking.insert(key.parts(), ())?;
    } else if !needs_resuming && is_waking {
        waking.remove(key.parts())?;
    }
    Ok(())
}

/// Writes the new events, and the index of the latest event of each entity.
fn write_events(
    transaction: &WriteTransaction,
    key: &SessionKey,
    commit: &Commit<'_>,
) -> Result<(), StoreError> {
    let (_, id) = key.parts();
    if !commit.events.is_empty() {
        let mut events = transaction.open_table(EVENTS)?;
        for EventRow { event, .. } in commit.events.iter() {
            events.insert((id, event.id), &*event.to_row())?;
        }
    }
    let has_entities = commit.events.iter().any(|row| row.entity.is_some());
    if has_entities || !commit.forgotten_entities.is_empty() {
        let mut entities = transaction.open_table(ENTITIES)?;
        for entity in commit.forgotten_entities {
            entities.remove((id, entity.as_str()))?;
        }
        for EventRow { event, entity } in commit.events.iter() {
            if let Some(entity) = entity {
                entities.insert((id, entity.as_str()), event.id)?;
            }
        }
    }
    Ok(())
}
