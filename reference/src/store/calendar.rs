//! The calendar of expiry: which sessions are to be looked at on which day.
//!
//! A session stands on the day on which it expires. It is moved at most once a day, and nobody has to read
//! all sessions to find those whose time has come.

use redb::{ReadableDatabase as _, TableDefinition, WriteTransaction};

use super::{SessionKey, Store, StoreError};
use crate::session::CalendarMove;

/// (day, user, session).
const CALENDAR: TableDefinition<(i64, &str, &str), ()> = TableDefinition::new("calendar");

pub(super) fn make_table(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(CALENDAR)?;
    Ok(())
}

pub(super) fn move_session(
    transaction: &WriteTransaction,
    key: &SessionKey,
    CalendarMove { from, to }: CalendarMove,
) -> Result<(), StoreError> {
    let (user, session) = key.parts();
    let mut calendar = transaction.open_table(CALENDAR)?;
    if let Some(from) = from {
        calendar.remove((from, user, session))?;
    }
    calendar.insert((to, user, session), ())?;
    Ok(())
}

pub(super) fn take_out(transaction: &WriteTransaction, key: &SessionKey, day: i64) -> Result<(), StoreError> {
    let (user, session) = key.parts();
    transaction.open_table(CALENDAR)?.remove((day, user, session))?;
    Ok(())
}

impl Store {
    /// Sessions that stand on `day` or before, with their day.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn expiring(&self, day: i64) -> Result<Vec<(i64, SessionKey)>, StoreError> {
        self.with(|database| {
            let calendar = database.begin_read()?.open_table(CALENDAR)?;
            let mut found = Vec::new();
            for row in calendar.range(..(day + 1, "", ""))? {
                let (key, _) = row?;
                let (day, user, session) = key.value();
                // Keys were identities when they were written.
                if let (Ok(user), Ok(session)) = (user.parse(), session.parse()) {
                    found.push((day, SessionKey { user, session }));
                }
            }
            Ok(found)
        })
    }
}
