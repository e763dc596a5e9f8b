//! A trace as oracles read it: requests of clients with their replies, events of streams, requests to the wrapper, its
//! frames, and requests to the receiver.
//!
//! | file | content |
//! |---|---|
//! | `reader` | one pass over a trace |
//! | `content` | the contents of frames, numbered |
//! | `data` | the data of a frame, shared with the frame |
//! | `event` | events of streams |
//! | `callback` | requests to the receiver |
//! | `filters` | what a stream is restricted to |
//! | `logs` | which stream is the log of a session |
//! | `refused` | WebSockets that the server refused |
//! | `session` | the part of a trace that concerns one session |
//! | `wire` | addresses and queries, read from paths |
//! | `wrapper` | requests to the wrapper, and its sockets |
//! | `faults` | faults that excuse missing observations |
//! | `stalls` | times at which the machine was late, in real time |
//! | `beginnings` | sessions that were removed, up to their removal |
//!
//! This module sorts observations; it judges nothing.

mod beginnings;
mod callback;
mod content;
mod data;
mod event;
mod faults;
mod filters;
mod logs;
mod reader;
mod refused;
mod session;
mod stalls;
mod wire;
mod wrapper;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use turnstile_events::credentials::Credentials;
use turnstile_events::queue::Submission;
use turnstile_profile::Profile;

use self::beginnings::Beginnings;
pub use self::callback::{CallbackRequest, is_execution};
pub use self::data::FrameData;
pub use self::event::{CONNECTED, StreamEvent, answer, kilo};
pub use self::faults::Faults;
pub use self::filters::Filters;
pub use self::refused::{Door, RefusedSocket};
pub(in crate::oracle) use self::session::LONGEST_OPENING;
pub use self::session::SessionHistory;
pub use self::stalls::Stalls;
pub use self::wire::{Fence, parameter};
pub use self::wrapper::{
    Binding, Delivery, ImportedIngest, Ingest, LostOpening, Ping, Preparation, ProtocolError,
    SnapshotRequest, Stop, WrapperAnswer, WrapperFrame, is_reserved,
};
use crate::parties::{RECEIVER_AUTHORITY, Secrets};
use crate::trace::Trace;

/// Maximum transit time of a frame in a simulated world without a fault of the link.
const MAX_TRANSIT: Duration = Duration::from_millis(50);

/// An upper bound that is missed in real time by at most this many times the timing tolerance is a warning.
const WARNED_TOLERANCES: u32 = 12;

/// How far a reported time may lie before the time of the report: servers report whole milliseconds.
const REPORTED_TIME_ERROR: Duration = Duration::from_millis(1);

/// The properties of a run that its trace does not show.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// How far a time that the server reports may lie before the time of the report.
    pub time_error: Duration,
    /// How much longer than in a simulated world transmission and processing may take.
    pub timing_tolerance: Duration,
    /// Whether the run is in real time, which passes while parties work.
    pub in_real_time: bool,
    /// The secrets that only the server and its services know.
    pub secrets: Vec<String>,
    /// Authority at which the server reaches the callback receiver.
    pub receiver: String,
    /// The durations, limits and numbers of attempts that the server has to keep.
    pub profile: Arc<Profile>,
}

impl Default for RunContext {
    /// The context of a run in a simulated world, among parties with the default secrets.
    fn default() -> Self {
        Self {
            time_error: REPORTED_TIME_ERROR,
            timing_tolerance: Duration::ZERO,
            in_real_time: false,
            secrets: Secrets::default().all().map(str::to_owned).into(),
            receiver: RECEIVER_AUTHORITY.to_owned(),
            profile: Arc::default(),
        }
    }
}

impl RunContext {
    /// By how much an upper bound may be missed in real time before that is a violation, on a machine that is not late; zero
    /// in simulated time.
    pub fn warned_lateness(&self) -> Duration {
        if self.in_real_time {
            self.timing_tolerance * WARNED_TOLERANCES
        } else {
            Duration::ZERO
        }
    }
}

