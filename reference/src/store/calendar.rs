//! The calendar of expiry: the sessions to check on each day.
//!
//! A session has one row, on the day on which it expires, and moves at most once a day. So expired sessions are found
//! without reading all sessions.

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

pub(super) fn remove_session(
    transaction: &WriteTransaction,
    key: &SessionKey,
    day: i64,
) -> Result<(), StoreError> {
    let (user, session) = key.parts();
    transaction.open_table(CALENDAR)?.remove((day, user, session))?;
    Ok(())
}

impl Store {
    /// Returns the sessions on `day` and all days before it, each with its day.
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
                // Parsing cannot fail: the key was written from these types.
                if let (Ok(user), Ok(session)) = (user.parse(), session.parse()) {
                    found.push((day, SessionKey { user, session }));
                }
            }
            Ok(found)
        })
    }
}
