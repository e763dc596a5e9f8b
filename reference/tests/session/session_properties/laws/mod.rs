//! What must hold of a session, judged by what it puts out and by what was put in: never by its private
//! state, and with a reading of the protocol and of the wrapper's JSON of its own.
//!
//! Here is what the laws have in common. [`ledger`] knows the messages, the run and the sockets;
//! [`executions`] what an older service left; [`stream`] the events; [`supervision`] the reasons of time;
//! [`callbacks`] the outbox; [`life`] the session's own end.

mod callbacks;
mod executions;
mod ledger;
mod life;
mod stream;
mod supervision;
mod told;

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
use self::stream::Stream;
use self::supervision::Supervision;
use self::told::{End, Told};
use crate::session_properties::actions::Setting;
use crate::session_properties::protocol::PROTOCOL;

/// What is owed for a message is looked after at least this often: the longest delay of a delivery.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Law {
    #[error("a message is queued, then perhaps sent, then ended, each once, and nothing is told of it after")]
    TerminalOnce,
    #[error("what an input makes of the messages is what the protocol says (§3, §4, §6)")]
    Settlement,
    #[error("the oldest message is delivered first, one at a time, and not before its time (§4)")]
    HeadBlocks,
    #[error("never more than ten messages are pending, and a refusal changes nothing (§3)")]
    PendingLimit,
    #[error("an admission is answered by what is known of its id (§3)")]
    AdmissionAnswer,
    #[error("no word of a fenced-out wrapper counts, and none but the current one is let in (§5)")]
    StaleFence,
    #[error("ids of kept events rise by one, and an entity keeps its first (§9)")]
    EventIds,
    #[error("what is broadcast is what was written, in that order (§9)")]
    BroadcastIsWritten,
    #[error("what is due is done when it is due, and not before (§7)")]
    Supervision,
    #[error("while something is owed, a deadline or a report is awaited (§4, §7, §8)")]
    DeadlineKept,
    #[error("a callback tells of the last message of its batch, when nothing is left to wait for (§8)")]
    Batch,
    #[error("a callback says what its message's end was, and never anything else (§8)")]
    CallbackBody,
    #[error("a callback is handed over until the queue takes it, on time, and then never again (§8)")]
    CallbackRetry,
    #[error("what a decision changes, it writes")]
    WritesAreComplete,
    #[error("the session says of its messages what it told of them")]
    StateIsTold,
    #[error("an execution ends once: by its wrapper's word, its absence, its age or the user (§5, §10)")]
    Execution,
    #[error(
        "a session goes when it is told to, or is inactive and owes nothing, and nothing follows (§2, §7)"
    )]
    Life,
    #[error("everything ends, however it goes")]
    Liveness,
}

/// A law that did not hold.
#[derive(Debug, thiserror::Error)]
#[error("{law:?} ({law}): {detail}")]
pub struct Violation {
    law: Law,
    detail: String,
}

impl Violation {
    /// `law` did not hold, as `detail` tells.
    pub fn new(law: Law, detail: String) -> Self {
        Self { law, detail }
    }
}

/// Returns a violation of a law if a condition does not hold.
macro_rules! ensure {
    ($condition:expr, $law:expr, $($detail:tt)+) => {
        if !$condition {
            return Err($crate::session_properties::laws::Violation::new($law, format!($($detail)+)));
        }
    };
}
pub(crate) use ensure;

/// One input, with everything the session put out on it.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    pub now: Timestamp,
    pub input: &'a Input,
    pub reply: &'a Reply,
    pub writes: &'a Writes,
    pub effects: &'a [Effect],
    /// The session afterwards, for what it says of itself to anyone.
    pub session: &'a Session,
}

impl<'a> Observation<'a> {
    /// The frame that came, if it was one: its socket, name and data.
    fn frame(&self) -> Option<(SocketId, &'a str, &'a Value)> {
        match self.input {
            Input::IngestEvent { socket, frame } => Some((*socket, frame.stream_event_type(), frame.data())),
            _ => None,
        }
    }

    /// The name of kilo's event and its properties, if the frame was one of those.
    fn kilo(&self) -> Option<(&'a str, &'a Value)> {
        let (_, name, data) = self.frame()?;
        (name == "kilocode").then(|| (data["event"].as_str().unwrap_or_default(), &data["properties"]))
    }

