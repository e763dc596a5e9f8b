//! Executions as values: [`execution`] has those that an older service left, [`Origin`] says which of them an event
//! belongs to.
//!
//! New executions are never made. Where an old party expects an id of one, the message's own id stands for it.

pub mod execution;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::execution::Execution;
use crate::identity::MessageId;

/// The field that old clients and receivers look for.
const EXECUTION_ID: &str = "executionId";

/// Adds the id of a message as its execution's id to `body`, which an old party reads.
pub fn name_execution_after(message: &MessageId, body: &mut Value) {
    body[EXECUTION_ID] = json!(message);
}

/// Adds the id of `execution` to `body`, which an old party reads.
pub fn name_execution(execution: &Execution, body: &mut Value) {
    body[EXECUTION_ID] = json!(execution.id());
}

/// The execution that an event belongs to. Events of this server's own runs belong to none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    execution_id: Option<execution::Id>,
}

impl Origin {
    /// The origin of events of that execution.
    pub fn of(execution: &execution::Id) -> Self {
        Self {
            execution_id: Some(execution.clone()),
        }
    }

    /// The execution, if the event belongs to one.
    pub fn execution(&self) -> Option<&execution::Id> {
        self.execution_id.as_ref()
    }

    /// Adds the execution's id to the envelope of an event, if the event belongs to one.
    pub fn tell_in(&self, envelope: &mut Value) {
        if let Some(id) = &self.execution_id {
            envelope[EXECUTION_ID] = json!(id);
        }
    }
}
