//! A store for worlds in which many short runs are played: all rows in memory, and a journal of their changes in one file.
//!
//! A server's database writes several pages for a change, which costs more than the rest of the change. This store writes
//! the same rows, once, and syncs once. A world's disk does to its file what it does to a database: what is not synced is
//! lost in a crash, and a write or sync may fail. `tests` compares both stores.

mod file;
mod tables;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use redb::StorageBackend;
use serde_json::Value;
use turnstile_reference::identity::{SessionId, UserId};
use turnstile_reference::legacy::model::execution::Execution;
use turnstile_reference::model::metadata::Metadata;
use turnstile_reference::session::commit::Commit;
use turnstile_reference::session::events::{Event, EventRow};
use turnstile_reference::session::{Core, Stored};
use turnstile_reference::store::rows::Row;
use turnstile_reference::store::{EventRows, Imported, Replay, SessionKey, Storage, StoreError, StoredJob};

use self::file::JournalFile;
use self::tables::{Changes, Content, Table, Tables};

type Open = Box<dyn Fn() -> io::Result<Opened> + Send + Sync>;

/// A store in a journal. After an I/O error it reads its file again at the next call, so it recovers as soon as the disk
/// does.
pub(super) struct Journal {
    open: Open,
    opened: Mutex<Option<Opened>>,
}

/// An open journal.
struct Opened {
    file: JournalFile,
    tables: Tables,
    /// Snapshots refer to it, to see whether the journal is still open.
    is_open: Arc<()>,
}

impl Journal {
    /// Opens the journal in the file that `backend` returns, which may be empty. `backend` is called again after an I/O
    /// error.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written.
    pub fn open<B: StorageBackend>(
        backend: impl Fn() -> io::Result<B> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let open = move || {
            let mut tables = Tables::default();
            let file = JournalFile::open(Box::new(backend()?), |entry| tables.apply(entry))?;
            let is_open = Arc::default();
            Ok(Opened {
                file,
                tables,
                is_open,
            })
        };
        let opened = Mutex::new(Some(open()?));
        Ok(Self {
            open: Box::new(open),
            opened,
        })
    }

    /// Calls `act` with the journal, which is opened again if it failed before.
    fn with<T>(&self, act: impl FnOnce(&mut Opened) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut slot = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let mut opened = match slot.take() {
            Some(opened) => opened,
            None => (self.open)()?,
        };
        let done = act(&mut opened);
        if opened.file.works() {
            *slot = Some(opened);
        }
        done
    }

    fn read<T>(&self, read: impl FnOnce(&Tables) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.with(|opened| read(&opened.tables))
    }

    /// Writes the changes that `change` makes, unless it abandons them. Writes an entry without changes too, because a
    /// database writes a transaction without changes. If the disk fails, the file is read again, because an entry whose sync
    /// failed may be there.
    fn write<T>(
        &self,
        change: impl FnOnce(&Tables, &mut Changes) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (value, failure) = self.with(|Opened { file, tables, .. }| {
            let mut changes = Changes::new();
            let value = change(tables, &mut changes)?;
            let Some(entry) = changes.entry() else {
                return Ok((value, None));
            };
            let end = file.end_with(entry);
            let added = file.append(entry);
            if added.is_ok() {
                tables.apply(entry);
            }
            Ok((value, added.err().map(|error| (error, end))))
        })?;
        match failure {
            Some((error, end)) if !self.has(end) => Err(error.into()),
            Some(_) | None => Ok(value),
        }
    }

    /// Whether the file, read again, has the entry that ends there. If it cannot be read, that is not known.
    fn has(&self, end: u64) -> bool {
        self.with(|opened| Ok(opened.file.was_found(end)))
            .unwrap_or_default()
    }
}

impl Storage for Journal {
    fn commit(&self, key: &SessionKey, commit: &Commit<'_>) -> Result<(), StoreError> {
        if commit.is_empty() {
            return Ok(());
        }
        self.write(|tables, changes| {
            if let Some(calendar) = commit.calendar {
                if let Some(from) = calendar.from {
                    changes.remove(Table::Calendar, &tables::of_day(from, key));
                }
                changes.put(Table::Calendar, &tables::of_day(calendar.to, key), &[]);
            }
            if commit.removal {
                remove_session(tables, key, changes);
            } else {
                write_session(key, commit, changes);
                write_events(&key.session, commit, changes);
            }
            Ok(())
        })
    }

    fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        self.read(|tables| {
            let owner = || key.to_string();
            let session = tables::of_session(key);
            let Some(metadata) = tables.get(Table::Metadata, &session) else {
                return Ok(None);
            };
            let core = tables.get(Table::Cores, &session);
            let within = tables::within(key.session.as_str(), &[]);
            let mut entities = Vec::new();
            for (entity, id) in tables.beginning_with(Table::Entities, &within) {
                let event = tables::number_of(id).map(|id| tables::of_event(&key.session, id));
                if let Some(event) = event.and_then(|event| tables.get(Table::Events, &event)) {
                    entities.push(EventRow {
                        event: Event::from_row(event, &owner)?,
                        entity: Some(String::from_utf8_lossy(entity).into_owned()),
                    });
                }
            }
            Ok(Some(Stored {
                metadata: Metadata::from_row(metadata, &owner)?,
                // An imported session that has not changed since has none.
                core: core.map_or(Ok(Core::default()), |core| Core::from_row(core, &owner))?,
                messages: read_rows(tables, Table::Messages, &within, &owner)?,
                executions: read_rows(tables, Table::Executions, &within, &owner)?,
                entities,
            }))
        })
    }

    fn replay(&self, session: &SessionId) -> Result<Replay, StoreError> {
        self.with(|Opened { tables, is_open, .. }| {
            let within = tables::within(session.as_str(), &[]);
            let rows = tables.beginning_with(Table::Events, &within);
            let rows = rows.filter_map(|(id, event)| Some((tables::number_of(id)?, event.clone())));
            let has_any = !tables.rows(Table::Events).is_empty();
            let snapshot = Snapshot {
                rows: rows.collect(),
                journal: has_any.then(|| Arc::downgrade(is_open)),
            };
            Ok(Replay::new(session.clone(), Box::new(snapshot)))
        })
    }

    fn waking(&self) -> Result<Vec<SessionKey>, StoreError> {
        self.read(|tables| {
            let keys = tables.rows(Table::Waking).keys();
            Ok(keys.filter_map(|key| tables::session_of(key)).collect())
        })
    }

    fn expiring(&self, day: i64) -> Result<Vec<(i64, SessionKey)>, StoreError> {
        self.read(|tables| {
            let keys = tables.rows(Table::Calendar).keys();
            let days = keys.filter_map(|key| tables::day_of(key));
            Ok(days.take_while(|(of_session, _)| *of_session <= day).collect())
        })
    }

    fn forget_removed(&self, key: &SessionKey, day: i64) -> Result<bool, StoreError> {
        self.write(|tables, changes| {
            let session = tables::of_session(key);
            let was_removed = tables.get(Table::Removed, &session).is_some();
            if was_removed {
                changes.remove(Table::Removed, &session);
                changes.remove(Table::Calendar, &tables::of_day(day, key));
            }
            Ok(was_removed)
        })
    }

    fn import(&self, user: &UserId, session: &Value, executions: &[Value]) -> Result<(), StoreError> {
        let Imported {
            key,
            record,
            executions,
        } = Imported::read(user, session, executions)?;
        self.write(|tables, changes| {
            let session = tables::of_session(&key);
            let is_known = |table| tables.get(table, &session).is_some();
            if is_known(Table::Metadata) || is_known(Table::Removed) {
                changes.abandon();
            } else {
                changes.put(Table::Metadata, &session, &record);
                write_executions(&key.session, executions.iter(), changes);
                changes.put(Table::Waking, &session, &[]);
            }
            Ok(())
        })
    }

    fn add_job(&self, job: &StoredJob) -> Result<u64, StoreError> {
        self.write(|tables, changes| {
            let last = tables.rows(Table::Jobs).last_key_value();
            let last = last.and_then(|(key, _)| tables::number_of(key));
            let number = last.map_or(1, |last| last + 1);
            changes.put(Table::Jobs, &number.to_be_bytes(), &job.to_row());
            Ok(number)
        })
    }

    fn update_job(&self, number: u64, job: &StoredJob) -> Result<(), StoreError> {
        self.write(|_, changes| {
            changes.put(Table::Jobs, &number.to_be_bytes(), &job.to_row());
            Ok(())
        })
    }

    fn remove_job(&self, number: u64) -> Result<(), StoreError> {
        self.write(|_, changes| {
            changes.remove(Table::Jobs, &number.to_be_bytes());
            Ok(())
        })
    }

    fn jobs(&self) -> Result<Vec<(u64, StoredJob)>, StoreError> {
        self.read(|tables| {
            let rows = tables.rows(Table::Jobs).iter();
            rows.filter_map(|(key, job)| Some((tables::number_of(key)?, job)))
                .map(|(number, job)| {
                    let job = StoredJob::from_row(job, &|| format!("callback job {number}"))?;
                    Ok((number, job))
                })
                .collect()
        })
    }
}

