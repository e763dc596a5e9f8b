//! Sessions that an older service left behind, taken over from files (protocol §10).

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::data::{self, DataError, DatabaseFile};
use crate::identity::UserId;
use crate::json::{self, Wrong};
use crate::store::{Store, StoreError};

/// A session as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeftBehind {
    /// Whose it is.
    user: UserId,
    /// The flat record.
    record: Value,
    /// The executions beside it.
    #[serde(default)]
    executions: Vec<Value>,
}

/// Why a file was not taken over. Its content is not repeated: a record has secrets in it.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the texts name")]
pub enum ImportError {
    /// The file cannot be had.
    #[error("{file} cannot be read")]
    Read { file: String, source: io::Error },
    /// It is not even JSON.
    #[error("{file}:{line}:{column}: it is not JSON")]
    Json {
        file: String,
        line: usize,
        column: usize,
    },
    /// It is not what a session that was left behind looks like.
    #[error("{file} is not {{\"user\": …, \"record\": {{…}}, \"executions\": […]}}")]
    Form { file: String, source: Wrong },
    /// There is nowhere to take it to.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The store refuses it.
    #[error("{file} cannot be taken over")]
    Store { file: String, source: StoreError },
}

/// Takes over the session in `file`. One that is there already is left as it is.
///
/// # Errors
///
/// If the file or what is in it cannot be read, or the store does not take it.
pub(super) fn take_over(file: &Path, database: &DatabaseFile) -> Result<(), ImportError> {
    let name = || file.display().to_string();
    let text = fs::read(file).map_err(|source| ImportError::Read { file: name(), source })?;
    let content: Value = serde_json::from_slice(&text).map_err(|error| ImportError::Json {
        file: name(),
        line: error.line(),
        column: error.column(),
    })?;
    let session: LeftBehind =
        json::read(content).map_err(|source| ImportError::Form { file: name(), source })?;
    let files = database.clone();
    let store = Store::open(move || files.open()).map_err(|error| data::explain(error, database))?;
    store
        .import(&session.user, &session.record, &session.executions)
        .map_err(|source| ImportError::Store { file: name(), source })?;
    tracing::info!(file = %file.display(), user = %session.user, "session of an older service taken over, if it was not there");
    Ok(())
}
