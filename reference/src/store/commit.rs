//! Writes the changes of a decision in one transaction.

use redb::{ReadableTable as _, WriteTransaction};

use super::versions::write_versioned;
use super::{
    CORES, ENTITIES, EVENTS, EXECUTIONS, MESSAGES, METADATA, SessionKey, Store, StoreError, WAKING, calendar,
    json, removal,
};
use crate::session::events::EventRow;
use crate::session::{Session, Writes};

impl Store {
    /// Writes the changes of `session` atomically. They are durable when this returns.
    ///
    /// # Errors
    ///
    /// If the database fails. Nothing was written then.
    pub fn commit(&self, key: &SessionKey, session: &Session, writes: &Writes) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.with(|database| {
            let transaction = database.begin_write()?;
            if let Some(calendar) = writes.calendar {
                calendar::move_session(&transaction, key, calendar)?;
            }
            if writes.removal {
                removal::remove(&transaction, key)?;
            } else {
                write_session(&transaction, key, session, writes)?;
                write_events(&transaction, key, writes)?;
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
    session: &Session,
    writes: &Writes,
) -> Result<(), StoreError> {
    let (_, id) = key.parts();
    if writes.metadata {
        transaction
            .open_table(METADATA)?
            .insert(key.parts(), &*json(session.metadata()))?;
    }
    if writes.core {
        transaction
            .open_table(CORES)?
            .insert(key.parts(), &*write_versioned(&session.core()))?;
        write_waking(transaction, key, session.needs_resuming())?;
    }
    if !writes.messages.is_empty() {
        let mut messages = transaction.open_table(MESSAGES)?;
        let written = writes.messages.iter();
        for message in written.filter_map(|message| session.message(message)) {
            messages.insert((id, message.id.as_str()), &*write_versioned(message))?;
        }
    }
    if !writes.executions.is_empty() {
        let mut executions = transaction.open_table(EXECUTIONS)?;
        let written = writes.executions.iter();
        for execution in written.filter_map(|execution| session.execution(execution)) {
            executions.insert((id, execution.id().as_str()), &*json(execution))?;
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
fn write_events(transaction: &WriteTransaction, key: &SessionKey, writes: &Writes) -> Result<(), StoreError> {
    let (_, id) = key.parts();
    if !writes.events.is_empty() {
        let mut events = transaction.open_table(EVENTS)?;
        for EventRow { event, .. } in &writes.events {
            events.insert((id, event.id), &*json(event))?;
        }
    }
    let has_entities = writes.events.iter().any(|row| row.entity.is_some());
    if has_entities || !writes.forgotten_entities.is_empty() {
        let mut entities = transaction.open_table(ENTITIES)?;
        for entity in &writes.forgotten_entities {
            entities.remove((id, entity.as_str()))?;
        }
        for EventRow { event, entity } in &writes.events {
            if let Some(entity) = entity {
                entities.insert((id, entity.as_str()), event.id)?;
            }
        }
    }
    Ok(())
}
