//! The laws of a session, which judge its inputs and outputs. They do not use its private state, and read the
//! protocol and the wrapper's JSON independently of the server.
//!
//! This module has what the laws share. [`ledger`] tracks the messages, the run and the sockets; [`executions`] the
//! executions of an older service; [`stream`] the events; [`supervision`] time; [`callbacks`] the outbox; [`life`]
//! the end of the session.

mod callbacks;
mod executions;
mod ledger;
mod life;
mod message_event;
mod stream;
mod supervision;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use turnstile_reference::identity::MessageId;
use turnstile_reference::legacy::model::Origin;
use turnstile_reference::legacy::model::execution::{self, Execution};
use turnstile_reference::session::events::Event;
use turnstile_reference::session::wrapper::Run;
use turnstile_reference::session::{Effect, Input, Reply, Session, SocketId, Writes};

use self::callbacks::Callbacks;
use self::executions::Executions;
use self::ledger::Ledger;
use self::life::Life;
use self::message_event::{End, MessageEvent};
use self::stream::Stream;
use self::supervision::Supervision;
use crate::session_properties::actions::Setting;
use crate::session_properties::protocol::PROTOCOL;

/// The maximum time to the next deadline while a message is pending: the longest delay of a delivery.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// A law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Law {
    #[error(
        "a message is queued, possibly sent, and ended, each once and in this order, with no event after the end"
    )]
    TerminalOnce,
    #[error("an input changes the messages as the protocol specifies (§3, §4, §6)")]
    Settlement,
    #[error("the oldest message is delivered first, one at a time, and not before its time (§4)")]
    HeadBlocks,
    #[error("at most ten messages are pending, and a refusal changes nothing (§3)")]
    PendingLimit,
    #[error("the answer to an admission matches the state of its id (§3)")]
    AdmissionAnswer,
    #[error("frames of a stale wrapper have no effect, and only the current wrapper can connect (§5)")]
    StaleFence,
    #[error("ids of kept events increase by one, and an entity keeps its first id (§9)")]
    EventIds,
    #[error("kept events are broadcast as written and in that order (§9)")]
    BroadcastIsWritten,
    #[error("deadlines fire on time and not before (§7)")]
    Supervision,
    #[error("pending work always has a deadline or an outstanding report (§4, §7, §8)")]
    DeadlineKept,
    #[error("a batch finalizes as soon as it can, with its last message as representative (§8)")]
    Batch,
    #[error("the body of a callback matches the end of its message (§8)")]
    CallbackBody,
    #[error("a callback is submitted on time until the queue accepts it, and then never again (§8)")]
    CallbackRetry,
    #[error("a decision writes everything that it changes")]
    WritesAreComplete,
    #[error("the views of a session match the events that it emitted")]
    ViewsMatchEvents,
    #[error("an execution ends once: by its wrapper, its disconnection, its time-out or the user (§5, §10)")]
    Execution,
    #[error(
        "a session ends when it is deleted or expires with nothing pending, and has no effects afterwards (§2, §7)"
    )]
    Life,
    #[error("every message and callback eventually ends")]
    Liveness,
}

/// A violated law.
#[derive(Debug, thiserror::Error)]
#[error("{law:?} ({law}): {detail}")]
pub struct Violation {
    law: Law,
    detail: String,
}

impl Violation {
    /// A violation of `law`, described by `detail`.
    pub fn new(law: Law, detail: String) -> Self {
        Self { law, detail }
    }
}

/// Returns a violation of a law unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $law:expr, $($detail:tt)+) => {
        if !$condition {
            return Err($crate::session_properties::laws::Violation::new($law, format!($($detail)+)));
        }
    };
}
pub(crate) use ensure;

/// One input with its outputs.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    pub now: Timestamp,
    pub input: &'a Input,
    pub reply: &'a Reply,
    pub writes: &'a Writes,
    pub effects: &'a [Effect],
    /// The session after the input, for its public views.
    pub session: &'a Session,
}