    /// Whether the frame is the last word of a wrapper that stops.
    fn is_last_word(&self) -> bool {
        self.frame().is_some_and(|(_, name, data)| match name {
            "complete" | "interrupted" => true,
            "error" => data["fatal"] == true,
            _ => false,
        })
    }
}

/// On whose behalf a frame counts.
#[derive(Debug, Clone)]
enum Speaker {
    /// The run that is current.
    Run(Run),
    /// An execution that is not over.
    Imported(execution::Id),
}

impl Speaker {
    fn run(&self) -> Option<&Run> {
        match self {
            Self::Run(run) => Some(run),
            Self::Imported(_) => None,
        }
    }

    /// What the events say that it speaks of.
    fn origin(&self) -> Origin {
        match self {
            Self::Run(_) => Origin::default(),
            Self::Imported(execution) => Origin::of(execution),
        }
    }
}

/// All laws, with what they must remember.
#[derive(Debug)]
pub struct Laws {
    /// Kinds of things that were told, done or refused.
    reached: BTreeSet<String>,
    ledger: Ledger,
    executions: Executions,
    stream: Stream,
    supervision: Supervision,
    callbacks: Callbacks,
    life: Life,
}

impl Laws {
    /// The laws for a session that was just made, or was left behind with these executions.
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

