//! Executions of an older service (protocol §10).
//!
//! New executions are never created (R10.41). `session::imported` decides when one ends.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::identity::MessageId;
use crate::model::message::{Callback, GateResult, Status};

/// The id of an execution (R1.7): `exc_` and at least one character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

/// A text that is not an execution id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an execution: expected `exc_` and at least one character")]
pub struct MalformedId;

impl TryFrom<String> for Id {
    type Error = MalformedId;

    fn try_from(text: String) -> Result<Self, MalformedId> {
        match text.strip_prefix("exc_") {
            Some(rest) if !rest.is_empty() => Ok(Self(text)),
            _ => Err(MalformedId),
        }
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl Id {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The state of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum State {
    /// Its wrapper has sent nothing yet.
    Pending,
    /// Its wrapper is at work, as far as known.
    Running,
    /// Finished. This state is final.
    Ended {
        /// The kind of end.
        status: Status,
        /// The error text, unless it completed.
        error: Option<String>,
        /// The result of the gate.
        gate_result: Option<GateResult>,
    },
}

/// An execution of an older service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    execution_id: Id,
    /// The current state.
    pub state: State,
    /// The start of the execution, from which its time-out is measured (R10.31).
    pub started_at: Timestamp,
    /// The message that it answers, if the older service had messages.
    pub message_id: Option<MessageId>,
    /// Whether its wrapper has opened an ingest on this server (R10.33).
    pub connected: bool,
    /// How its last ingest was closed.
    pub closing: Option<Closing>,
    /// Its callback, once it ended.
    pub callback: Option<Callback>,
}

/// The close of a WebSocket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// The code of the close frame, if there was one.
    pub code: Option<u16>,
    /// The reason in the close frame.
    pub reason: String,
}

impl Execution {
    /// An execution as imported: its wrapper has opened no ingest yet.
    pub fn left(id: Id, state: State, started_at: Timestamp, message_id: Option<MessageId>) -> Self {
        Self {
            execution_id: id,
            state,
            started_at,
            message_id,
            connected: false,
            closing: None,
            callback: None,
        }
    }

    /// The id of the execution.
    pub fn id(&self) -> &Id {
        &self.execution_id
    }

    /// Whether it has not ended.
    pub fn is_unfinished(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }

    /// The `status` on the wire.
    pub fn status(&self) -> &'static str {
        match &self.state {
            State::Pending => "pending",
            State::Running => "running",
            State::Ended { status, .. } => status.as_str(),
        }
    }
}
