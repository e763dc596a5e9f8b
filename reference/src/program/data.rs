//! The data directory of a server: one database file, locked by the server that uses it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;

use crate::store::StoreError;

/// The name of the database file.
const DATABASE: &str = "turnstile.redb";

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum DataError {
    /// The directory is missing and cannot be created.
    #[error("the data directory {directory} cannot be created")]
    Make { directory: String, source: io::Error },
    /// The database file cannot be opened.
    #[error("{file} cannot be opened for reading and writing")]
    Open { file: String, source: io::Error },
    /// Another server has locked the database.
    #[error("{directory} is in use by another server; stop that server or choose another directory")]
    InUse { directory: String },
    /// The database is damaged, or not one of this program.
    #[error("{file} cannot be read")]
    Store { file: String, source: StoreError },
}

/// The server's database file.
#[derive(Debug, Clone)]
pub(super) struct DatabaseFile {
    directory: PathBuf,
}

/// Creates the directory and the database file if they are missing, and syncs both to the disk.
///
/// # Errors
///
/// If the directory cannot be created or the file cannot be opened.
pub(super) fn prepare(directory: &Path) -> Result<DatabaseFile, DataError> {
    let make = |source| DataError::Make {
        directory: directory.display().to_string(),
        source,
    };
    fs::create_dir_all(directory).map_err(make)?;
    let database = DatabaseFile {
        directory: directory.to_owned(),
    };
    let opening = database.file();
    opening
        .and_then(|_| File::open(directory)?.sync_all())
        .map_err(|source| DataError::Open {
            file: database.path().display().to_string(),
            source,
        })?;
    Ok(database)
}

impl DatabaseFile {
    fn path(&self) -> PathBuf {
        self.directory.join(DATABASE)
    }

    fn file(&self) -> io::Result<File> {
        File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path())
    }

    /// Opens the file. A store on it locks it until the store is dropped.
    pub(super) fn open(&self) -> io::Result<FileBackend> {
        FileBackend::new(self.file()?).map_err(io::Error::other)
    }
}

/// Converts an error of opening the store, and recognizes a database that another server uses.
pub(super) fn explain(error: StoreError, database: &DatabaseFile) -> DataError {
    match &error {
        StoreError::Database(cause) if matches!(**cause, redb::Error::DatabaseAlreadyOpen) => {
            DataError::InUse {
                directory: database.directory.display().to_string(),
            }
        }
        _ => DataError::Store {
            file: database.path().display().to_string(),
            source: error,
        },
    }
}
