//! The import of sessions of an older service from files (protocol §10).

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::data::{self, DataError, DatabaseFile};
use crate::identity::UserId;
use crate::json::{self, Invalid};
use crate::store::{Store, StoreError};

/// The content of an import file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportFile {
    /// The owner of the session.
    user: UserId,
    /// The stored record, flat or grouped.
    record: Value,
    /// The executions of the session.
    #[serde(default)]
    executions: Vec<Value>,
}

/// Why a file was not imported. The messages do not repeat its content, because a record contains secrets.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{file} cannot be read")]
    Read { file: String, source: io::Error },
    /// The file is not JSON.
    #[error("{file}:{line}:{column}: invalid JSON")]
    Json {
        file: String,
        line: usize,
        column: usize,
    },
    /// The file is JSON of another shape.
    #[error("{file}: expected {{\"user\": …, \"record\": {{…}}, \"executions\": […]}}")]
    Form { file: String, source: Invalid },
    /// The database cannot be opened.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The store rejects the session, or fails.
    #[error("{file} cannot be imported")]
    Store { file: String, source: StoreError },
}

/// Imports the session in `file`. A session that exists or was deleted is left unchanged.
///
/// # Errors
///
/// If the file cannot be read, does not contain a session, or the store rejects it.
pub(super) fn import_file(file: &Path, database: &DatabaseFile) -> Result<(), ImportError> {
    let name = || file.display().to_string();
    let text = fs::read(file).map_err(|source| ImportError::Read { file: name(), source })?;
    let content = json::parse(&text).map_err(|error| {
        let ((line, column), file) = (error.position(), name());
        ImportError::Json { file, line, column }
    })?;
    let session: ImportFile =
        json::read(content).map_err(|source| ImportError::Form { file: name(), source })?;
    let files = database.clone();
    let store = Store::open(move || files.open()).map_err(|error| data::explain(error, database))?;
    store
        .import(&session.user, &session.record, &session.executions)
        .map_err(|source| ImportError::Store { file: name(), source })?;
    tracing::info!(file = %file.display(), user = %session.user, "session imported, unless it existed");
    Ok(())
}
