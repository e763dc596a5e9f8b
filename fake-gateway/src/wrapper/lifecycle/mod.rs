//! The wrapper's state machine: requests, frames, the gateway's progress and time come in, decisions go
//! out (protocol §5, §11).
//!
//! Pure: it opens no socket, calls no gateway and reads no clock. [`Lifecycle::handle`] is the one input;
//! whoever holds the lifecycle performs the actions in order, and hands [`Input::Due`] in once
//! [`Lifecycle::next_deadline`] has come. Time only rises.

mod link;
#[cfg(test)]
mod tests;
mod work;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ask::{Ask, Prompt, Ready, Refusal, Reply};
use super::binding::{Binding, Session};
use super::buffer::Buffer;
use super::events::{self, Event, Kilo};
use super::identifiers::Identifiers;
use super::turns::{TurnId, Turns};

/// Why turns are aborted when a request says so.
const ABORTED: &str = "aborted over HTTP";

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
    /// Tell what runs and what waits.
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
    session: Option<Session>,
    link: Link,
    last_link: u64,
    buffer: Buffer,
    /// Prompts that are taken and answered once the ingest is open.
    arriving: Vec<(RequestId, Prompt)>,
    turns: Turns,
    /// When the open ingest is closed, unless there is work again.
    leave_at: Option<Timestamp>,
    actions: Vec<Action>,
}

impl Lifecycle {
    /// A wrapper that knows no session.
    pub(in crate::wrapper) fn new(identifiers: Identifiers) -> Self {
        Self {
            identifiers,
            session: None,
            link: Link::Closed,
            last_link: 0,
            buffer: Buffer::default(),
            arriving: Vec::new(),
            turns: Turns::default(),
            leave_at: None,
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
            Input::FrameWritten(_) | Input::Ordered(..) | Input::LinkLost(..) | Input::Due => {}
            Input::Turned(turn, progress) => self.turned(now, turn, progress),
        }
        self.reconnect_if_due(now);
        self.leave_if_due(now);
        std::mem::take(&mut self.actions)
    }

    /// When [`Input::Due`] is wanted next.
    pub(in crate::wrapper) fn next_deadline(&self) -> Option<Timestamp> {
        match self.link {
            Link::Pausing { until, .. } => Some(until),
            Link::Open(_) if self.buffer.is_empty() => self.leave_at,
            _ => None,
        }
    }

    fn is_open(&self, link: LinkId) -> bool {
        matches!(self.link, Link::Open(open) if open == link)
    }

    fn asked(&mut self, now: Timestamp, request: RequestId, ask: Ask) {
        match ask {
            Ask::Ready(ready) => {
                let session = self.session_for(ready);
                let reply = Reply::ready(&session);
                self.bind(session);
                self.answer(request, reply);
            }
            Ask::Prompt(prompt, binding) => self.prompted(now, request, prompt, binding),
            Ask::Abort(run) => {
                let reply = self.abort_requested(now, run.as_deref());
                self.answer(request, reply);
            }
            Ask::Status => {
                let reply = self.status();
                self.answer(request, reply);
            }
        }
    }

    fn answer(&mut self, request: RequestId, reply: Reply) {
        self.actions.push(Action::Answer(request, reply));
    }

    fn session_for(&self, ready: Ready) -> Session {
        let known = self
            .session
            .as_ref()
            .filter(|session| session.session_id == ready.session_id)
            .map(|session| session.kilo_session_id.clone());
        Session {
            session_id: ready.session_id,
            kilo_session_id: ready
                .kilo_session_id
                .or(known)
                .unwrap_or_else(|| self.identifiers.kilo_session()),
            binding: ready.binding,
        }
    }

    /// Works for `session` from now on. Another binding than the present one ends all that belonged to
    /// that one.
    fn bind(&mut self, session: Session) {
        let is_changed = !self
            .session
            .as_ref()
            .is_some_and(|bound| bound.is_bound_like(&session));
        if is_changed {
            self.reset("the binding was replaced");
        }
        self.session = Some(session);
    }

    fn prompted(&mut self, now: Timestamp, request: RequestId, prompt: Prompt, mut binding: Binding) {
        let Some(bound) = self.session.clone() else {
            self.answer(request, Refusal::NoSession.of_job());
            return;
        };
        binding.upstream_branch = binding.upstream_branch.or(bound.binding.upstream_branch.clone());
        self.bind(Session { binding, ..bound });
        self.arriving.push((request, prompt));
        match self.link {
            Link::Open(_) => self.take_arriving(now),
            Link::Opening { .. } => {}
            // There is somebody at the other end: no need to sit the pause out.
            Link::Pausing { pause, .. } => self.open(Some(pause)),
            Link::Closed => self.open(None),
        }
    }

    fn take_arriving(&mut self, now: Timestamp) {
        for (request, prompt) in std::mem::take(&mut self.arriving) {
            self.answer(request, Reply::sent(&prompt.message_id));
            self.turns.take(prompt);
        }
        self.begin_next_turn(now);
    }

    /// Another run than the bound one is not touched: the request may be late.
    fn abort_requested(&mut self, now: Timestamp, run: Option<&str>) -> Reply {
        let bound = self
            .session
            .as_ref()
            .map(|session| session.binding.wrapper_run_id.as_str());
        if bound.is_none() || run.is_some_and(|run| Some(run) != bound) {
            return Refusal::NoSession.of_job();
        }
        self.abort(now, ABORTED);
        Reply::ok(json!({ "status": "aborted" }))
    }

    fn status(&self) -> Reply {
        Reply::ok(json!({
            "status": if self.turns.is_idle() { "idle" } else { "busy" },
            "running": self.turns.running_message(),
            "waiting": self.turns.waiting_messages(),
            "connected": matches!(self.link, Link::Open(_)),
            "kiloSessionId": self.session.as_ref().map(|session| &session.kilo_session_id),
            "wrapperRunId": self.session.as_ref().map(|session| &session.binding.wrapper_run_id),
        }))
    }

    fn emit(&mut self, now: Timestamp, event: Event) {
        let frame = events::frame(now, event);
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