impl<'a> Observation<'a> {
    /// The socket, type and data of the frame, if the input was one.
    fn frame(&self) -> Option<(SocketId, &'a str, &'a Value)> {
        match self.input {
            Input::IngestEvent { socket, frame } => Some((*socket, frame.stream_event_type(), frame.data())),
            _ => None,
        }
    }

    /// The name and properties of kilo's event, if the input was one.
    fn kilo(&self) -> Option<(&'a str, &'a Value)> {
        let (_, name, data) = self.frame()?;
        (name == "kilocode").then(|| (data["event"].as_str().unwrap_or_default(), &data["properties"]))
    }

    /// Whether the frame is the terminal event of a wrapper, with valid data.
    fn is_terminal_event(&self) -> bool {
        self.frame().is_some_and(|(_, name, data)| match name {
            "complete" => data["exitCode"].is_number(),
            "interrupted" => true,
            "error" => data["fatal"] == true,
            _ => false,
        })
    }
}

/// The sender of a frame that counts.
#[derive(Debug, Clone)]
enum Sender {
    /// The current run.
    Run(Run),
    /// An unfinished execution.
    Imported(execution::Id),
}

impl Sender {
    fn run(&self) -> Option<&Run> {
        match self {
            Self::Run(run) => Some(run),
            Self::Imported(_) => None,
        }
    }

    /// The origin of the sender's events.
    fn origin(&self) -> Origin {
        match self {
            Self::Run(_) => Origin::default(),
            Self::Imported(execution) => Origin::of(execution),
        }
    }
}

/// All laws with their state.
#[derive(Debug)]
pub struct Laws {
    /// The kinds of events, effects and refusals that occurred.
    reached: BTreeSet<String>,
    ledger: Ledger,
    executions: Executions,
    stream: Stream,
    supervision: Supervision,
    callbacks: Callbacks,
    life: Life,
}

impl Laws {
    /// The laws for a session that was just created, or imported with these executions.
    pub fn new(setting: &Setting, session: &Session, executions: &[Execution], now: Timestamp) -> Self {
        Self {
            reached: BTreeSet::new(),
            ledger: Ledger::new(session),
            executions: Executions::new(executions, now),
            stream: Stream::default(),
            supervision: Supervision::new(now),
            callbacks: Callbacks::new(setting, session, executions),
            life: Life::new(setting, now),
        }
    }

    /// Judges a committed decision.
    pub fn judge(&mut self, seen: &Observation) -> Result<(), Violation> {
        self.note_reply(seen.reply);
        if self.life.is_over() {
            return self.judge_afterlife(seen);
        }
        let sender = self.sender(seen);
        self.stream.judge(seen, sender.as_ref())?;
        self.ledger.take_input(seen, sender.as_ref(), &self.executions)?;
        self.executions.take_input(seen)?;
        self.supervision.take_input(seen, sender.as_ref(), &self.ledger);
        self.callbacks.take_input(seen, sender.as_ref(), &self.ledger);
        for effect in seen.effects {
            self.judge_effect(seen, effect)?;
        }
        self.ledger.conclude(seen)?;
        self.executions.conclude(seen)?;
        self.supervision
            .conclude(seen, &self.ledger, self.callbacks.is_batch_open())?;
        self.callbacks.conclude(seen, &self.ledger)?;
        let needs_a_host = self.is_owed() || self.ledger.run.is_some();
        self.life.judge(seen, needs_a_host, self.is_owed())?;
        if self.life.is_over() {
            self.reached.insert(match seen.input {
                Input::Delete => "deleted".to_owned(),
                _ => "expired".to_owned(),
            });
            ensure!(
                self.ledger.all_ended() && self.ledger.run.is_none(),
                Law::Life,
                "the session has ended with {}",
                self.describe_pending()
            );
        }
        self.judge_removal(seen)
    }

    /// Judges a decision after the end of the session. Only callbacks are still submitted.
    fn judge_afterlife(&mut self, seen: &Observation) -> Result<(), Violation> {
        self.life.judge_afterlife(seen)?;
        self.callbacks.take_input(seen, None, &self.ledger);
        for effect in seen.effects {
            if let Effect::Enqueue(job) = effect {
                self.callbacks.take_job(seen, job, &self.ledger)?;
            }
        }
        self.callbacks.conclude(seen, &self.ledger)?;
        self.judge_removal(seen)
    }

