//! Reads an execution as an older service stored it (protocol §10).

use serde::Deserialize;
use serde_json::Value;

use super::Moment;
use crate::identity::MessageId;
use crate::json::{self, Wrong};
use crate::legacy::model::execution::{Execution, Id, State};
use crate::model::message::Status;

/// An execution as an older service stored it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    execution_id: Id,
    status: WrittenStatus,
    started_at: Moment,
    message_id: Option<MessageId>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenStatus {
    Pending,
    Running,
    Completed,
    Failed,
    Interrupted,
}

/// Reads an execution as an older service stored it.
///
/// # Errors
///
/// If `written` does not have that form.
pub fn read(written: &Value) -> Result<Execution, Wrong> {
    let Written {
        execution_id,
        status,
        started_at,
        message_id,
        error,
    } = json::read(written.clone())?;
    let ended = |status| State::Ended {
        status,
        error,
        gate_result: None,
    };
    let state = match status {
        WrittenStatus::Pending => State::Pending,
        WrittenStatus::Running => State::Running,
        WrittenStatus::Completed => ended(Status::Completed),
        WrittenStatus::Failed => ended(Status::Failed),
        WrittenStatus::Interrupted => ended(Status::Interrupted),
    };
    Ok(Execution::left(
        execution_id,
        state,
        started_at.into(),
        message_id,
    ))
}
