//! Durable state in redb: sessions, their messages, their events, and the callback queue's jobs.
//!
//! Everything is found by its key; what is kept is JSON, so that a record of an older form can still be
//! read for what it is. What a record means is not known here.

mod calendar;
mod commit;
mod import;
mod jobs;
mod removal;
mod versions;

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use redb::{
    Database, DatabaseError, ReadOnlyTable, ReadableDatabase as _, ReadableTable, StorageBackend,
    StorageError, TableDefinition, TableError, TransactionError,
};
use serde::de::DeserializeOwned;

pub use self::jobs::StoredJob;
use self::versions::read_versioned;
use crate::identity::{SessionId, UserId};
use crate::legacy::record::{self, UnreadableRecord};
use crate::session::events::{Event, EventRow};
use crate::session::{Core, Stored};

/// How much memory pages of the database may take, in bytes. Left to itself, redb takes a gigabyte before it gives
/// anything back.
const CACHE: usize = 64 * 1024 * 1024;
/// (user, session) → what the session is about. A session is there if it has this row.
const METADATA: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("metadata");
/// (user, session) → core.
const CORES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("cores");
/// (user, session) of those that want to be woken.
const WAKING: TableDefinition<(&str, &str), ()> = TableDefinition::new("waking");
/// (session, message) → message.
const MESSAGES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("messages");
/// (session, execution) → execution of an older service's.
const EXECUTIONS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("executions");
/// (session, event id) → event.
const EVENTS: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("events");
/// (session, entity) → id of the event that is the latest word on it.
const ENTITIES: TableDefinition<(&str, &str), u64> = TableDefinition::new("entities");

/// What finds a session: nobody else's can be found with one's own user id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionKey {
    /// The owner.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
}

impl fmt::Display for SessionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.user, self.session)
    }
}

impl SessionKey {
    fn parts(&self) -> (&str, &str) {
        (self.user.as_str(), self.session.as_str())
    }
}

/// Why the store did not do what it was asked to. Nothing of a failed commit is kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] Box<redb::Error>),
    /// What the database lies in cannot be opened.
    #[error("the database's file cannot be opened")]
    Backend(#[from] io::Error),
    /// A record is not of the form that it says it is of.
    #[error("the record of {what} cannot be read")]
    Record {
        /// Whose record it is.
        what: String,
        /// What is wrong with it.
        #[source]
        source: UnreadableRecord,
    },
    /// A later server wrote a record.
    #[error("the record of {what} is of version {version}, and this server reads versions up to {known}")]
    Version {
        /// Whose record it is.
        what: String,
        /// The version of its form.
        version: u32,
        /// The latest version that this server reads.
        known: u32,
    },
}

macro_rules! database_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        })*
    };
}

database_errors!(
    DatabaseError,
    TransactionError,
    TableError,
    StorageError,
    redb::CommitError
);

/// Opens the database anew.
type Open = Box<dyn Fn() -> Result<Database, StoreError> + Send + Sync>;

/// The server's durable state.
///
/// A database that met an I/O error answers nothing any more; it is opened anew, repaired, for whoever asks
/// next, so that a disk that is well again is a store that is well again.
pub struct Store {
    open: Open,
    database: Mutex<Option<Database>>,
}

impl Store {
    /// Opens the database in what `backend` gives, and makes it if it is empty. After a crash this includes
    /// its repair. `backend` is asked again after an I/O error.
    ///
    /// # Errors
    ///
    /// If the backend fails or holds something else.
    pub fn open<B: StorageBackend>(
        backend: impl Fn() -> io::Result<B> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let open = move || {
            let database = Database::builder()
                .set_cache_size(CACHE)
                .create_with_backend(backend()?)?;
            make_tables(&database)?;
            Ok(database)
        };
        let database = Mutex::new(Some(open()?));
        Ok(Self {
            open: Box::new(open),
            database,
        })
    }

