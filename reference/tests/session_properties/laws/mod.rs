//! What must hold of a session, judged by what it puts out and by what was put in: never by its private
//! state, and with a reading of the protocol and of the wrapper's JSON of its own.
//!
//! Here is what the laws have in common. [`ledger`] knows the messages, the run and the sockets;
//! [`stream`] the events; [`supervision`] the reasons of time; [`callbacks`] the outbox.

mod callbacks;
mod ledger;
mod stream;
mod supervision;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;
use turnstile_reference::identity::MessageId;
use turnstile_reference::session::events::Event;
use turnstile_reference::session::metadata::CallbackTarget;
use turnstile_reference::session::wrapper::Run;
use turnstile_reference::session::{Effect, Input, Reply, Session, SocketId, Writes};

use self::callbacks::Callbacks;
use self::ledger::Ledger;
use self::stream::Stream;
use self::supervision::Supervision;
use crate::actions::Setting;

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
            return Err($crate::laws::Violation::new($law, format!($($detail)+)));
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
            Input::IngestEvent {
                socket,
                stream_event_type,
                data,
            } => Some((*socket, stream_event_type, data)),
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

/// What the session told of a message.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Queued,
    Sent,
    Ended(End),
}

/// The end of a message, as its event tells it.
#[derive(Debug, Clone, PartialEq)]
struct End {
    status: String,
    source: String,
    reason: Option<String>,
    error: Option<String>,
    assistant_message: Option<String>,
    accepted: bool,
    attempts: Option<u64>,
}

impl Told {
    /// What an event tells of a message; none if it is of another kind.
    fn read(event: &Event) -> Option<(MessageId, Self)> {
        let (kind, data) = (
            event.stream_event_type.strip_prefix("cloud.message.")?,
            &event.data,
        );
        let message = data["messageId"].as_str()?.parse().ok()?;
        let text = |key: &str| data[key].as_str().map(str::to_owned);
        let told = match kind {
            "queued" => Self::Queued,
            "sent" => Self::Sent,
            _ => Self::Ended(End {
                status: text("status")?,
                source: text("completionSource")?,
                reason: text("reason"),
                error: text("error"),
                assistant_message: text("assistantMessageId"),
                accepted: data["accepted"].as_bool()?,
                attempts: data["attempts"].as_u64(),
            }),
        };
        Some((message, told))
    }

    /// The gist of it, to compare with what was expected.
    fn gist(&self) -> String {
        match self {
            Self::Queued => "queued".to_owned(),
            Self::Sent => "sent".to_owned(),
            Self::Ended(end) => {
                let reason = end.reason.as_deref().unwrap_or("-");
                format!("{} {reason} {}", end.status, end.source)
            }
        }
    }
}

/// All laws, with what they must remember.
#[derive(Debug)]
pub struct Laws {
    /// Kinds of things that were told, done or refused.
    reached: BTreeSet<String>,
    ledger: Ledger,
    stream: Stream,
    supervision: Supervision,
    callbacks: Callbacks,
}

impl Laws {
    /// The laws for a session that was just made.
    pub fn new(setting: &Setting, session: &Session, now: Timestamp) -> Self {
        Self {
            reached: BTreeSet::new(),
            ledger: Ledger::new(session),
            stream: Stream::default(),
            supervision: Supervision::new(now),
            callbacks: Callbacks::new(setting, session),
        }
    }

    /// Judges what was decided and committed.
    pub fn judge(&mut self, seen: &Observation) -> Result<(), Violation> {
        let speaker = self.ledger.speaker(seen);
        match seen.reply {
            Reply::Admission(Err(refusal)) => drop(self.reached.insert(format!("{:?}", refusal.code))),
            Reply::Ingest(Err(refusal)) => drop(self.reached.insert(format!("{refusal:?}"))),
            Reply::Proceed(false) => drop(self.reached.insert("called off".to_owned())),
            _ => {}
        }
        self.stream.judge(seen, speaker.is_some())?;
        self.ledger.take_input(seen, speaker.as_ref())?;
        self.supervision.take_input(seen, speaker.as_ref(), &self.ledger);
        self.callbacks.take_input(seen, speaker.as_ref(), &self.ledger);
        for effect in seen.effects {
            self.judge_effect(seen, effect)?;
        }
        self.ledger.conclude(seen)?;
        self.supervision
            .conclude(seen, &self.ledger, self.callbacks.is_batch_open())?;
        self.callbacks.conclude(seen, &self.ledger)
    }

    fn judge_effect(&mut self, seen: &Observation, effect: &Effect) -> Result<(), Violation> {
        match effect {
            Effect::Broadcast(event) => {
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
            Effect::Deliver(delivery) => self.ledger.take_delivery(seen.now, delivery),
            Effect::Send(socket, command) => {
                self.reached.insert(format!("{command:?}"));
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
                self.callbacks.take_job(seen, job, &self.ledger)
            }
        }
    }

    /// The server crashed: nothing that was under way will report.
    pub fn crash(&mut self, now: Timestamp) {
        self.supervision.crash(now);
        self.ledger.crash();
        self.callbacks.crash();
    }

    /// A commit failed, and the session was restored.
    pub fn restore(&mut self) {
        self.supervision.lose_unwritten();
    }

    /// `updateSession` was called.
    pub fn retarget(&mut self, target: Option<CallbackTarget>) {
        self.callbacks.retarget(target);
    }

    /// Judges the session between two inputs, with every effect performed.
    pub fn judge_at_rest(&self, session: &Session) -> Result<(), Violation> {
        self.ledger.judge_at_rest(session)?;
        let is_owed = !self.ledger.all_ended() || self.callbacks.is_owed();
        let is_under_way = self.ledger.is_delivering() || self.callbacks.is_under_way();
        ensure!(
            !is_owed || is_under_way || session.next_deadline().is_some(),
            Law::DeadlineKept,
            "{} is owed and nothing is planned",
            self.waited_for()
        );
        Ok(())
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

    /// Messages that the wrapper works on, oldest first.
    pub fn accepted(&self) -> Vec<MessageId> {
        self.ledger.accepted()
    }

    /// All messages: those that have not ended first, oldest first, then those that have.
    pub fn messages(&self) -> Vec<MessageId> {
        self.ledger.messages()
    }

    /// How many messages have not ended.
    pub fn unfinished(&self) -> usize {
        self.ledger.accepted().len() + self.ledger.queued().count()
    }

    /// What has not come to its end, for a person to read.
    pub fn waited_for(&self) -> String {
        format!("{}, {}", self.ledger.waited_for(), self.callbacks.waited_for())
    }
}