/// The content of a trace, sorted.
#[derive(Debug, Default)]
pub struct History {
    /// The properties of the run that the trace does not show.
    pub context: RunContext,
    /// What was read of sessions that were removed; see [`Self::with_beginnings`].
    beginnings: Option<Box<Beginnings>>,
    /// Requests of clients to the server, in order of sending.
    pub calls: Vec<Call>,
    /// Streams, in order of opening.
    pub streams: Vec<Stream>,
    /// Events of all streams, in order of receiving.
    pub seen: Vec<SeenEvent>,
    /// Frames of streams that are no events.
    pub unreadable: Vec<UnreadableFrame>,
    /// WebSockets that the server refused, in order of refusal.
    pub refused: Vec<RefusedSocket>,
    /// Bindings that the wrapper received, in order of arrival.
    pub bindings: Vec<Binding>,
    /// Requests to get ready that reached the wrapper, in order of arrival.
    pub preparations: Vec<Preparation>,
    /// Turns that reached the wrapper, in order of arrival.
    pub deliveries: Vec<Delivery>,
    /// Requests to wrappers at the path of a job that name no message, with their paths.
    pub nameless_jobs: Vec<(Duration, String)>,
    /// Ingest sockets that the server accepted from wrappers, in order of opening.
    pub ingests: Vec<Ingest>,
    /// Attempts to open an ingest socket that the wrapper gave up without an answer.
    pub lost_openings: Vec<LostOpening>,
    /// Ingest sockets that the server accepted from wrappers of imported executions, in order of opening.
    pub imported_ingests: Vec<ImportedIngest>,
    /// Pings that reached the wrapper, in order of arrival.
    pub pings: Vec<Ping>,
    /// Orders to stop that reached the wrapper, in order of arrival.
    pub stops: Vec<Stop>,
    /// Requests for a snapshot that reached the wrapper, in order of arrival.
    pub snapshot_requests: Vec<SnapshotRequest>,
    /// Errors that the server sent on ingest sockets, in order of arrival.
    pub protocol_errors: Vec<ProtocolError>,
    /// The same on ingest sockets of imported executions, which are indices into `imported_ingests`.
    pub imported_errors: Vec<ProtocolError>,
    /// Frames of the wrapper on its ingest sockets, in order of sending.
    pub wrapper_frames: Vec<WrapperFrame>,
    /// Frames on ingest sockets of imported executions, in order of sending. Their sockets are indices into
    /// `imported_ingests`.
    pub imported_frames: Vec<WrapperFrame>,
    /// Requests that reached the receiver, in order of arrival.
    pub callbacks: Vec<CallbackRequest>,
    /// Jobs that a simulated server submitted to its callback queue, with the times of the queue's answers, in order.
    pub submissions: Vec<(Duration, Submission)>,
    /// The faults of the run.
    pub faults: Faults,
    /// The times at which the machine was late, in real time.
    pub stalls: Stalls,
    /// The requests that the gateway reported at the end of the run; `None` if it did not answer.
    pub waiters: Option<Value>,
    /// The time at which the run began.
    pub epoch: Timestamp,
    /// Time of the last record.
    pub end: Duration,
    sessions: BTreeMap<Arc<str>, SessionNotes>,
}

/// What only one session has.
#[derive(Debug, Default)]
struct SessionNotes {
    /// The log in the last complete reading by the harness; an error if the last reading failed.
    log: Option<Result<Vec<usize>, LogUnread>>,
    /// Ids of its root kilo session.
    roots: BTreeSet<String>,
}

/// The harness requested a session's log and did not receive it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogUnread;

