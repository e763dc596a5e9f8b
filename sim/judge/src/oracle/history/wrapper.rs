//! Requests to the wrapper, and its ingest sockets with their frames (protocol §5).

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use turnstile_events::credentials::Credentials;

use super::content::name_of;
use super::{CONNECTED, Fence, FrameData, kilo};
use crate::parties::WRAPPER;

/// A binding that the wrapper received, with `/session/ready` or with a turn.
#[derive(Debug)]
pub struct Binding {
    /// Time of arrival.
    pub at: Duration,
    /// The host of the wrapper.
    pub host: String,
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
    /// Time of arrival.
    pub at: Duration,
    /// The session.
    pub session: Option<Arc<str>>,
    /// The fence of its run; `None` if the request does not contain all of it.
    pub fence: Option<Fence>,
    /// Body of the request.
    pub body: Value,
    /// The answer, if there was one.
    pub answer: Option<WrapperAnswer>,
}

impl Preparation {
    /// Whether the wrapper answered that it is ready.
    pub fn is_ready(&self) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| answer.is_success() && answer.body["status"] == "ready")
    }

    /// Whether the wrapper refused the request as invalid.
    pub fn is_refused(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.status == 400)
    }
}

/// The answer of a wrapper to a request.
#[derive(Debug)]
pub struct WrapperAnswer {
    /// Time of sending.
    pub at: Duration,
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Value,
}

impl WrapperAnswer {
    /// Whether it has a 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The code of a refusal (protocol §5).
    pub fn code(&self) -> Option<&str> {
        self.body["error"].as_str()
    }
}

/// A turn that reached the wrapper.
#[derive(Debug)]
pub struct Delivery {
    /// Time of arrival.
    pub at: Duration,
    /// The session that the request names.
    pub session: Option<Arc<str>>,
    /// Path of the request.
    pub path: String,
    /// The message.
    pub message: String,
    /// The fence of its run; `None` if the request does not contain all of it.
    pub fence: Option<Fence>,
    /// Body of the request.
    pub body: Value,
    /// The answer, if there was one.
    pub answer: Option<WrapperAnswer>,
}

impl Delivery {
    /// Status of the answer; `None` without an answer.
    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }

    /// Whether the wrapper accepted it.
    pub fn is_accepted(&self) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| answer.is_success() && answer.body["status"] == "sent")
    }

    /// Whether the wrapper refused the request as invalid.
    pub fn is_refused(&self) -> bool {
        self.status() == Some(400)
    }

    /// The gate threshold of the turn, null if it has none.
    pub fn gate_threshold(&self) -> &Value {
        // A prompt has an object of its own for what follows the turn, a command does not.
        match &self.body["finalization"] {
            Value::Null => &self.body["gateThreshold"],
            finalization => &finalization["gateThreshold"],
        }
    }
}

/// An ingest socket that the server accepted from a wrapper.
#[derive(Debug)]
pub struct Ingest {
    /// The party that opened it.
    pub party: String,
    /// What it showed to prove who it is.
    pub credentials: Credentials,
    /// The session.
    pub session: Arc<str>,
    /// The fence that it was opened under.
    pub fence: Fence,
    /// The host that it was opened from.
    pub host: String,
    /// Time of opening.
    pub opened_at: Duration,
    /// Time at which the wrapper noticed its end.
    pub closed_at: Option<Duration>,
    /// Whether the server closed it, as the wrapper sees it.
    pub is_closed_by_server: bool,
    /// Its frames, as indices into [`History::wrapper_frames`](super::History::wrapper_frames).
    pub(super) frames: Vec<usize>,
}

/// An attempt to open an ingest socket that ended without an answer that the wrapper has read. The server may have
/// accepted the socket.
#[derive(Debug)]
pub struct LostOpening {
    /// The session.
    pub session: Arc<str>,
    /// The fence that it was for.
    pub fence: Fence,
    /// Time at which the wrapper gave up.
    pub at: Duration,
}

/// An ingest socket of an imported execution's wrapper (protocol §5, §10).
#[derive(Debug)]
pub struct ImportedIngest {
    /// The session.
    pub session: Arc<str>,
    /// The execution.
    pub execution: String,
    /// The host that it was opened from.
    pub host: String,
    /// Time of opening.
    pub opened_at: Duration,
    /// Time at which the wrapper noticed its end.
    pub closed_at: Option<Duration>,
}

/// An order to stop that reached the wrapper: a `kill` on an ingest socket, or `/job/abort`.
#[derive(Debug)]
pub struct Stop {
    /// Time of arrival.
    pub at: Duration,
    /// The run to stop; `None` for any run.
    pub run: Option<String>,
    /// Whether it is an abort, over HTTP.
    pub is_abort: bool,
}

/// A request for a snapshot that reached the wrapper.
#[derive(Debug)]
pub struct SnapshotRequest {
    /// Time of arrival.
    pub at: Duration,
    /// Its socket, as an index into [`History::ingests`](super::History::ingests).
    pub ingest: usize,
}

/// A ping that reached the wrapper.
#[derive(Debug)]
pub struct Ping {
    /// Time of arrival.
    pub at: Duration,
    /// Its socket, as an index into [`History::ingests`](super::History::ingests).
    pub ingest: usize,
}

/// A frame of the wrapper.
#[derive(Debug)]
pub struct WrapperFrame {
    /// Time of sending.
    pub at: Duration,
    /// Its socket, as an index into [`History::ingests`](super::History::ingests).
    pub ingest: usize,
    /// Its `streamEventType`; empty if the frame has none.
    pub name: String,
    /// Its data.
    pub data: FrameData,
    /// The number of its content: name and data. Events of streams with the same content have the same number.
    pub content: usize,
    /// Whether it is meaningful output (R7.14). Several oracles ask this about every frame, once for each turn.
    pub is_meaningful: bool,
}

impl WrapperFrame {
    pub(super) fn of(at: Duration, ingest: usize, frame: &Arc<Value>, content: usize) -> Self {
        let name = name_of(frame).to_owned();
        let data = FrameData::of(frame);
        let is_sign_of_life = matches!(name.as_str(), "pong" | "heartbeat" | "wrapper_resumed");
        let is_idle = matches!(kilo(&name, &data), Some(("session.idle", _)));
        let is_meaningful = !is_sign_of_life && !is_idle && !is_reserved(&name);
        Self {
            at,
            ingest,
            name,
            data,
            content,
            is_meaningful,
        }
    }
}

/// An error that the server sent to a wrapper instead of taking a frame.
#[derive(Debug)]
pub struct ProtocolError {
    /// Time of arrival.
    pub at: Duration,
    /// Its socket, as an index into [`History::ingests`](super::History::ingests).
    pub ingest: usize,
}

/// Whether a name belongs to the server: a frame of a wrapper with it counts for nothing and is not relayed (R5.83).
pub fn is_reserved(name: &str) -> bool {
    name == CONNECTED || name.starts_with("cloud.")
}

/// An answer of a wrapper to a request.
pub(super) fn wrapper_answer(at: Duration, status: u16, body: &Value) -> WrapperAnswer {
    WrapperAnswer {
        at,
        status,
        body: body.clone(),
    }
}

/// The host that a party opens its ingest sockets from. Ingest sockets of a script have their own party names and are
/// opened on the wrapper's host.
pub(super) fn ingest_host(party: &str) -> String {
    let is_of_script = party.contains(':');
    if is_of_script { WRAPPER } else { party }.to_owned()
}