/// Writes metadata, core, messages and executions.
fn write_session(key: &SessionKey, commit: &Commit<'_>, changes: &mut Changes) {
    let session = tables::of_session(key);
    if let Some(metadata) = commit.metadata.as_deref() {
        changes.put(Table::Metadata, &session, &metadata.to_row());
    }
    if let Some(core) = &commit.core {
        changes.put(Table::Cores, &session, &core.to_row());
        match commit.needs_resuming {
            true => changes.put(Table::Waking, &session, &[]),
            false => changes.remove(Table::Waking, &session),
        }
    }
    for message in &commit.messages {
        let key = tables::within(key.session.as_str(), message.id.as_str().as_bytes());
        changes.put(Table::Messages, &key, &message.to_row());
    }
    write_executions(&key.session, commit.executions.iter().map(AsRef::as_ref), changes);
}

fn write_executions<'a>(
    session: &SessionId,
    executions: impl Iterator<Item = &'a Execution>,
    changes: &mut Changes,
) {
    for execution in executions {
        let key = tables::within(session.as_str(), execution.id().as_str().as_bytes());
        changes.put(Table::Executions, &key, &execution.to_row());
    }
}

/// Writes the new events, and the index of the latest event of each entity.
fn write_events(session: &SessionId, commit: &Commit<'_>, changes: &mut Changes) {
    for EventRow { event, .. } in commit.events.iter() {
        changes.put(
            Table::Events,
            &tables::of_event(session, event.id),
            &event.to_row(),
        );
    }
    let of_entity = |entity: &String| tables::within(session.as_str(), entity.as_bytes());
    for entity in commit.forgotten_entities {
        changes.remove(Table::Entities, &of_entity(entity));
    }
    for EventRow { event, entity } in commit.events.iter() {
        if let Some(entity) = entity {
            changes.put(Table::Entities, &of_entity(entity), &event.id.to_be_bytes());
        }
    }
}

/// Removes all rows of a session, except its place in the calendar: on that day the removal is forgotten.
fn remove_session(tables: &Tables, key: &SessionKey, changes: &mut Changes) {
    let session = tables::of_session(key);
    for table in [Table::Metadata, Table::Cores, Table::Waking] {
        changes.remove(table, &session);
    }
    let within = tables::within(key.session.as_str(), &[]);
    for table in [Table::Messages, Table::Executions, Table::Entities, Table::Events] {
        changes.remove_beginning_with(tables, table, &within);
    }
    changes.put(Table::Removed, &session, &[]);
}

/// Reads the rows of a session.
fn read_rows<T: Row>(
    tables: &Tables,
    table: Table,
    within: &[u8],
    owner: &dyn Fn() -> String,
) -> Result<Vec<T>, StoreError> {
    let rows = tables.beginning_with(table, within);
    rows.map(|(_, row)| T::from_row(row, owner)).collect()
}

/// The events of a session at one time.
///
/// It can be read while its journal is open: a database that is closed after an I/O error reads no page for the snapshots
/// that it gave before.
struct Snapshot {
    /// By id.
    rows: Vec<(u64, Content)>,
    /// `None` if no session has events: a database reads no page of an empty table.
    journal: Option<Weak<()>>,
}

impl EventRows for Snapshot {
    fn each(
        &self,
        _: &SessionId,
        after: u64,
        up_to: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let is_closed = |journal: &Weak<()>| journal.strong_count() == 0;
        if self.journal.as_ref().is_some_and(is_closed) {
            return Err(io::Error::other("the journal was closed").into());
        }
        let from = self.rows.partition_point(|(id, _)| *id <= after);
        let rows = self.rows[from..].iter().take_while(|(id, _)| *id <= up_to);
        for (_, row) in rows {
            if !take(row)? {
                break;
            }
        }
        Ok(())
    }
}
