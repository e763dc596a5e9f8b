//! An execution that an older service left behind, and how it ends (protocol §10).
//!
//! New ones are never made. When one ends is decided by `session::imported`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::identity::MessageId;
use crate::model::message::{Callback, GateResult, Status};

/// An execution's id: `exc_` and something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

/// Text that is not the id of an execution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an execution: expected `exc_` and something")]
pub struct NotAnId;

impl TryFrom<String> for Id {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        match text.strip_prefix("exc_") {
            Some(rest) if !rest.is_empty() => Ok(Self(text)),
            _ => Err(NotAnId),
        }
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl Id {
    /// The id as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How far an execution came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum State {
    /// Its wrapper has not been heard of.
    Pending,
    /// Its wrapper is at work, as far as is known.
    Running,
    /// It ended, for good.
    Ended {
        /// How.
        status: Status,
        /// Why it did not complete, for a person to read.
        error: Option<String>,
        /// What the gate said.
        gate_result: Option<GateResult>,
    },
}

/// An execution of an older service's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    execution_id: Id,
    /// How far it came.
    pub state: State,
    /// When it began; it may take so long and no longer from here.
    pub started_at: Timestamp,
    /// The message it answers, if the older service knew messages.
    pub message_id: Option<MessageId>,
    /// Whether its wrapper has opened a socket since the server knows of it.
    pub connected: bool,
    /// How that socket closed.
    pub closing: Option<Closing>,
    /// Its callback, once it is owed.
    pub callback: Option<Callback>,
}

/// How a socket was closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// The code of the closing frame, if there was one.
    pub code: Option<u16>,
    /// What it said.
    pub reason: String,
}

impl Execution {
    /// An execution as an older service left it. Its wrapper has opened no socket to this server yet.
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

    /// Its id.
    pub fn id(&self) -> &Id {
        &self.execution_id
    }

    /// Whether it has not ended.
    pub fn is_unfinished(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }

    /// How far it came, in one word of the wire's.
    pub fn status(&self) -> &'static str {
        match &self.state {
            State::Pending => "pending",
            State::Running => "running",
            State::Ended { status, .. } => status.as_str(),
        }
    }
}