    /// A session is removed once it has ended and the queue has accepted its callbacks, and not before.
    fn judge_removal(&mut self, seen: &Observation) -> Result<(), Violation> {
        // Replies to requests for a removed session do not matter.
        let is_due = self.life.is_over() && !self.callbacks.is_owed();
        ensure!(
            seen.writes.removal == is_due,
            Law::Life,
            "removed: {}, with {}",
            seen.writes.removal,
            self.describe_pending()
        );
        if is_due {
            self.reached.insert("removed".to_owned());
        }
        Ok(())
    }

    fn sender(&self, seen: &Observation) -> Option<Sender> {
        let (socket, ..) = seen.frame()?;
        let execution = self.executions.sender(socket).map(Sender::Imported);
        execution.or_else(|| self.ledger.sender(socket).map(Sender::Run))
    }

    fn note_reply(&mut self, reply: &Reply) {
        let reached = match reply {
            Reply::Admission(Err(refusal)) => format!("{:?}", refusal.code),
            Reply::Ingest(Err(refusal)) => format!("{refusal:?}"),
            Reply::Proceed(false) => "cancelled".to_owned(),
            Reply::NoSession => "no session".to_owned(),
            _ => return,
        };
        self.reached.insert(reached);
    }

    fn judge_effect(&mut self, seen: &Observation, effect: &Effect) -> Result<(), Violation> {
        match effect {
            Effect::Broadcast(event) if event.origin != Origin::default() => {
                let Some((execution, end)) = self.executions.take_event(seen, event)? else {
                    return Ok(());
                };
                self.reached
                    .insert(format!("execution {} {}", end.status, event.stream_event_type));
                self.callbacks
                    .add_for_execution(seen, execution, end, &self.ledger);
                Ok(())
            }
            Effect::Broadcast(event) => self.judge_message_event(seen, event),
            Effect::Deliver(delivery) => self.ledger.take_delivery(seen.now, delivery),
            Effect::CancelDelivery(run) => {
                self.reached.insert("a delivery is cut short".to_owned());
                self.ledger.take_cancellation(run)
            }
            Effect::Send(socket, command) => {
                self.reached.insert(format!("{command:?}"));
                if self.executions.knows_socket(*socket) {
                    return self.executions.take_command(seen, *command);
                }
                self.ledger.take_command(*socket)?;
                self.supervision.take_command(seen, *command)
            }
            Effect::Close(_, code) => {
                self.reached.insert(format!("close {code}"));
                Ok(())
            }
            Effect::EndStreams => Ok(()),
            Effect::CallbackGivenUp(owner, too_large) => Err(Violation::new(
                Law::CallbackBody,
                format!("the callback of {owner} is given up, and no job is large: {too_large}"),
            )),
            Effect::StopWrapper(run) => {
                if matches!(seen.input, Input::Wake) {
                    self.supervision.justify_loss(seen, &self.ledger)?;
                }
                self.callbacks.take_loss();
                self.ledger.take_loss(run);
                Ok(())
            }
            Effect::Enqueue(job) => {
                for field in ["errorMessage", "gateResult", "lastAssistantMessageText"] {
                    if job.body.get(field).is_some() {
                        self.reached.insert(format!("a callback with {field}"));
                    }
                }
                if job.owner.message().is_none() {
                    self.reached.insert("a callback of an execution".to_owned());
                }
                self.callbacks.take_job(seen, job, &self.ledger)
            }
        }
    }

    fn judge_message_event(&mut self, seen: &Observation, event: &Event) -> Result<(), Violation> {
        let Some((message, event)) = MessageEvent::read(event) else {
            return Ok(());
        };
        if self.executions.answers(&message) {
            return self.executions.take_message_end(&message, &event);
        }
        self.reached.insert(event.summary());
        if matches!(seen.input, Input::Wake) {
            self.supervision
                .justify(seen.now, &message, &event, &self.ledger)?;
        }
        self.ledger.take_message_event(&message, &event)?;
        self.supervision
            .take_message_event(seen.now, &event, &self.ledger);
        self.callbacks.take_message_event(&message, &event, &self.ledger);
        Ok(())
    }

