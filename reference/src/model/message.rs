//! One user turn: what was asked, how far it came, and what is owed for it.
//!
//! Why a message ends is decided in `settlement`, when it is delivered in `queue`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::metadata::{Agent, CallbackTarget, Finalization};
pub use super::turn::Turn;
use crate::identity::{MessageId, WrapperRunId};

/// One user turn of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its durable identity.
    pub id: MessageId,
    /// When it was admitted; the queue is ordered by this, then by id.
    pub created_at: Timestamp,
    /// What the agent shall do.
    pub turn: Turn,
    /// What it is run with.
    pub agent: Agent,
    /// What happens after it.
    pub finalization: Finalization,
    /// Where its callback goes to, as it was when the message was admitted (protocol §3).
    pub callback_target: Option<CallbackTarget>,
    /// How far it came.
    pub state: State,
    /// The wrapper run that accepted it, if one ever did.
    pub accepted_by: Option<WrapperRunId>,
    /// Failed deliveries so far.
    pub failed_deliveries: u32,
    /// Not to be delivered before this.
    pub retry_at: Option<Timestamp>,
    /// What the gate said of it.
    pub gate_result: Option<GateResult>,
    /// Its callback, once its idle batch was finalized with it as the representative.
    pub callback: Option<Callback>,
}

/// How far a message came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum State {
    /// It waits in the queue.
    Queued,
    /// A wrapper took it.
    Accepted,
    /// It ended, for good.
    Terminal(Outcome),
}

/// How a message ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The end itself.
    pub status: Status,
    /// What told the server.
    pub source: Source,
    /// Why it did not complete.
    pub reason: Option<Reason>,
    /// The same for a person to read.
    pub error: Option<String>,
    /// The assistant's message that ended it.
    pub assistant_message_id: Option<String>,
}

/// The ends there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The assistant answered.
    Completed,
    /// It came to nothing.
    Failed,
    /// It was stopped.
    Interrupted,
}

impl Status {
    /// The end as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What told the server that a message had ended (protocol §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The assistant's message itself.
    AssistantMessageEvent,
    /// The user, or the wrapper on behalf of one.
    Interrupt,
    /// The wrapper failed or was lost.
    WrapperFailure,
    /// The session had been idle for a while.
    IdleReconciliation,
    /// It could not be delivered.
    DeliveryFailure,
}

/// Why a message did not complete (protocol §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The assistant's message carries an error.
    AssistantError,
    /// Somebody stopped it.
    Interrupted,
    /// The wrapper reported that it cannot go on.
    WrapperError,
    /// The wrapper stayed away for longer than the grace.
    WrapperDisconnected,
    /// The wrapper gave no sign of life.
    WrapperFailure,
    /// The session is idle and no answer was seen.
    MissingAssistantReply,
    /// Every try to deliver it failed.
    Exhausted,
}

/// What the gate said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateResult {
    /// Nothing to complain of.
    Pass,
    /// Something to complain of.
    Fail,
}

/// A callback that is owed or was handed to the queue (protocol §8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Callback {
    /// Where it goes to.
    pub target: CallbackTarget,
    /// The job's content, frozen when the batch was finalized: a repeated job is the same job.
    pub body: Value,
    /// Failed tries to hand it to the queue.
    pub callback_attempts: u32,
    /// What the last of them said.
    pub callback_last_error: Option<String>,
    /// When the next try is due.
    pub callback_retry_at: Option<Timestamp>,
    /// When the queue took it; it is never handed over again.
    pub callback_enqueued_at: Option<Timestamp>,
}

impl Message {
    /// Whether it waits in the queue.
    pub fn is_queued(&self) -> bool {
        self.state == State::Queued
    }

    /// Whether a wrapper took it and it has not ended.
    pub fn is_accepted(&self) -> bool {
        self.state == State::Accepted
    }

    /// Whether it ended.
    pub fn is_terminal(&self) -> bool {
        self.outcome().is_some()
    }

    /// How it ended, if it did.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Terminal(outcome) => Some(outcome),
            State::Queued | State::Accepted => None,
        }
    }

    /// Whether it ended by completing.
    pub fn is_completed(&self) -> bool {
        self.outcome()
            .is_some_and(|outcome| outcome.status == Status::Completed)
    }

    /// Whether `other` asks for the same thing, so that it may be a repeat of this (protocol §3).
    pub fn has_intent_of(&self, other: &Message) -> bool {
        self.turn == other.turn
            && self.agent == other.agent
            && self.finalization.auto_commit == other.finalization.auto_commit
            && self.finalization.condense_on_complete == other.finalization.condense_on_complete
    }

    /// Notes that `run` took the message.
    pub(crate) fn accept(&mut self, run: &WrapperRunId) {
        self.state = State::Accepted;
        self.accepted_by = Some(run.clone());
        self.retry_at = None;
    }

    /// Ends the message. That an end is final is seen to by `Session::end`, the only
    /// caller.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.state = State::Terminal(outcome);
        self.retry_at = None;
    }
}
