//! The directory with the server's state: its one file, and who may have it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;

use crate::store::StoreError;

/// The database in the directory.
const DATABASE: &str = "turnstile.redb";

/// Why the directory is of no use.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the texts name")]
pub enum DataError {
    /// It is not there and cannot be made.
    #[error("the data directory {directory} cannot be made")]
    Make { directory: String, source: io::Error },
    /// Its file cannot be had.
    #[error("{file} cannot be opened for reading and writing")]
    Open { file: String, source: io::Error },
    /// Somebody else has it.
    #[error(
        "{directory} is in use: another server works on it; end that one, or give this one a directory of its own"
    )]
    InUse { directory: String },
    /// Its file is no database of a server's.
    #[error("{file} cannot be read")]
    Store { file: String, source: StoreError },
}

/// The server's database, which can be opened again and again.
#[derive(Debug, Clone)]
pub(super) struct DatabaseFile {
    directory: PathBuf,
}

/// Makes the directory and the file in it, if need be, so that both outlast a crash of the machine.
///
/// # Errors
///
/// If there cannot be such a file.
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

    /// Opens it. The store that is made of it locks it for as long as it lives.
    pub(super) fn open(&self) -> io::Result<FileBackend> {
        FileBackend::new(self.file()?).map_err(io::Error::other)
    }
}

/// Says what it means if the store cannot be opened.
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
