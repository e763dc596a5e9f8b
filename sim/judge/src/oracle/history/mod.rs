//! A trace as oracles read it: who asked what and was answered what, what the streams showed, what reached
//! the wrapper, what the wrapper said, what reached the receiver.
//!
//! | file | what is in it |
//! |---|---|
//! | `reader` | one pass over a trace |
//! | `session` | what of it concerns one session |
//! | `wire` | addresses and queries, read from paths |
//! | `wrapper` | what the wrapper was asked, and the sockets that it speaks on |
//! | `faults` | what was done to the world, as far as it excuses anybody |
//!
//! It sorts what was seen; it judges nothing.

mod faults;
mod reader;
mod session;
mod wire;
mod wrapper;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use turnstile_profile::Profile;

pub use self::faults::Faults;
pub use self::reader::CONNECTED;
pub use self::session::SessionHistory;
pub use self::wire::Fence;
pub use self::wrapper::{Binding, Delivery, ImportedIngest, Ingest, Preparation, Stop, WrapperFrame};
use crate::parties::Secrets;
use crate::trace::Trace;

/// How long what is said is on its way at most in a simulated world, if nothing is wrong with the link.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// How far a time that a server reports may lie behind the moment of the report: servers report whole milliseconds.
const REPORTED_TIME_ERROR: Duration = Duration::from_millis(1);

/// What a judge has to know of a run beside its trace.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// How far a time that the server reports may lie behind the moment of the report.
    pub time_error: Duration,
    /// How much longer than in a simulated world transmission and processing may take.
    pub timing_tolerance: Duration,
    /// Whether time passes by itself, also while parties work.
    pub in_real_time: bool,
    /// What only the server and its services know.
    pub secrets: Vec<String>,
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
            profile: Arc::default(),
        }
    }
}

/// What all of a trace tells.
#[derive(Debug, Default)]
pub struct History {
    /// What the trace does not show.
    pub context: RunContext,
    /// Requests of clients to the server, in order of sending.
    pub calls: Vec<Call>,
    /// Streams that were opened, in order of opening.
    pub streams: Vec<Stream>,
    /// What the streams showed, in order of receiving.
    pub seen: Vec<SeenEvent>,
    /// What the streams showed that is no event.
    pub unreadable: Vec<UnreadableFrame>,
    /// Bindings that the wrapper was given, in order of arrival.
    pub bindings: Vec<Binding>,
    /// Requests to get ready that reached the wrapper, in order of arrival.
    pub preparations: Vec<Preparation>,
    /// Turns that reached the wrapper, in order of arrival.
    pub deliveries: Vec<Delivery>,
    /// Ingest sockets that the server let the wrapper open, in order of opening.
    pub ingests: Vec<Ingest>,
    /// Ingest sockets that the server let wrappers of imported executions open, in order of opening.
    pub imported_ingests: Vec<ImportedIngest>,
    /// Orders to stop that reached the wrapper, in order of arrival.
    pub stops: Vec<Stop>,
    /// What the wrapper said on its ingest sockets, in order of sending.
    pub wrapper_frames: Vec<WrapperFrame>,
    /// Requests that reached the receiver, in order of arrival.
    pub callbacks: Vec<CallbackRequest>,
    /// What was done to the world.
    pub faults: Faults,
    /// What the gateway said at the end of who waits there.
    pub waiters: Option<Value>,
    /// When the last thing happened.
    pub end: Duration,
    sessions: BTreeMap<Arc<str>, SessionNotes>,
}

/// What is known of a session beside what it shares with others.
#[derive(Debug, Default)]
struct SessionNotes {
    /// What the last complete reading of its log by the harness showed; an error if the last reading failed.
    log: Option<Result<Vec<usize>, LogUnread>>,
    /// Ids of the root of its kilo.
    roots: BTreeSet<String>,
}

/// The harness asked for a session's log and was not given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogUnread;

/// A client's request to the server.
#[derive(Debug)]
pub struct Call {
    /// When it was sent.
    pub at: Duration,
    /// By whom.
    pub party: String,
    /// The procedure.
    pub procedure: String,
    /// Its input.
    pub input: Value,
    /// The answer, and when it came; none if it never did.
    pub reply: Option<(Duration, u16, Value)>,
}

impl Call {
    /// The data of an answer that says that all went well, and when it came.
    pub fn success(&self) -> Option<(Duration, &Value)> {
        let (at, status, body) = self.reply.as_ref()?;
        (*status == 200).then(|| (*at, &body["result"]["data"]))
    }