/// A client's request to the server.
#[derive(Debug, Default)]
pub struct Call {
    /// Time of sending.
    pub at: Duration,
    /// The client.
    pub party: String,
    /// The procedure.
    pub procedure: String,
    /// What the client showed to prove who it is.
    pub credentials: Credentials,
    /// Its input.
    pub input: Value,
    /// Time, status and body of the answer; `None` without an answer.
    pub reply: Option<(Duration, u16, Value)>,
    /// Time at which the client gave up waiting for an answer, or lost its connection.
    pub given_up_at: Option<Duration>,
}

impl Call {
    /// Time and data of a successful answer.
    pub fn success(&self) -> Option<(Duration, &Value)> {
        let (at, status, body) = self.reply.as_ref()?;
        (*status == 200).then(|| (*at, &body["result"]["data"]))
    }

    /// Whether the session's user sent it. Only internal procedures need a key besides the user's token.
    pub fn is_by_user(&self) -> bool {
        matches!(self.credentials, Credentials::Own | Credentials::WithoutKey)
    }

    /// Whether it was refused, so that it had no effect.
    pub fn is_refused(&self) -> bool {
        self.reply.is_some() && self.success().is_none()
    }

    /// The session that it concerns or created.
    pub fn session(&self) -> Option<&str> {
        let data = self.success().map(|(_, data)| data);
        data.and_then(|data| data["cloudAgentSessionId"].as_str())
            .or_else(|| self.input["cloudAgentSessionId"].as_str())
            .or_else(|| self.input["sessionId"].as_str())
    }

    /// The message that it requests to admit; `None` if the wire does not show its id.
    pub fn requested_message(&self) -> Option<&str> {
        if !self.is_admission() {
            return None;
        }
        let data = self.success().map(|(_, data)| data);
        data.and_then(|data| data["messageId"].as_str())
            .or_else(|| self.input["message"]["id"].as_str())
            .or_else(|| self.input["messageId"].as_str())
            .or_else(|| self.input["initialMessageId"].as_str())
    }

    /// The message that the answer acknowledges, with the time of the answer.
    pub fn acked(&self) -> Option<(&str, Duration)> {
        let (at, _) = self.success()?;
        Some((self.requested_message()?, at))
    }

    /// Whether it creates a session.
    pub fn is_creation(&self) -> bool {
        matches!(self.procedure.as_str(), "start" | "prepareSession")
    }

    /// Whether it asks about a session and changes nothing (protocol §2).
    pub fn is_query(&self) -> bool {
        matches!(
            self.procedure.as_str(),
            "getSession" | "getSessionHealth" | "getLatestAssistantMessage"
        )
    }

    /// Whether it is a V2 procedure, whose reply has an execution (protocol §2).
    pub fn is_v2(&self) -> bool {
        matches!(
            self.procedure.as_str(),
            "initiateFromKilocodeSessionV2" | "sendMessageV2"
        )
    }

    /// Whether it requests the admission of a message.
    pub fn is_admission(&self) -> bool {
        matches!(self.procedure.as_str(), "start" | "send")
            || self.is_v2()
            || self.procedure == "prepareSession" && self.input["autoInitiate"] == true
    }
}

/// A client's stream.
#[derive(Debug)]
pub struct Stream {
    /// The client.
    pub party: String,
    /// Number of the socket among those of the client.
    pub socket: u64,
    /// What the client showed to prove who it is.
    pub credentials: Credentials,
    /// The requested session.
    pub session: Arc<str>,
    /// The requested starting point.
    pub from: StreamStart,
    /// Whether only some events were requested.
    pub is_filtered: bool,
    /// The readable filters that were requested.
    pub filters: Filters,
    /// Time of opening.
    pub opened_at: Duration,
    /// Time at which `connected` came, after all that was replayed; `None` if it did not.
    connected_at: Option<Duration>,
    /// Time at which the client noticed its end.
    pub closed_at: Option<Duration>,
    /// Its events, as indices into [`History::seen`].
    events: Vec<usize>,
}

