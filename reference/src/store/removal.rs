//! Removes sessions. A removal is remembered for a time, so that the import of an older record at a later start does not
//! bring the session back (R2.92).

use redb::{ReadableTable as _, TableDefinition, WriteTransaction};

use super::{
    CORES, ENTITIES, EVENTS, EXECUTIONS, MESSAGES, METADATA, SessionKey, Store, StoreError, WAKING, calendar,
};

/// (user, session) of removed sessions.
const REMOVED: TableDefinition<(&str, &str), ()> = TableDefinition::new("removed");

pub(super) fn make_table(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(REMOVED)?;
    Ok(())
}

/// Whether the session was removed and the removal is not forgotten yet.
pub(super) fn was_removed(transaction: &WriteTransaction, key: &SessionKey) -> Result<bool, StoreError> {
    Ok(transaction.open_table(REMOVED)?.get(key.parts())?.is_some())
}

/// Removes all rows of a session, except its place in the calendar: on that day the removal is forgotten.
pub(super) fn remove(transaction: &WriteTransaction, key: &SessionKey) -> Result<(), StoreError> {
    let (_, id) = key.parts();
    transaction.open_table(METADATA)?.remove(key.parts())?;
    transaction.open_table(CORES)?.remove(key.parts())?;
    transaction.open_table(WAKING)?.remove(key.parts())?;
    // An upper bound of the ids, all of which begin with ASCII.
    let all = (id, "")..(id, "\u{10ffff}");
    transaction
        .open_table(MESSAGES)?
        .retain_in(all.clone(), |_, _| false)?;
    transaction
        .open_table(EXECUTIONS)?
        .retain_in(all.clone(), |_, _| false)?;
    transaction.open_table(ENTITIES)?.retain_in(all, |_, _| false)?;
    transaction
        .open_table(EVENTS)?
        .retain_in((id, 0)..=(id, u64::MAX), |_, _| false)?;
    transaction.open_table(REMOVED)?.insert(key.parts(), ())?;
    Ok(())
}

impl Store {
    /// Forgets the removal of a session. Returns false if the session was not removed.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn forget_removed(&self, key: &SessionKey, day: i64) -> Result<bool, StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            let was_removed = transaction.open_table(REMOVED)?.remove(key.parts())?.is_some();
            if was_removed {
                calendar::remove_session(&transaction, key, day)?;
            }
            transaction.commit()?;
            Ok(was_removed)
        })
    }
}
