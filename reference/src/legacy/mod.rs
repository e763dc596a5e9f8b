//! What survives of the time when turns were known by execution ids (protocol §1, §10).
//!
//! The only place that knows the word. A message has no execution; towards those who still ask for one,
//! its own id stands for it. Real ones exist only where an older service left them: [`execution`] is what
//! they are, [`record`] how such a service wrote a session down, [`input`] what old clients send, [`procedures`] what is done with it.

pub mod execution;
pub mod input;
pub mod procedures;
pub mod record;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::execution::Execution;
use crate::identity::MessageId;

/// The field that old clients and receivers look for.
const EXECUTION_ID: &str = "executionId";

/// Lets a message's id stand for its execution's in something that an old party reads.
pub fn name_execution_after(message: &MessageId, body: &mut Value) {
    body[EXECUTION_ID] = json!(message);
}

/// Says in something that an old party reads which execution it is about.
pub fn name_execution(execution: &Execution, body: &mut Value) {
    body[EXECUTION_ID] = json!(execution.id());
}

/// Which execution an event belongs to: one of an older service's, or, as everywhere else, none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    execution_id: Option<execution::Id>,
}

impl Origin {
    /// Of that execution.
    pub fn of(execution: &execution::Id) -> Self {
        Self {
            execution_id: Some(execution.clone()),
        }
    }

    /// Puts it into an event's envelope, if there is anything to put.
    pub fn tell_in(&self, envelope: &mut Value) {
        if let Some(id) = &self.execution_id {
            envelope[EXECUTION_ID] = json!(id);
        }
    }
}

/// What a client of the stream, or an older wrapper at the ingest, says of executions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params {
    /// At the ingest: the execution on whose behalf an older wrapper speaks.
    execution_id: Option<String>,
    /// At the stream: the executions whose events are wanted, with commas between them.
    execution_ids: Option<String>,
}

/// Which executions' events a client wants; without any, everybody's.
#[derive(Debug, Clone, Default)]
pub struct Filter(Option<BTreeSet<String>>);

impl Params {
    /// The execution on whose behalf an older wrapper speaks, if it names one.
    ///
    /// # Errors
    ///
    /// If what it names is none.
    pub fn execution(&self) -> Result<Option<execution::Id>, execution::NotAnId> {
        self.execution_id.clone().map(execution::Id::try_from).transpose()
    }

    /// The filter that a client of the stream asks for.
    pub fn filter(&self) -> Filter {
        let wanted = self.execution_ids.as_ref();
        Filter(wanted.map(|ids| ids.split(',').map(str::to_owned).collect()))
    }
}

impl Filter {
    /// Whether an event of that origin is wanted.
    pub fn wants(&self, origin: &Origin) -> bool {
        let Some(wanted) = &self.0 else { return true };
        let id = origin.execution_id.as_ref();
        id.is_some_and(|id| wanted.contains(id.as_str()))
    }
}