    /// Whether it was refused, so that nothing has come of it.
    pub fn is_refused(&self) -> bool {
        self.reply.is_some() && self.success().is_none()
    }

    /// The session that it is about or that came of it.
    pub fn session(&self) -> Option<&str> {
        let told = self.success().map(|(_, data)| data);
        told.and_then(|data| data["cloudAgentSessionId"].as_str())
            .or_else(|| self.input["cloudAgentSessionId"].as_str())
            .or_else(|| self.input["sessionId"].as_str())
    }

    /// The message that it asks to be admitted, as far as anybody knows its id.
    pub fn asked_message(&self) -> Option<&str> {
        if !self.is_admission() {
            return None;
        }
        let told = self.success().map(|(_, data)| data);
        told.and_then(|data| data["messageId"].as_str())
            .or_else(|| self.input["message"]["id"].as_str())
            .or_else(|| self.input["messageId"].as_str())
            .or_else(|| self.input["initialMessageId"].as_str())
    }

    /// The message that the answer acknowledges, and when; none if it does not.
    pub fn acked(&self) -> Option<(&str, Duration)> {
        let (at, _) = self.success()?;
        Some((self.asked_message()?, at))
    }

    /// Whether it makes a session.
    pub fn is_creation(&self) -> bool {
        matches!(self.procedure.as_str(), "start" | "prepareSession")
    }

    /// Whether it is one of the procedures of old clients whose reply names an execution (protocol §2).
    pub fn is_v2(&self) -> bool {
        matches!(
            self.procedure.as_str(),
            "initiateFromKilocodeSessionV2" | "sendMessageV2"
        )
    }

    /// Whether it asks for a message to be admitted.
    pub fn is_admission(&self) -> bool {
        matches!(self.procedure.as_str(), "start" | "send")
            || self.is_v2()
            || self.procedure == "prepareSession" && self.input["autoInitiate"] == true
    }
}

/// A client's stream.
#[derive(Debug)]
pub struct Stream {
    /// Whose.
    pub party: String,
    /// Which of its sockets.
    pub socket: u64,
    /// The session that was asked for.
    pub session: Arc<str>,
    /// From where on it was asked for.
    pub from: StreamStart,
    /// Whether only some events were asked for.
    pub is_filtered: bool,
    /// When it was open.
    pub opened_at: Duration,
    /// When it ended, as far as its client noticed.
    pub closed_at: Option<Duration>,
    /// What it showed, as places in [`History::seen`].
    events: Vec<usize>,
}

/// From where on a stream was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStart {
    /// After the event of that id.
    After(u64),
    /// Nothing is replayed.
    Live,
    /// It was not said.
    Unsaid,
}

/// An event of a session's stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEvent {
    /// The session whose stream it is on.
    pub session: Arc<str>,
    /// 0 if it is not kept.
    pub id: u64,
    /// Its `streamEventType`.
    pub name: String,
    /// What it carries.
    pub data: Value,
    /// When the server says it happened, since the beginning of the run, in whole milliseconds.
    pub at: Duration,
    /// What else its envelope has; `sessionId` is among it only if it names another session.
    pub others: Map<String, Value>,
}

impl StreamEvent {
    /// The message that a `cloud.message.*` event is about.
    pub fn message(&self) -> Option<&str> {
        self.name.strip_prefix("cloud.message.")?;
        self.data["messageId"].as_str()
    }

    /// Whether it tells that a message was admitted.
    pub fn is_queued(&self) -> bool {
        self.name == "cloud.message.queued"
    }

    /// Whether it tells that a wrapper took a message.
    pub fn is_sent(&self) -> bool {
        self.name == "cloud.message.sent"
    }

    /// Whether it tells how a message ended.
    pub fn is_end(&self) -> bool {
        matches!(
            self.name.as_str(),
            "cloud.message.completed" | "cloud.message.failed"
        )
    }

    /// The kilo event's name and properties, if it carries one.
    pub fn kilo(&self) -> Option<(&str, &Value)> {
        kilo(&self.name, &self.data)
    }

    /// Whether that is its name, or that of the kilo event in it.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.kilo().is_some_and(|(kilo, _)| kilo == name)
    }

    /// What it is the latest word on, so that its content may change; none if it stands for itself.
    pub fn entity(&self) -> Option<(&str, &str)> {
        let (name, properties) = self.kilo()?;
        match name {
            "message.updated" => Some((properties["info"]["id"].as_str()?, "")),
            "message.part.updated" => {
                let part = &properties["part"];
                Some((part["messageID"].as_str()?, part["id"].as_str()?))
            }
            _ => None,
        }
    }

    /// Whether it is the latest word on something, so that its content may change.
    pub fn is_upserted(&self) -> bool {
        self.entity().is_some()
    }
}

