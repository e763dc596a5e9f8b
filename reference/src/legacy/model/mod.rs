//! Executions as values: [`execution`] has the executions of an older service, [`Origin`] names the execution of an
//! event.
//!
//! New executions are never created. Where a legacy client or receiver expects an execution id, it gets the message
//! id (R1.11).

pub mod execution;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::execution::Execution;
use crate::identity::MessageId;

/// The field for legacy clients and receivers.
const EXECUTION_ID: &str = "executionId";

/// Sets `executionId` in `body` to the id of a message.
pub fn name_execution_after(message: &MessageId, body: &mut Value) {
    body[EXECUTION_ID] = json!(message);
}

/// Sets `executionId` in `body` to the id of an execution.
pub fn name_execution(execution: &Execution, body: &mut Value) {
    body[EXECUTION_ID] = json!(execution.id());
}

/// Adds the message that is worked on, with its status, under the names of `getSessionHealth` (R2.103, R2.104).
pub fn name_active_execution_after(message: &MessageId, status: &str, body: &mut Value) {
    body["activeExecutionId"] = json!(message);
    body["activeExecutionStatus"] = json!(status);
}

/// The execution that an event belongs to. Events of messages belong to none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    execution_id: Option<execution::Id>,
}

impl Origin {
    /// The origin of the events of an execution.
    pub fn of(execution: &execution::Id) -> Self {
        Self {
            execution_id: Some(execution.clone()),
        }
    }

    /// The execution, if any.
    pub fn execution(&self) -> Option<&execution::Id> {
        self.execution_id.as_ref()
    }
}
