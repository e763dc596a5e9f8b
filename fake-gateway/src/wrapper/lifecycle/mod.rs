//! The wrapper's state machine: requests, frames, progress of the gateway call and time come in, actions go
//! out (R11.19–R11.34, R11.50–R11.54).
//!
//! `requests` answers HTTP requests, `link` and `old_sockets` keep the ingest, `work` runs turns, `answers` reports
//! what the gateway answers, and `finalizing` has the work after the last turn.
//!
//! Pure: it opens no socket, calls no gateway and reads no clock. [`Lifecycle::handle`] is the only input.
//! The caller performs the actions in order, and passes [`Input::Due`] when [`Lifecycle::next_deadline`] has
//! come. Time never goes back.

mod answers;
mod finalizing;
mod link;
mod old_sockets;
mod requests;
#[cfg(test)]
mod tests;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::behaviour::Behaviour;
use super::binding::Session;
use super::buffer::Buffer;
use super::events::{self, Event, Kilo};
use super::identifiers::Identifiers;
use super::reply::Reply;
use super::request::{Prompt, Request};
use super::turns::{ToolCall, TurnId, Turns};
use crate::coverage::FakeEvent;
use finalizing::Finalizing;
use old_sockets::OldSockets;
use requests::PendingPrompt;

/// Identifies a request that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::wrapper) struct RequestId(pub(in crate::wrapper) u64);

/// Identifies an attempt to open an ingest socket, and the resulting socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::wrapper) struct LinkId(u64);

/// A command of the server on the ingest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in crate::wrapper) enum Command {
    /// Requests a `pong`.
    Ping,
    /// Abort all turns.
    Kill,
    /// Requests the messages of the latest turn and the status.
    RequestSnapshot,
}

/// Progress of a turn's gateway call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::wrapper) enum Progress {
    /// The model is in the catalogue.
    Begun,
    /// More text of the answer.
    Text(String),
    /// The answer called a tool, which is over.
    ToolCalled(ToolCall),
    /// The answer is complete, and the gateway is called again with the results of its tools.
    Answered,
    /// The last answer is complete.
    Finished,
    /// There is no complete answer, for this reason.
    Refused(String),
    /// The model is not in the catalogue.
    UnknownModel(String),
}

/// An input of the state machine.
#[derive(Debug)]
pub(in crate::wrapper) enum Input {
    /// A request arrived.
    Request(RequestId, Box<Request>),
    LinkOpened(LinkId),
    LinkFailed(LinkId, LinkFailure),
    /// The oldest unwritten frame was written to the socket.
    FrameWritten(LinkId),
    /// The server sent a command.
    Command(LinkId, Command),
    /// The socket ended, with the code of its close frame. Frames not reported as written were not written.
    LinkLost(LinkId, Option<u16>),
    /// The gateway call of a turn made progress.
    Progress(TurnId, Progress),
    /// The next deadline has come.
    Due,
}

/// Why an ingest socket could not be opened.
#[derive(Debug)]
pub(in crate::wrapper) struct LinkFailure {
    /// HTTP status of a refusal.
    pub(in crate::wrapper) status: Option<u16>,
    pub(in crate::wrapper) error: String,
}

/// An action for the host.
#[derive(Debug, PartialEq)]
pub(in crate::wrapper) enum Action {
    /// Send the answer to a request.
    Answer(RequestId, Reply),
    /// Close the connection of a request without an answer.
    HangUp(RequestId),
    /// Open an ingest socket at `url` with the bearer `token`.
    Open {
        /// Identifies the socket from now on.
        link: LinkId,
        /// Absolute URL.
        url: String,
        /// Bearer token.
        token: String,
        /// Whether the attempt is given up while the socket opens.
        gives_up: bool,
    },
    /// Write a frame after all earlier ones.
    Send(LinkId, Arc<Value>),
    /// Do not write any `complete` that waits behind another frame.
    DropComplete(LinkId),
    /// Close the socket with 1000 once all frames are written.
    Close(LinkId),
    /// Cancel the opening of the socket.
    Abandon(LinkId),
    /// Start the gateway call of a turn.
    StartTurn(TurnId, Prompt),
    /// Cancel the gateway call of a turn.
    StopTurn(TurnId),
}

/// The state of the ingest connection.
#[derive(Debug)]
enum Link {
    /// No connection, and no attempt.
    Closed,
    /// An attempt is in progress: the first one, or the one after the pause with this index.
    Opening {
        link: LinkId,
        pause: Option<usize>,
        /// Whether it is given up, and the next attempt follows at once.
        gives_up: bool,
    },
    /// Connected.
    Open(LinkId),
    /// Lost; the next attempt follows the pause with this index.
    Pausing { until: Timestamp, pause: usize },
}

