//! Durable state in redb: sessions, messages, events, and the jobs of the callback queue.
//!
//! Rows are JSON, so that records of older forms can still be read. The store does not interpret them. [`Storage`] is what
//! the server needs of it.

mod calendar;
mod commit;
mod import;
mod jobs;
mod outcome;
mod removal;
mod replay;
pub mod rows;
mod storage;
mod versions;

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use redb::{
    Database, DatabaseError, ReadOnlyTable, ReadableDatabase as _, ReadableTable, StorageBackend,
    StorageError, TableDefinition, TableError, TransactionError,
};
use serde::de::DeserializeOwned;

pub use self::import::Imported;
pub use self::jobs::StoredJob;
pub use self::replay::{EventRows, Replay, StoredData};
use self::rows::Row;
pub use self::storage::Storage;
use crate::identity::{SessionId, UserId};
use crate::legacy::record::UnreadableRecord;
use crate::model::metadata::Metadata;
use crate::session::events::{Event, EventRow};
use crate::session::{Core, Stored};

/// The memory for cached pages, in bytes. The default of redb is one gigabyte.
const CACHE: usize = 64 * 1024 * 1024;
/// The size of most rows, in bytes: a buffer that grows copies what it has.
const ROW_SIZE: usize = 1024;
/// (user, session) → metadata. A session exists if it has this row.
const METADATA: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("metadata");
/// (user, session) → core.
const CORES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("cores");
/// (user, session) of the sessions that must be loaded when the server starts.
const WAKING: TableDefinition<(&str, &str), ()> = TableDefinition::new("waking");
/// (session, message) → message.
const MESSAGES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("messages");
/// (session, execution) → execution of an older service.
const EXECUTIONS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("executions");
/// (session, event id) → event.
const EVENTS: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("events");
/// (session, entity) → id of the entity's latest event.
const ENTITIES: TableDefinition<(&str, &str), u64> = TableDefinition::new("entities");

/// The key of a session. It includes the user, so users cannot reach each other's sessions.
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

/// Why the store failed. A failed commit changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] Box<redb::Error>),
    /// The database's file cannot be opened.
    #[error("cannot open the database file")]
    Backend(#[from] io::Error),
    /// A record does not have the form of its version.
    #[error("cannot read the record of {what}")]
    Record {
        /// The owner of the record.
        what: String,
        /// The error in the record.
        #[source]
        source: UnreadableRecord,
    },
    /// A later server wrote the record.
    #[error("the record of {what} has version {version}; this server reads versions up to {known}")]
    Version {
        /// The owner of the record.
        what: String,
        /// The version of the record.
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

/// Opens the database.
type Open = Box<dyn Fn() -> Result<Database, StoreError> + Send + Sync>;

/// The server's durable state.
///
/// After an I/O error redb rejects all further calls. The store then drops the database and opens it again, with
/// repair, at the next call, so it recovers as soon as the disk does.
pub struct Store {
    open: Open,
    database: Mutex<Option<Database>>,
}

impl Store {
    /// Opens the database in the storage that `backend` returns, and creates it if the storage is empty. Repairs it
    /// after a crash. `backend` is called again after an I/O error.
    ///
    /// # Errors
    ///
    /// If the backend fails, or its content is not a database.
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

    /// Calls `act` with the database, which is opened again if it failed before.
    fn with<T>(&self, act: impl FnOnce(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut slot = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match slot.take() {
            Some(database) => database,
            None => (self.open)()?,
        };
        let done = act(&database);
        // Keep the database if only a record was unreadable.
        if !matches!(done, Err(StoreError::Database(_) | StoreError::Backend(_))) {
            *slot = Some(database);
        }
        done
    }

    /// Loads a session as of its last commit.
    ///
    /// # Errors
    ///
    /// If the database fails, or a record is unreadable.
    pub fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let Some(metadata) = transaction.open_table(METADATA)?.get(key.parts())? else {
                return Ok(None);
            };
            let owner = || key.to_string();
            let metadata = Metadata::from_row(metadata.value(), &owner)?;
            let core = match transaction.open_table(CORES)?.get(key.parts())? {
                Some(core) => Core::from_row(core.value(), &owner)?,
                // Imported, and unchanged since.
                None => Core::default(),
            };

            let id = key.session.as_str();
            let messages = read_rows(&transaction.open_table(MESSAGES)?, id, &owner)?;
            let executions = read_rows(&transaction.open_table(EXECUTIONS)?, id, &owner)?;
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
                        event: Event::from_row(event.value(), &owner)?,
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

    /// Returns a snapshot of the kept events of a session, to be read in portions.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn replay(&self, session: &SessionId) -> Result<Replay, StoreError> {
        self.with(|database| {
            let events = database.begin_read()?.open_table(EVENTS)?;
            Ok(Replay::new(session.clone(), Box::new(events)))
        })
    }

    /// Returns the sessions that must be loaded when the server starts.
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
                // Parsing cannot fail: the key was written from these types.
                if let (Ok(user), Ok(session)) = (user.parse(), session.parse()) {
                    keys.push(SessionKey { user, session });
                }
            }
            Ok(keys)
        })
    }
}

/// Creates all tables, so that readers find them.
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
    let mut row = Vec::with_capacity(ROW_SIZE);
    serde_json::to_writer(&mut row, record).expect("records are serializable");
    row
}

fn read<T: DeserializeOwned>(record: &[u8], what: impl Fn() -> String) -> Result<T, StoreError> {
    // Of a slice, the parser would check each string for UTF-8, which costs more than one check of all bytes.
    let read = match std::str::from_utf8(record) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(record),
    };
    read.map_err(|error| StoreError::Record {
        what: what(),
        source: error.into(),
    })
}

/// Reads the rows of a session.
fn read_rows<T: Row>(
    table: &ReadOnlyTable<(&'static str, &'static str), &'static [u8]>,
    session: &str,
    owner: &dyn Fn() -> String,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    for row in table.range((session, "")..)? {
        let (key, value) = row?;
        if key.value().0 != session {
            break;
        }
        found.push(T::from_row(value.value(), owner)?);
    }
    Ok(found)
}