/// The name and properties of a kilo event in the data of an event, if it carries one (protocol §11).
pub fn kilo<'a>(name: &str, data: &'a Value) -> Option<(&'a str, &'a Value)> {
    if name != "kilocode" {
        return None;
    }
    Some((data["event"].as_str()?, &data["properties"]))
}

/// An event that a stream showed.
#[derive(Debug)]
pub struct SeenEvent {
    /// Whose stream.
    pub party: String,
    /// Which of its streams.
    pub socket: u64,
    /// When.
    pub seen_at: Duration,
    /// The event.
    pub event: StreamEvent,
}

/// A frame of a stream that is no event.
#[derive(Debug)]
pub struct UnreadableFrame {
    /// The session whose stream showed it.
    pub session: Arc<str>,
    /// Whose stream.
    pub party: String,
    /// When.
    pub seen_at: Duration,
    /// The frame.
    pub frame: Value,
}

/// A request that reached the receiver.
#[derive(Debug)]
pub struct CallbackRequest {
    /// When.
    pub at: Duration,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers by lower-case name; null if they were not recorded.
    pub headers: Value,
    /// Its body.
    pub body: Value,
    /// What it was answered; none if nothing.
    pub status: Option<u16>,
}

impl CallbackRequest {
    /// What receivers tell repeats by.
    pub fn key(&self) -> &str {
        self.body["idempotencyKey"].as_str().unwrap_or_default()
    }

    /// Whether it is of an execution of an old record, which has rules of its own (protocol §10).
    pub fn is_of_execution(&self) -> bool {
        self.body["executionId"].as_str().is_some_and(is_execution)
    }

    /// Whether the receiver took it.
    pub fn is_delivered(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Whether an id is that of an execution of an old record (protocol §1).
pub fn is_execution(id: &str) -> bool {
    id.starts_with("exc_")
}

impl History {
    /// Sorts what a trace of a simulated world has.
    pub fn read(trace: &Trace) -> Self {
        Self::read_under(trace, RunContext::default())
    }

    /// Sorts what a trace has.
    pub fn read_under(trace: &Trace, context: RunContext) -> Self {
        Self {
            context,
            ..reader::read(trace)
        }
    }

    /// How far a time that the server tells may be from when it was seen to be.
    pub(super) fn time_error(&self) -> Duration {
        self.context.time_error
    }

    /// How long what is said is on its way at most, if nothing is wrong with the link.
    pub(super) fn on_its_way(&self) -> Duration {
        ON_ITS_WAY + self.context.timing_tolerance
    }

    /// The sessions that anybody has dealt with, each with what concerns it.
    pub fn sessions(&self) -> Vec<SessionHistory<'_>> {
        self.sessions
            .keys()
            .map(|id| SessionHistory::of(self, id))
            .collect()
    }

    /// Messages that some client was told are admitted, with when it was told first.
    pub fn acked(&self) -> BTreeMap<&str, Duration> {
        let mut acked = BTreeMap::new();
        for (message, at) in self.calls.iter().filter_map(Call::acked) {
            acked.entry(message).or_insert(at);
        }
        acked
    }

    /// The kept events as far as known, in order of id: the log of a session, or what was seen if there is no
    /// log; one session after the other.
    pub fn kept_events(&self) -> Vec<&StreamEvent> {
        let sessions = self.sessions.keys();
        sessions
            .flat_map(|id| session::kept(self, id))
            .map(|place| &self.seen[place].event)
            .collect()
    }

    /// When a kept event was first shown on any stream; if it never was, when it happened by its own word.
    pub fn first_seen(&self, event: &StreamEvent) -> Duration {
        let is_it = |seen: &&SeenEvent| seen.event.id == event.id && seen.event.session == event.session;
        let seen = self.seen.iter().find(is_it);
        seen.map_or(event.at, |seen| seen.seen_at)
    }

    /// What a stream showed, in order.
    pub fn shown<'a>(&'a self, stream: &'a Stream) -> impl DoubleEndedIterator<Item = &'a SeenEvent> {
        stream.events.iter().map(|place| &self.seen[*place])
    }
}