    /// Handles a crash: pending requests do not report any more.
    pub fn crash(&mut self, now: Timestamp) {
        self.supervision.crash(now);
        self.ledger.crash();
        self.executions.crash();
        self.callbacks.crash();
        self.life.crash();
    }

    /// Handles a failed commit, after which the session was restored.
    pub fn restore(&mut self) {
        self.supervision.lose_unwritten();
    }

    /// Judges the session between two inputs, after all effects were performed.
    pub fn judge_at_rest(&self, session: &Session, now: Timestamp) -> Result<(), Violation> {
        self.ledger.judge_at_rest(session)?;
        self.executions.judge_at_rest(session)?;
        let next = session.next_deadline();
        let is_owed = !self.ledger.all_ended() || self.callbacks.is_owed();
        let is_under_way = self.ledger.is_delivering() || self.callbacks.is_under_way();
        ensure!(
            !is_owed || is_under_way || next.is_some_and(|next| next <= now + LONGEST_WAIT),
            Law::DeadlineKept,
            "pending: {}, but the next deadline is {next:?}",
            self.describe_pending()
        );
        ensure!(
            self.executions.all_ended() || next.is_some_and(|next| next <= now + PROTOCOL.execution_timeout),
            Law::DeadlineKept,
            "an execution is unfinished, but the next deadline is {next:?}"
        );
        self.judge_record(session)
    }

    /// Judges that a restart resumes a session with pending work.
    pub fn judge_record(&self, session: &Session) -> Result<(), Violation> {
        ensure!(
            !self.is_owed() || session.needs_resuming(),
            Law::DeadlineKept,
            "pending: {}, but a restart would not resume the session",
            self.describe_pending()
        );
        Ok(())
    }

    /// Whether a message, an execution or a callback is pending.
    fn is_owed(&self) -> bool {
        !self.ledger.all_ended() || !self.executions.all_ended() || self.callbacks.is_owed()
    }

    /// Whether every message has ended.
    pub fn all_ended(&self) -> bool {
        self.ledger.all_ended()
    }

    /// Whether no callback is pending and no batch is open.
    pub fn all_called_back(&self) -> bool {
        !self.callbacks.is_owed()
    }

    /// The kinds of events, effects and refusals that occurred.
    pub fn reached(&self) -> &BTreeSet<String> {
        &self.reached
    }

    /// The run whose wrapper may connect.
    pub fn current_run(&self) -> Option<&Run> {
        self.ledger.run.as_ref()
    }

    /// An open socket of the current run.
    pub fn current_socket(&self) -> Option<SocketId> {
        self.ledger.current_socket()
    }

    /// The ids of executions: an unknown one first, then by start, the latest last.
    pub fn executions(&self) -> Vec<execution::Id> {
        self.executions.ids()
    }

    /// The execution that may open a socket, with its socket.
    pub fn active_execution(&self) -> Option<(execution::Id, Option<SocketId>)> {
        self.executions.active()
    }

    /// The accepted messages, oldest first.
    pub fn accepted(&self) -> Vec<MessageId> {
        self.ledger.accepted()
    }

    /// All messages: unfinished ones first, oldest first, then finished ones.
    pub fn messages(&self) -> Vec<MessageId> {
        self.ledger.messages()
    }

    /// The number of unfinished messages and executions.
    pub fn unfinished(&self) -> usize {
        self.ledger.accepted().len() + self.ledger.queued().count() + self.executions.unfinished()
    }

    /// Describes what is pending.
    pub fn describe_pending(&self) -> String {
        format!(
            "{}, {}, {} executions",
            self.ledger.describe_pending(),
            self.callbacks.describe_pending(),
            self.executions.unfinished()
        )
    }
}