    /// Has something done with the database, opened anew if it has failed before.
    fn with<T>(&self, act: impl FnOnce(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut slot = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match slot.take() {
            Some(database) => database,
            None => (self.open)()?,
        };
        let done = act(&database);
        // A record that cannot be read is not the database's fault.
        if !matches!(done, Err(StoreError::Database(_) | StoreError::Backend(_))) {
            *slot = Some(database);
        }
        done
    }

    /// A session as it was last committed.
    ///
    /// # Errors
    ///
    /// If the database fails, or a record cannot be read.
    pub fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let Some(metadata) = transaction.open_table(METADATA)?.get(key.parts())? else {
                return Ok(None);
            };
            let what = || key.to_string();
            let metadata = record::read(metadata.value())
                .map_err(|source| StoreError::Record { what: what(), source })?;
            let core = match transaction.open_table(CORES)?.get(key.parts())? {
                Some(core) => read_versioned(core.value(), what)?,
                // Only an older service ever wrote this session.
                None => Core::default(),
            };

            let id = key.session.as_str();
            let messages = read_rows(&transaction.open_table(MESSAGES)?, id, |row| {
                read_versioned(row, what)
            })?;
            let executions = read_rows(&transaction.open_table(EXECUTIONS)?, id, |row| read(row, what))?;
            let events = transaction.open_table(EVENTS)?;
            let mut entities = Vec::new();
            for row in transaction.open_table(ENTITIES)?.range((id, "")..)? {
                let (row_key, event_id) = row?;
                let (session, entity) = row_key.value();
                if session != id {
                    break;
                }
                if let Some(event) = events.get((id, event_id.value()))? {
                    entities.push(EventRow {
                        event: read(event.value(), what)?,
                        entity: Some(entity.to_owned()),
                    });
                }
            }
            Ok(Some(Stored {
                metadata,
                core,
                messages,
                executions,
                entities,
            }))
        })
    }

    /// The kept events of a session as they are now, to be read bit by bit.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn replay(&self, session: &SessionId) -> Result<Replay, StoreError> {
        self.with(|database| {
            let events = database.begin_read()?.open_table(EVENTS)?;
            Ok(Replay {
                events,
                session: session.clone(),
            })
        })
    }

    /// Sessions that have something to do after a restart.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn waking(&self) -> Result<Vec<SessionKey>, StoreError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let mut keys = Vec::new();
            for row in transaction.open_table(WAKING)?.iter()? {
                let (key, ()) = row.map(|(key, _)| (key, ()))?;
                let (user, session) = key.value();
                // Keys were identities when they were written.
                if let (Ok(user), Ok(session)) = (user.parse(), session.parse()) {
                    keys.push(SessionKey { user, session });
                }
            }
            Ok(keys)
        })
    }
}

/// The kept events of a session as they were at one moment, whatever is written meanwhile.
pub struct Replay {
    events: ReadOnlyTable<(&'static str, u64), &'static [u8]>,
    session: SessionId,
}

impl fmt::Debug for Replay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Replay of {}", self.session)
    }
}

impl Replay {
    /// Events with `after < id <= up_to`, in order: as many as fit into `bytes`, but one at least if there
    /// is one.
    ///
    /// # Errors
    ///
    /// If the database fails, or a record cannot be read.
    pub fn events(&self, after: u64, up_to: u64, bytes: usize) -> Result<Vec<Event>, StoreError> {
        let id = self.session.as_str();
        let mut found = Vec::new();
        let mut size = 0;
        if after < up_to {
            for row in self.events.range((id, after + 1)..=(id, up_to))? {
                let (_, value) = row?;
                let value = value.value();
                size += value.len();
                if size > bytes && !found.is_empty() {
                    break;
                }
                found.push(read(value, || self.session.to_string())?);
            }
        }
        Ok(found)
    }
}

/// Makes sure that readers find every table.
fn make_tables(database: &Database) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    transaction.open_table(METADATA)?;
    transaction.open_table(CORES)?;
    transaction.open_table(WAKING)?;
    transaction.open_table(MESSAGES)?;
    transaction.open_table(EXECUTIONS)?;
    transaction.open_table(EVENTS)?;
    transaction.open_table(ENTITIES)?;
    calendar::make_table(&transaction)?;
    removal::make_table(&transaction)?;
    jobs::make_table(&transaction)?;
    transaction.commit()?;
    Ok(())
}

fn json(record: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("records are made of JSON's own kinds of values")
}

fn read<T: DeserializeOwned>(record: &[u8], what: impl Fn() -> String) -> Result<T, StoreError> {
    serde_json::from_slice(record).map_err(|error| StoreError::Record {
        what: what(),
        source: error.into(),
    })
}

/// The records in the rows of a session.
fn read_rows<T>(
    table: &ReadOnlyTable<(&'static str, &'static str), &'static [u8]>,
    session: &str,
    read: impl Fn(&[u8]) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    for row in table.range((session, "")..)? {
        let (key, value) = row?;
        if key.value().0 != session {
            break;
        }
        found.push(read(value.value())?);
    }
    Ok(found)
}
