//! The wrapper's state machine: requests, frames, the gateway's progress and time come in, decisions go
//! out (protocol §5, §11).
//!
//! Pure: it opens no socket, calls no gateway and reads no clock. [`Lifecycle::handle`] is the one input;
//! whoever holds the lifecycle performs the actions in order, and hands [`Input::Due`] in once
//! [`Lifecycle::next_deadline`] has come. Time only rises.

mod link;
mod old_sockets;
mod requests;
#[cfg(test)]
mod tests;
mod work;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::ask::{Ask, Prompt, Reply};
use super::behaviour::Behaviour;
use super::binding::Session;
use super::buffer::Buffer;
use super::events::{self, Event, Kilo};
use super::identifiers::Identifiers;
use super::turns::{TurnId, Turns};
use crate::coverage::Deed;
use old_sockets::OldSockets;

/// The number of a request that is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::wrapper) struct RequestId(pub(in crate::wrapper) u64);

/// The number of one try to have an ingest socket, and of the socket that comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::wrapper) struct LinkId(u64);

/// What the server says on the ingest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in crate::wrapper) enum Order {
    /// Show that you are there.
    Ping,
    /// Abort all turns.
    Kill,
    /// Tell how things stand.
    RequestSnapshot,
}

/// What a turn's gateway call has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::wrapper) enum Progress {
    /// The model is in the catalogue; the answer may follow.
    Begun,
    /// More text.
    Text(String),
    /// The answer is complete.
    Finished,
    /// There is no answer, for this reason.
    Refused(String),
    /// The model is not in the catalogue.
    UnknownModel(String),
}

/// What happens to a wrapper.
#[derive(Debug)]
pub(in crate::wrapper) enum Input {
    /// A request came.
    Asked(RequestId, Ask),
    /// An ingest socket is open.
    LinkOpened(LinkId),
    /// An ingest socket could not be opened.
    LinkFailed(LinkId, LinkFailure),
    /// The oldest unwritten frame was handed to the socket.
    FrameWritten(LinkId),
    /// The server said something.
    Ordered(LinkId, Order),
    /// The socket ended, with this close code if one came. What was not reported as written was not.
    LinkLost(LinkId, Option<u16>),
    /// A turn went on.
    Turned(TurnId, Progress),
    /// The next deadline has come.
    Due,
}

/// Why an ingest socket could not be opened.
#[derive(Debug)]
pub(in crate::wrapper) struct LinkFailure {
    /// HTTP status of a refusal.
    pub(in crate::wrapper) status: Option<u16>,
    /// The failure in words.
    pub(in crate::wrapper) error: String,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(in crate::wrapper) enum Action {
    /// Answer a request.
    Answer(RequestId, Reply),
    /// Leave a request without an answer, and end the connection that it came on.
    HangUp(RequestId),
    /// Open an ingest socket at `url` with the bearer `token`.
    Open {
        /// Its number from now on.
        link: LinkId,
        /// Absolute URL.
        url: String,
        /// Bearer token.
        token: String,
    },
    /// Write a frame after all earlier ones.
    Send(LinkId, Value),
    /// Close the socket with 1000 once all frames are written.
    Close(LinkId),
    /// Do not open that socket after all.
    Abandon(LinkId),
    /// Call the gateway for a turn.
    StartTurn(TurnId, Prompt),
    /// Drop the gateway call of a turn.
    StopTurn(TurnId),
}

/// The state of the ingest connection.
#[derive(Debug)]
enum Link {
    /// There is none, and none is tried.
    Closed,
    /// One is tried: for the first time, or for the n-th pause after a loss.
    Opening { link: LinkId, pause: Option<usize> },
    /// There is one.
    Open(LinkId),
    /// It was lost; the next try follows the n-th pause.
    Pausing { until: Timestamp, pause: usize },
}

/// See the module's documentation.
pub(in crate::wrapper) struct Lifecycle {
    identifiers: Identifiers,
    behaviour: Behaviour,
    session: Option<Session>,
    link: Link,
    last_link: u64,
    old_sockets: OldSockets,
    buffer: Buffer,
    /// Prompts that are taken and answered once the ingest is open.
    arriving: Vec<(RequestId, Prompt)>,
    turns: Turns,
    /// When the open ingest is closed, unless there is work again.
    leave_at: Option<Timestamp>,
    /// Answers that are given late, by the time when they are.
    late_answers: BTreeMap<Timestamp, Vec<Action>>,
    actions: Vec<Action>,
}

impl Lifecycle {
    /// A wrapper that knows no session.
    pub(in crate::wrapper) fn new(identifiers: Identifiers) -> Self {
        Self {
            identifiers,
            behaviour: Behaviour::default(),
            session: None,
            link: Link::Closed,
            last_link: 0,
            old_sockets: OldSockets::default(),
            buffer: Buffer::default(),
            arriving: Vec::new(),
            turns: Turns::default(),
            leave_at: None,
            late_answers: BTreeMap::new(),
            actions: Vec::new(),
        }
    }

    /// Decides what `input` calls for.
    pub(in crate::wrapper) fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Action> {
        match input {
            Input::Asked(request, ask) => self.asked(now, request, ask),
            Input::LinkOpened(link) => self.link_opened(now, link),
            Input::LinkFailed(link, failure) => self.link_failed(now, link, &failure),
            Input::FrameWritten(link) if self.is_open(link) => self.buffer.written(),
            Input::Ordered(link, order) if self.is_open(link) => self.ordered(now, order),
            Input::LinkLost(link, code) if self.is_open(link) => self.link_lost(now, code),
            Input::LinkLost(link, _) => {
                self.old_sockets.take_ended(link);
            }
            Input::FrameWritten(_) | Input::Ordered(..) | Input::Due => {}
            Input::Turned(turn, progress) => self.turned(now, turn, progress),
        }
        self.answer_if_due(now);
        self.reconnect_if_due(now);
        self.leave_if_due(now);
        std::mem::take(&mut self.actions)
    }

    /// When [`Input::Due`] is wanted next.
    pub(in crate::wrapper) fn next_deadline(&self) -> Option<Timestamp> {
        let of_link = match self.link {
            Link::Pausing { until, .. } => Some(until),
            Link::Open(_) if self.buffer.is_empty() => self.leave_at,
            _ => None,
        };
        let of_answers = self.late_answers.keys().next().copied();
        of_link.into_iter().chain(of_answers).min()
    }

    fn is_open(&self, link: LinkId) -> bool {
        matches!(self.link, Link::Open(open) if open == link)
    }

    fn emit(&mut self, now: Timestamp, event: Event) {
        if self.behaviour.silent {
            Deed::Silent.reach();
            return;
        }
        if self.behaviour.duplicate {
            Deed::Duplicate.reach();
        }
        let frame = events::frame(now, event);
        for _ in 0..self.behaviour.copies() {
            self.say_on_old_sockets(&frame);
            self.say(frame.clone());
        }
    }

    /// Hands a frame to the ingest, if it is there, and keeps it until it is written.
    fn say(&mut self, frame: Value) {
        if let Link::Open(link) = self.link {
            self.actions.push(Action::Send(link, frame.clone()));
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
