//! Removing a session, and remembering for a while that it was there: deleting it again is no mistake
//! (protocol §2).

use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};

use super::{
    CORES, ENTITIES, EVENTS, EXECUTIONS, MESSAGES, METADATA, SessionKey, Store, StoreError, WAKING, calendar,
};

/// (user, session) of those that were removed.
const REMOVED: TableDefinition<(&str, &str), ()> = TableDefinition::new("removed");

pub(super) fn make_table(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(REMOVED)?;
    Ok(())
}

pub(super) fn was_removed(transaction: &WriteTransaction, key: &SessionKey) -> Result<bool, StoreError> {
    Ok(transaction.open_table(REMOVED)?.get(key.parts())?.is_some())
}

/// Removes all rows of a session. It keeps its place in the calendar: when its day has come, nobody needs to
/// remember it any more.
pub(super) fn remove(transaction: &WriteTransaction, key: &SessionKey) -> Result<(), StoreError> {
    let (_, id) = key.parts();
    transaction.open_table(METADATA)?.remove(key.parts())?;
    transaction.open_table(CORES)?.remove(key.parts())?;
    transaction.open_table(WAKING)?.remove(key.parts())?;
    // No id of a row is greater: whatever is in them, they begin with a word of ASCII.
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
    /// Whether there was such a session, not so long ago.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn was_removed(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.with(|database| {
            let removed = database.begin_read()?.open_table(REMOVED)?;
            Ok(removed.get(key.parts())?.is_some())
        })
    }

    /// Forgets that there was such a session. False if it is still there.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn forget_removed(&self, key: &SessionKey, day: i64) -> Result<bool, StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            let was_removed = transaction.open_table(REMOVED)?.remove(key.parts())?.is_some();
            if was_removed {
                calendar::take_out(&transaction, key, day)?;
            }
            transaction.commit()?;
            Ok(was_removed)
        })
    }
}