/// The starting point of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStart {
    /// After the event with this id.
    After(u64),
    /// No event is replayed.
    Live,
    /// The request names no starting point.
    Unspecified,
}

/// An event that a client received on a stream.
#[derive(Debug)]
pub struct SeenEvent {
    /// The client.
    pub party: String,
    /// Number of the socket among those of the client.
    pub socket: u64,
    /// Time of receiving.
    pub seen_at: Duration,
    /// The event.
    pub event: StreamEvent,
}

/// A frame of a stream that is not an event.
#[derive(Debug)]
pub struct UnreadableFrame {
    /// The session of the stream.
    pub session: Arc<str>,
    /// The client.
    pub party: String,
    /// Time of receiving.
    pub seen_at: Duration,
    /// The frame.
    pub frame: Arc<Value>,
}

impl History {
    /// Reads a trace of a simulated world.
    pub fn read(trace: &Trace) -> Self {
        Self::read_under(trace, RunContext::default())
    }

    /// Reads a trace of a run with the given properties.
    pub fn read_under(trace: &Trace, context: RunContext) -> Self {
        Self {
            context,
            ..reader::read(trace.epoch(), trace.records())
        }
    }

    /// How far a time that the server reports may be from the time of the observation.
    pub(super) fn time_error(&self) -> Duration {
        self.context.time_error + self.leeway_of_work()
    }

    /// How long a party may take for what takes no time in simulated time: a server in real time reports a time, and acts
    /// some moments before or after it.
    pub(super) fn leeway_of_work(&self) -> Duration {
        if self.context.in_real_time {
            self.timing_tolerance()
        } else {
            Duration::ZERO
        }
    }

    /// How much longer than in a simulated world transmission and processing may take. A machine that is late makes them
    /// longer.
    pub fn timing_tolerance(&self) -> Duration {
        self.context.timing_tolerance + self.stalls.worst()
    }

    /// Maximum transit time of a frame without a fault of the link.
    pub(super) fn max_transit(&self) -> Duration {
        MAX_TRANSIT + self.timing_tolerance()
    }

    /// Maximum time that an order takes which needs a new connection: a round, then the request and the answer.
    pub fn max_order_time(&self) -> Duration {
        self.time_error() + 4 * self.max_transit()
    }

    /// [`RunContext::warned_lateness`].
    pub fn warned_lateness(&self) -> Duration {
        self.context.warned_lateness()
    }

    /// All sessions in the trace.
    pub fn sessions(&self) -> Vec<SessionHistory<'_>> {
        self.sessions
            .keys()
            .map(|id| SessionHistory::of(self, id))
            .collect()
    }

    /// Acknowledged messages, with the time of the first acknowledgement.
    pub fn acked(&self) -> BTreeMap<&str, Duration> {
        let mut acked = BTreeMap::new();
        for (message, at) in self.calls.iter().filter_map(Call::acked) {
            acked.entry(message).or_insert(at);
        }
        acked
    }

    /// The kept events, one session after the other, in order of id: the log of the session, or the received events if
    /// there is no log.
    pub fn kept_events(&self) -> Vec<&StreamEvent> {
        let sessions = self.sessions.keys();
        sessions
            .flat_map(|id| session::kept(self, id))
            .map(|place| &self.seen[place].event)
            .collect()
    }

    /// The time at which a client first received a kept event; the time of the event if none received it.
    pub fn first_seen(&self, event: &StreamEvent) -> Duration {
        let is_it = |seen: &&SeenEvent| seen.event.id == event.id && seen.event.session == event.session;
        let seen = self.seen.iter().find(is_it);
        seen.map_or(event.at, |seen| seen.seen_at)
    }

    /// The events of a stream, in order.
    pub fn shown<'a>(&'a self, stream: &'a Stream) -> impl DoubleEndedIterator<Item = &'a SeenEvent> {
        stream.events.iter().map(|place| &self.seen[*place])
    }
}