    /// Judges what was decided and committed.
    pub fn judge(&mut self, seen: &Observation) -> Result<(), Violation> {
        self.note_reply(seen.reply);
        if self.life.is_over() {
            return self.judge_afterlife(seen);
        }
        let speaker = self.speaker(seen);
        self.stream.judge(seen, speaker.as_ref())?;
        self.ledger.take_input(seen, speaker.as_ref(), &self.executions)?;
        self.executions.take_input(seen)?;
        self.supervision.take_input(seen, speaker.as_ref(), &self.ledger);
        self.callbacks.take_input(seen, speaker.as_ref(), &self.ledger);
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
                "the session is over and leaves {}",
                self.waited_for()
            );
        }
        self.judge_removal(seen)
    }

    /// Judges what was decided for a session that is over: its callbacks are handed over, and that is all.
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

    /// A session is removed when it is over and the queue has taken its callbacks, and not before.
    fn judge_removal(&mut self, seen: &Observation) -> Result<(), Violation> {
        // What is answered to somebody who asks in vain has no part in it.
        let is_due = self.life.is_over() && !self.callbacks.is_owed();
        ensure!(
            seen.writes.removal == is_due,
            Law::Life,
            "removed: {}, with {}",
            seen.writes.removal,
            self.waited_for()
        );
        if is_due {
            self.reached.insert("removed".to_owned());
        }
        Ok(())
    }

    fn speaker(&self, seen: &Observation) -> Option<Speaker> {
        let (socket, ..) = seen.frame()?;
        let execution = self.executions.speaker(socket).map(Speaker::Imported);
        execution.or_else(|| self.ledger.speaker(socket).map(Speaker::Run))
    }

    fn note_reply(&mut self, reply: &Reply) {
        let reached = match reply {
            Reply::Admission(Err(refusal)) => format!("{:?}", refusal.code),
            Reply::Ingest(Err(refusal)) => format!("{refusal:?}"),
            Reply::Proceed(false) => "called off".to_owned(),
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
                    .owe_of_execution(seen, execution, end, &self.ledger);
                Ok(())
            }
            Effect::Broadcast(event) => self.judge_told(seen, event),
            Effect::Deliver(delivery) => self.ledger.take_delivery(seen.now, delivery),
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
            Effect::StopWrapper(run) => {
                if matches!(seen.input, Input::Wake) {
                    self.supervision.justify_loss(seen, &self.ledger)?;
                }
                self.callbacks.take_loss();
                self.ledger.take_loss(run);
                Ok(())
            }
            Effect::Enqueue(job) => {
                for said in ["errorMessage", "gateResult", "lastAssistantMessageText"] {
                    if job.body.get(said).is_some() {
                        self.reached.insert(format!("a callback with {said}"));
                    }
                }
                if job.owner.message().is_none() {
                    self.reached.insert("a callback of an execution".to_owned());
                }
                self.callbacks.take_job(seen, job, &self.ledger)
            }
        }
    }

    fn judge_told(&mut self, seen: &Observation, event: &Event) -> Result<(), Violation> {
        let Some((message, told)) = Told::read(event) else {
            return Ok(());
        };
        self.reached.insert(told.gist());
        if matches!(seen.input, Input::Wake) {
            self.supervision
                .justify(seen.now, &message, &told, &self.ledger)?;
        }
        self.ledger.take_told(&message, &told)?;
        self.supervision.take_told(seen.now, &told);
        self.callbacks.take_told(&message, &told);
        Ok(())
    }

    /// The server crashed: nothing that was under way will report.
    pub fn crash(&mut self, now: Timestamp) {
        self.supervision.crash(now);
        self.ledger.crash();
        self.executions.crash();
        self.callbacks.crash();
        self.life.crash();
    }

    /// A commit failed, and the session was restored.
    pub fn restore(&mut self) {
        self.supervision.lose_unwritten();
    }

    /// Judges the session between two inputs, with every effect performed.
    pub fn judge_at_rest(&self, session: &Session, now: Timestamp) -> Result<(), Violation> {
        self.ledger.judge_at_rest(session)?;
        self.executions.judge_at_rest(session)?;
        let next = session.next_deadline();
        let is_owed = !self.ledger.all_ended() || self.callbacks.is_owed();
        let is_under_way = self.ledger.is_delivering() || self.callbacks.is_under_way();
        ensure!(
            !is_owed || is_under_way || next.is_some_and(|next| next <= now + LONGEST_WAIT),
            Law::DeadlineKept,
            "{} is owed and nothing is planned before {next:?}",
            self.waited_for()
        );
        ensure!(
            self.executions.all_ended() || next.is_some_and(|next| next <= now + PROTOCOL.execution_timeout),
            Law::DeadlineKept,
            "an execution is under way and nothing is planned before {next:?}"
        );
        self.judge_record(session)
    }

    /// Judges that a restart does not leave the session alone with what it owes.
    pub fn judge_record(&self, session: &Session) -> Result<(), Violation> {
        ensure!(
            !self.is_owed() || session.needs_resuming(),
            Law::DeadlineKept,
            "{} is owed, and a restart would leave the session alone",
            self.waited_for()
        );
        Ok(())
    }

    /// Whether something is to come that the session owes to somebody.
    fn is_owed(&self) -> bool {
        !self.ledger.all_ended() || !self.executions.all_ended() || self.callbacks.is_owed()
    }

    /// Whether every message has ended.
    pub fn all_ended(&self) -> bool {
        self.ledger.all_ended()
    }

    /// Whether no callback is owed, and no batch will owe one.
    pub fn all_called_back(&self) -> bool {
        !self.callbacks.is_owed()
    }

    /// Kinds of things that were told, done or refused.
    pub fn reached(&self) -> &BTreeSet<String> {
        &self.reached
    }

    /// The run whose wrapper may speak.
    pub fn current_run(&self) -> Option<&Run> {
        self.ledger.run.as_ref()
    }

    /// An open socket of that run.
    pub fn current_socket(&self) -> Option<SocketId> {
        self.ledger.current_socket()
    }

    /// Executions that somebody may speak for, one that never was first, the one that began last at the end.
    pub fn executions(&self) -> Vec<execution::Id> {
        self.executions.ids()
    }

    /// The execution that may open a socket, with the socket that it has.
    pub fn active_execution(&self) -> Option<(execution::Id, Option<SocketId>)> {
        self.executions.active()
    }

    /// Messages that the wrapper works on, oldest first.
    pub fn accepted(&self) -> Vec<MessageId> {
        self.ledger.accepted()
    }

    /// All messages: those that have not ended first, oldest first, then those that have.
    pub fn messages(&self) -> Vec<MessageId> {
        self.ledger.messages()
    }

    /// How many messages and executions have not ended.
    pub fn unfinished(&self) -> usize {
        self.ledger.accepted().len() + self.ledger.queued().count() + self.executions.unfinished()
    }

    /// What has not come to its end, for a person to read.
    pub fn waited_for(&self) -> String {
        format!(
            "{}, {}, {} executions",
            self.ledger.waited_for(),
            self.callbacks.waited_for(),
            self.executions.unfinished()
        )
    }
}