/// State of a wrapper. See the module documentation.
pub(in crate::wrapper) struct Lifecycle {
    identifiers: Identifiers,
    /// The version for `/health`.
    version: String,
    /// The agent's latency, unless it is configured (R11.51).
    latency: Duration,
    /// The pause before each attempt to reconnect (R11.29).
    reconnect_pauses: Vec<Duration>,
    behaviour: Behaviour,
    session: Option<Session>,
    link: Link,
    last_link: u64,
    old_sockets: OldSockets,
    buffer: Buffer,
    /// Prompts to accept and answer once the ingest is open and writes no `complete`.
    pending_prompts: Vec<PendingPrompt>,
    turns: Turns,
    /// The error of the last turn that ended with one.
    last_error: Option<String>,
    /// The work after the last turn, while it takes time.
    finalizing: Option<Finalizing>,
    /// When to send the next `heartbeat`.
    heartbeat_at: Option<Timestamp>,
    /// The commands that were announced under this binding; `None` before the ingest has opened.
    announced: Option<Vec<String>>,
    /// When to close the ingest, unless a turn begins first (R11.23).
    leave_at: Option<Timestamp>,
    /// Delayed answers by due time.
    late_answers: BTreeMap<Timestamp, Vec<Action>>,
    actions: Vec<Action>,
}

impl Lifecycle {
    /// A wrapper without a session. While its ingest is lost, it keeps up to `buffer` events.
    pub(in crate::wrapper) fn new(
        identifiers: Identifiers,
        version: String,
        latency: Duration,
        reconnect_pauses: Vec<Duration>,
        buffer: usize,
    ) -> Self {
        Self {
            identifiers,
            version,
            latency,
            reconnect_pauses,
            behaviour: Behaviour::default(),
            session: None,
            link: Link::Closed,
            last_link: 0,
            old_sockets: OldSockets::default(),
            buffer: Buffer::new(buffer),
            pending_prompts: Vec::new(),
            turns: Turns::default(),
            last_error: None,
            finalizing: None,
            heartbeat_at: None,
            announced: None,
            leave_at: None,
            late_answers: BTreeMap::new(),
            actions: Vec::new(),
        }
    }

    /// Applies `input` and returns the resulting actions, in order.
    pub(in crate::wrapper) fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Action> {
        match input {
            Input::Request(id, request) => self.handle_request(now, id, *request),
            Input::LinkOpened(link) => self.link_opened(now, link),
            Input::LinkFailed(link, failure) => self.link_failed(now, link, &failure),
            Input::FrameWritten(link) if self.is_open(link) => {
                self.buffer.written();
                self.accept_pending_prompts(now);
            }
            Input::Command(link, command) if self.is_open(link) => self.handle_command(now, command),
            Input::LinkLost(link, code) if self.is_open(link) => self.link_lost(now, code),
            Input::LinkLost(link, _) => {
                self.old_sockets.take_ended(link);
            }
            Input::FrameWritten(_) | Input::Command(..) | Input::Due => {}
            Input::Progress(turn, progress) => self.handle_progress(now, turn, progress),
        }
        self.answer_if_due(now);
        self.reconnect_if_due(now);
        self.end_finalizing_if_due(now);
        self.begin_next_turn(now);
        self.keep_heartbeat(now);
        self.leave_if_due(now);
        std::mem::take(&mut self.actions)
    }

    /// When [`Input::Due`] is needed next.
    pub(in crate::wrapper) fn next_deadline(&self) -> Option<Timestamp> {
        let of_link = match self.link {
            Link::Pausing { until, .. } => Some(until),
            Link::Open(_) if self.buffer.is_empty() => self.leave_at,
            _ => None,
        };
        let of_answers = self.late_answers.keys().next().copied();
        let of_work = match &self.finalizing {
            Some(finalizing) => Some(finalizing.until),
            None => self.turns.next_begins_at(self.latency()),
        };
        let all = [of_link, of_answers, of_work, self.heartbeat_at];
        all.into_iter().flatten().min()
    }

    fn is_open(&self, link: LinkId) -> bool {
        matches!(self.link, Link::Open(open) if open == link)
    }

    fn emit(&mut self, now: Timestamp, event: Event) {
        if self.behaviour.silent {
            FakeEvent::Silent.hit();
            return;
        }
        if self.behaviour.duplicate {
            FakeEvent::Duplicate.hit();
        }
        let frame = Arc::new(events::frame(now, event));
        for _ in 0..self.behaviour.copies() {
            self.send_on_old_sockets(&frame);
            self.send(Arc::clone(&frame));
        }
    }

    /// Sends a frame if the ingest is open, and buffers it until it is written.
    fn send(&mut self, frame: Arc<Value>) {
        if let Link::Open(link) = self.link {
            self.actions.push(Action::Send(link, Arc::clone(&frame)));
        }
        self.buffer.push(frame);
    }

    fn emit_kilo(&mut self, now: Timestamp, event: impl FnOnce(Kilo<'_>) -> Event) {
        let session = self.session.as_ref().expect("a turn belongs to a session");
        let event = event(Kilo {
            session_id: &session.kilo_session_id,
        });
        self.emit(now, event);
    }
}
