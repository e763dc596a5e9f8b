//! What the wrapper was asked, and the sockets on which it speaks (protocol §5).

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Fence;

/// A binding that the wrapper was given, with `/session/ready` or with a turn.
#[derive(Debug)]
pub struct Binding {
    /// When it arrived.
    pub at: Duration,
    /// The session.
    pub session: Option<Arc<str>>,
    /// The fence.
    pub fence: Fence,
    /// The token for the ingest.
    pub token: Option<String>,
}

/// A request to get ready that reached the wrapper.
#[derive(Debug)]
pub struct Preparation {
    /// When.
    pub at: Duration,
    /// The session.
    pub session: Option<Arc<str>>,
    /// What it was answered; none if nothing.
    pub answer: Option<Value>,
}

impl Preparation {
    /// Whether the wrapper said that it is ready.
    pub fn is_ready(&self) -> bool {
        self.answer
            .as_ref()
            .is_some_and(|answer| answer["status"] == "ready")
    }

    /// Whether the wrapper said that the request itself is wrong, which no other try mends (protocol §5).
    pub fn is_refused(&self) -> bool {
        let code = self.answer.as_ref().map(|answer| &answer["error"]["code"]);
        code.is_some_and(|code| *code == "INVALID_REQUEST")
    }
}

/// A turn that reached the wrapper.
#[derive(Debug)]
pub struct Delivery {
    /// When.
    pub at: Duration,
    /// The session that it says it is of.
    pub session: Option<Arc<str>>,
    /// The message.
    pub message: String,
    /// The fence of the run that it was given to, if it says all of it.
    pub fence: Option<Fence>,
    /// All that the request says.
    pub body: Value,
    /// The status of the answer; none if there was none.
    pub status: Option<u16>,
}

impl Delivery {
    /// Whether the wrapper answered that it took it.
    pub fn is_taken(&self) -> bool {
        self.status == Some(200)
    }

    /// Whether the wrapper answered that the request itself is wrong, which no other try mends (protocol §5).
    pub fn is_refused(&self) -> bool {
        self.status == Some(400)
    }
}

/// An ingest socket that the server let the wrapper open.
#[derive(Debug)]
pub struct Ingest {
    /// Who opened it.
    pub party: String,
    /// The session.
    pub session: Arc<str>,
    /// The fence that it was opened under.
    pub fence: Fence,
    /// The machine that it was opened from.
    pub host: String,
    /// When it was open.
    pub opened_at: Duration,
    /// When it ended, as far as the wrapper noticed.
    pub closed_at: Option<Duration>,
}

/// An ingest socket of an imported execution's wrapper (protocol §5, §10).
#[derive(Debug)]
pub struct ImportedIngest {
    /// The session.
    pub session: Arc<str>,
    /// The execution.
    pub execution: String,
    /// The machine that it was opened from.
    pub host: String,
    /// When it was open.
    pub opened_at: Duration,
    /// When it ended, as far as the wrapper noticed.
    pub closed_at: Option<Duration>,
}

/// An order to stop that reached the wrapper: a `kill` on an ingest socket, or `/job/abort`.
#[derive(Debug)]
pub struct Stop {
    /// When.
    pub at: Duration,
    /// The run that it is for; none if whatever runs is meant.
    pub run: Option<String>,
}

/// A frame of the wrapper.
#[derive(Debug)]
pub struct WrapperFrame {
    /// When it was sent.
    pub at: Duration,
    /// The socket that it was sent on, as a place in [`History::ingests`](super::History::ingests).
    pub ingest: usize,
    /// Its `streamEventType`.
    pub name: String,
    /// What it carries.
    pub data: Value,
}
