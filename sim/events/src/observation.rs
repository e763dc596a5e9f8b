//! What a party of the harness saw at its own edge of the wire, in the order in which it saw it.
//!
//! Bodies are the JSON that crossed the wire, unread: whoever judges them shares no type with whoever
//! wrote them. What the sights mean is not decided here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One thing that one party saw. An HTTP exchange and a WebSocket each have a number that all sights of
/// it carry; the numbers of one party start at 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "saw", rename_all = "kebab-case")]
pub enum Sight {
    /// This party sent an HTTP request.
    RequestSent {
        /// Number of the exchange.
        exchange: u64,
        /// The party it was sent to, as a host name.
        to: String,
        /// HTTP method.
        method: String,
        /// Path and query.
        path: String,
        /// JSON body, null if there was none.
        body: Value,
    },
    /// The answer to a request that this party sent.
    ReplyReceived {
        /// Number of the exchange.
        exchange: u64,
        /// HTTP status.
        status: u16,
        /// JSON body; a string if it was not JSON, null if there was none.
        body: Value,
    },
    /// A request that this party sent got no (whole) answer: what became of it is open.
    NoReply {
        /// Number of the exchange.
        exchange: u64,
        /// Why, in words.
        error: String,
    },
    /// This party was sent an HTTP request.
    RequestReceived {
        /// Number of the exchange.
        exchange: u64,
        /// HTTP method.
        method: String,
        /// Path and query.
        path: String,
        /// Headers with lower-case names, in order of name; only where a judge needs them.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        headers: Value,
        /// JSON body; a string if it was not JSON, null if there was none.
        body: Value,
    },
    /// This party answered a request.
    ReplySent {
        /// Number of the exchange.
        exchange: u64,
        /// HTTP status.
        status: u16,
        /// JSON body; null if there was none, or if it is a stream of chunks that follow.
        body: Value,
    },
    /// This party sent one server-sent event of a streamed answer.
    ChunkSent {
        /// Number of the exchange.
        exchange: u64,
        /// The event's data: JSON, or a string such as `[DONE]`.
        data: Value,
    },
    /// The other side of an exchange or of a streamed answer went away before its end.
    PeerGone {
        /// Number of the exchange.
        exchange: u64,
    },
    /// A WebSocket that this party had asked for is open.
    SocketOpened {
        /// Number of the socket.
        socket: u64,
        /// The party it leads to, as a host name.
        to: String,
        /// Path and query.
        path: String,
    },
    /// A WebSocket that this party had asked for was refused, or could not be asked for.
    SocketRefused {
        /// Number of the socket.
        socket: u64,
        /// The party it would have led to, as a host name.
        to: String,
        /// Path and query.
        path: String,
        /// HTTP status of the refusal, if there was an answer.
        status: Option<u16>,
        /// What was said, in words.
        error: String,
    },
    /// This party sent a text frame.
    FrameSent {
        /// Number of the socket.
        socket: u64,
        /// The frame's JSON.
        frame: Value,
    },
    /// This party received a frame.
    FrameReceived {
        /// Number of the socket.
        socket: u64,
        /// The frame's JSON; a string if it was not JSON.
        frame: Value,
    },
    /// A WebSocket is over for this party.
    SocketClosed {
        /// Number of the socket.
        socket: u64,
        /// Close code, if a close frame came or went.
        code: Option<u16>,
        /// Who ended it, as far as this party can tell.
        by: ClosedBy,
    },
}

/// Who ended a WebSocket, as far as one end of it can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClosedBy {
    /// The party itself.
    #[serde(rename = "self")]
    Itself,
    /// The other end, with a close frame.
    Peer,
    /// Nobody said goodbye: the connection ended or was reset.
    Lost,
}

/// Whoever keeps the record of what all parties see.
pub trait Observer: Send + Sync + 'static {
    /// Adds what `party` sees now.
    fn observe(&self, party: &str, sight: Sight);
}

/// One party's way to the record, with the counters for its exchanges and sockets. Cheap to clone;
/// clones count together.
#[derive(Clone)]
pub struct Witness {
    party: Arc<str>,
    observer: Arc<dyn Observer>,
    exchanges: Arc<AtomicU64>,
    sockets: Arc<AtomicU64>,
}

impl Witness {
    /// The witness of the party called `party`.
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

    /// A number for a new HTTP exchange.
    pub fn next_exchange(&self) -> u64 {
        self.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A number for a new WebSocket.
    pub fn next_socket(&self) -> u64 {
        self.sockets.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Records that this party sees `sight` now.
    pub fn observe(&self, sight: Sight) {
        self.observer.observe(&self.party, sight);
    }
}

/// A body as a judge may read it: its JSON, else its text, or null if it is empty.
pub fn body_as_value(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}
