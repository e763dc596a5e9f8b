//! Reads the stored executions of an older service (protocol §10).

use serde::Deserialize;
use serde_json::Value;

use super::Moment;
use crate::identity::MessageId;
use crate::json::{self, Invalid};
use crate::legacy::model::execution::{Execution, Id, State};
use crate::model::message::Status;

/// An execution as stored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredExecution {
    execution_id: Id,
    status: StoredStatus,
    started_at: Moment,
    message_id: Option<MessageId>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredStatus {
    Pending,
    Running,
    Completed,
    Failed,
    Interrupted,
}

/// Reads a stored execution.
///
/// # Errors
///
/// If `stored` does not have that form.
pub fn read(stored: &Value) -> Result<Execution, Invalid> {
    let StoredExecution {
        execution_id,
        status,
        started_at,
        message_id,
        error,
    } = json::read(stored.clone())?;
    let ended = |status| State::Ended {
        status,
        error,
        gate_result: None,
    };
    let state = match status {
        StoredStatus::Pending => State::Pending,
        StoredStatus::Running => State::Running,
        StoredStatus::Completed => ended(Status::Completed),
        StoredStatus::Failed => ended(Status::Failed),
        StoredStatus::Interrupted => ended(Status::Interrupted),
    };
    Ok(Execution::left(
        execution_id,
        state,
        started_at.into(),
        message_id,
    ))
}
