//! Observations: what a party of the harness sent and received at its edge of the wire, in order.
//!
//! Bodies are raw JSON from the wire, so a judge shares no types with the party that wrote them. Judging
//! observations is not the subject of this module.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::credentials::Credentials;

/// One observation of one party. Observations of the same HTTP exchange or WebSocket have the same number; the
/// numbers of a party start at 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "saw", rename_all = "kebab-case")]
pub enum Observation {
    /// This party sent an HTTP request.
    RequestSent {
        /// Number of the exchange.
        exchange: u64,
        /// Host name of the receiving party.
        to: String,
        /// HTTP method.
        method: String,
        /// Path and query.
        path: String,
        /// What this party showed to prove who it is.
        #[serde(default, skip_serializing_if = "Credentials::are_own")]
        credentials: Credentials,
        /// JSON body; null for none.
        body: Value,
    },
    /// This party received the answer to its request.
    ReplyReceived {
        /// Number of the exchange.
        exchange: u64,
        /// HTTP status.
        status: u16,
        /// JSON body; a string if it was not JSON, null for none.
        body: Value,
    },
    /// A request of this party got no complete answer, so its effect is unknown.
    NoReply {
        /// Number of the exchange.
        exchange: u64,
        /// The error, in words.
        error: String,
    },
    /// This party received an HTTP request.
    RequestReceived {
        /// Number of the exchange.
        exchange: u64,
        /// HTTP method.
        method: String,
        /// Path and query.
        path: String,
        /// Headers, ordered by lower-case name; null if the party does not record headers.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        headers: Value,
        /// JSON body; a string if it was not JSON, null for none.
        body: Value,
    },
    /// This party answered a request.
    ReplySent {
        /// Number of the exchange.
        exchange: u64,
        /// HTTP status.
        status: u16,
        /// JSON body; null for none or for a streamed answer, whose chunks follow.
        body: Value,
    },
    /// This party sent one server-sent event of a streamed answer.
    ChunkSent {
        /// Number of the exchange.
        exchange: u64,
        /// The event's data: JSON, or a string such as `[DONE]`.
        data: Value,
    },
    /// The peer of an exchange disconnected before its end. A party that crashes says nothing about its own exchanges.
    PeerGone {
        /// Number of the exchange.
        exchange: u64,
    },
    /// A WebSocket that this party requested is open.
    SocketOpened {
        /// Number of the socket.
        socket: u64,
        /// Host name of the other end.
        to: String,
        /// Path and query.
        path: String,
        /// What this party showed to prove who it is.
        #[serde(default, skip_serializing_if = "Credentials::are_own")]
        credentials: Credentials,
    },
    /// A WebSocket that this party requested was refused or could not be requested.
    SocketRefused {
        /// Number of the socket.
        socket: u64,
        /// Host name of the other end.
        to: String,
        /// Path and query.
        path: String,
        /// What this party showed to prove who it is.
        #[serde(default, skip_serializing_if = "Credentials::are_own")]
        credentials: Credentials,
        /// HTTP status of the refusal; `None` without an answer.
        status: Option<u16>,
        /// The error, in words.
        error: String,
    },
    /// This party sent a text frame.
    FrameSent {
        /// Number of the socket.
        socket: u64,
        /// The frame's JSON.
        frame: Arc<Value>,
    },
    /// This party received a frame.
    FrameReceived {
        /// Number of the socket.
        socket: u64,
        /// The frame's JSON; a string if it was not JSON. Frames with the same text may share it.
        frame: Arc<Value>,
    },
    /// A WebSocket ended for this party.
    SocketClosed {
        /// Number of the socket.
        socket: u64,
        /// Code of the close frame sent or received; `None` without a close frame.
        code: Option<u16>,
        /// Who closed it, from the view of this party.
        by: ClosedBy,
    },
}

/// Who closed a WebSocket, from the view of one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClosedBy {
    /// The party itself.
    #[serde(rename = "self")]
    Itself,
    /// The other end, with a close frame.
    Peer,
    /// Neither: the connection ended or was reset without a close frame.
    Lost,
}

/// Receives the observations of all parties.
pub trait Observer: Send + Sync + 'static {
    /// Records an observation that `party` makes now.
    fn observe(&self, party: &str, observation: Observation);
}

/// Sends the observations of one party to an [`Observer`], and numbers its exchanges and sockets. Clones share the
/// counters.
#[derive(Clone)]
pub struct Probe {
    party: Arc<str>,
    observer: Arc<dyn Observer>,
    exchanges: Arc<AtomicU64>,
    sockets: Arc<AtomicU64>,
}

impl Probe {
    /// The probe of `party`.
    pub fn new(party: &str, observer: Arc<dyn Observer>) -> Self {
        Self {
            party: party.into(),
            observer,
            exchanges: Arc::default(),
            sockets: Arc::default(),
        }
    }

    /// The party's name.
    pub fn party(&self) -> &str {
        &self.party
    }

    /// The number of a new HTTP exchange.
    pub fn next_exchange(&self) -> u64 {
        self.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number of a new WebSocket.
    pub fn next_socket(&self) -> u64 {
        self.sockets.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Records an observation that this party makes now.
    pub fn observe(&self, observation: Observation) {
        self.observer.observe(&self.party, observation);
    }
}

/// Converts a body to JSON: the parsed JSON, otherwise the text as a string; null if empty.
pub fn body_as_value(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    // Of a slice, the parser would check each string for UTF-8, which costs more than one check of all bytes.
    let text = std::str::from_utf8(body).ok();
    let value = text.and_then(|text| serde_json::from_str(text).ok());
    value.unwrap_or_else(|| Value::String(String::from_utf8_lossy(body).into_owned()))
}
