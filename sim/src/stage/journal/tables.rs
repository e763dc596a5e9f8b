//! The rows of a journal in memory, and changes of them as bytes.
//!
//! A key is a sequence of bytes whose order is the order of the rows. This module does not know what is in a row.

use std::collections::BTreeMap;
use std::sync::Arc;

use turnstile_reference::identity::SessionId;
use turnstile_reference::store::SessionKey;

/// The tables of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// By user and session. A session exists if it has this row.
    Metadata,
    /// By user and session.
    Cores,
    /// By user and session: those that are loaded when the server starts.
    Waking,
    /// By session and message.
    Messages,
    /// By session and execution.
    Executions,
    /// By session and event id.
    Events,
    /// By session and entity: the id of the entity's latest event.
    Entities,
    /// By day, user and session.
    Calendar,
    /// By user and session.
    Removed,
    /// By number.
    Jobs,
}

impl Table {
    const ALL: [Self; 10] = [
        Self::Metadata,
        Self::Cores,
        Self::Waking,
        Self::Messages,
        Self::Executions,
        Self::Events,
        Self::Entities,
        Self::Calendar,
        Self::Removed,
        Self::Jobs,
    ];
}

/// The key of a row.
pub(super) type Key = Vec<u8>;
/// The content of a row. Snapshots share it.
pub(super) type Content = Arc<[u8]>;

/// Ends a text in a key. Texts in keys do not contain it, except a user's id, which the session's id follows.
const END: u8 = 0;

/// The key of a session.
pub(super) fn of_session(key: &SessionKey) -> Key {
    within(key.user.as_str(), key.session.as_str().as_bytes())
}

/// The session that has this key.
pub(super) fn session_of(key: &[u8]) -> Option<SessionKey> {
    let place = key.iter().rposition(|byte| *byte == END)?;
    let (user, session) = (&key[..place], &key[place + 1..]);
    Some(SessionKey {
        user: std::str::from_utf8(user).ok()?.parse().ok()?,
        session: std::str::from_utf8(session).ok()?.parse().ok()?,
    })
}

/// The key of something within a session; without a name, the beginning of all such keys.
pub(super) fn within(session: &str, name: &[u8]) -> Key {
    let mut key = Vec::with_capacity(session.len() + 1 + name.len());
    key.extend(session.as_bytes());
    key.push(END);
    key.extend(name);
    key
}

/// The key of an event.
pub(super) fn of_event(session: &SessionId, id: u64) -> Key {
    within(session.as_str(), &id.to_be_bytes())
}

/// The key of a session on a day of the calendar.
pub(super) fn of_day(day: i64, key: &SessionKey) -> Key {
    let mut bytes = (day ^ i64::MIN).to_be_bytes().to_vec();
    bytes.extend(of_session(key));
    bytes
}

/// The day and the session of a key of the calendar.
pub(super) fn day_of(key: &[u8]) -> Option<(i64, SessionKey)> {
    let (day, session) = key.split_first_chunk()?;
    Some((i64::from_be_bytes(*day) ^ i64::MIN, session_of(session)?))
}

/// A number in a key or a row.
pub(super) fn number_of(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// All rows.
#[derive(Default)]
pub(super) struct Tables([BTreeMap<Key, Content>; Table::ALL.len()]);

impl Tables {
    /// The rows of a table, in order.
    pub fn rows(&self, table: Table) -> &BTreeMap<Key, Content> {
        &self.0[table as usize]
    }

    /// The row with this key.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<&Content> {
        self.rows(table).get(key)
    }

    /// The rows whose keys begin with `beginning`, each with the rest of its key.
    pub fn beginning_with<'a>(
        &'a self,
        table: Table,
        beginning: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a Content)> {
        let from = self.rows(table).range(beginning.to_vec()..);
        from.map_while(move |(key, content)| Some((key.strip_prefix(beginning)?, content)))
    }

    /// Makes the changes of an entry.
    pub fn apply(&mut self, entry: &[u8]) {
        let mut rest = entry;
        while let Some((table, key, content)) = next_change(&mut rest) {
            let rows = &mut self.0[table as usize];
            match content {
                Some(content) => rows.insert(key.to_vec(), content.into()),
                None => rows.remove(key),
            };
        }
    }
}

/// The length that stands for the removal of a row.
const REMOVAL: u32 = u32::MAX;

/// The size of most entries, in bytes: a buffer that grows copies what it has.
const ENTRY_SIZE: usize = 2048;

/// Changes of rows, as bytes.
pub(super) struct Changes {
    entry: Vec<u8>,
    is_abandoned: bool,
}

impl Changes {
    /// No changes.
    pub fn new() -> Self {
        Self {
            entry: Vec::with_capacity(ENTRY_SIZE),
            is_abandoned: false,
        }
    }

    /// Writes a row.
    pub fn put(&mut self, table: Table, key: &[u8], content: &[u8]) {
        self.add(table, key, length_of(content));
        self.entry.extend(content);
    }

    /// Removes a row, which may be missing.
    pub fn remove(&mut self, table: Table, key: &[u8]) {
        self.add(table, key, REMOVAL);
    }

    /// Removes all rows whose keys begin with `beginning`.
    pub fn remove_beginning_with(&mut self, tables: &Tables, table: Table, beginning: &[u8]) {
        for (rest, _) in tables.beginning_with(table, beginning) {
            self.remove(table, &[beginning, rest].concat());
        }
    }

    fn add(&mut self, table: Table, key: &[u8], length: u32) {
        self.entry.push(table as u8);
        self.entry.extend(length_of(key).to_le_bytes());
        self.entry.extend(length.to_le_bytes());
        self.entry.extend(key);
    }

    /// Leaves the store as it is.
    pub fn abandon(&mut self) {
        self.is_abandoned = true;
    }

    /// The entry of a journal with these changes; `None` if they were abandoned.
    pub fn entry(&self) -> Option<&[u8]> {
        (!self.is_abandoned).then_some(&self.entry)
    }
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("rows and keys are short")
}

/// A change in an entry: a key, and the row that is written, if any.
type Change<'a> = (Table, &'a [u8], Option<&'a [u8]>);

/// Takes the first change from the rest of an entry.
fn next_change<'a>(rest: &mut &'a [u8]) -> Option<Change<'a>> {
    let table = *Table::ALL.get(usize::from(*rest.split_off_first()?))?;
    let mut length = || Some(u32::from_le_bytes(rest.split_off(..4)?.try_into().ok()?));
    let (key, content) = (length()?, length()?);
    let key = rest.split_off(..key as usize)?;
    let content = match content {
        REMOVAL => None,
        length => Some(rest.split_off(..length as usize)?),
    };
    Some((table, key, content))
}
