//! A message: one user turn, its state, and its callback.
//!
//! `settlement` decides when a message ends, `queue` when it is delivered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::metadata::{Agent, CallbackTarget, Finalization};
pub use super::turn::Turn;
use crate::identity::{MessageId, WrapperRunId};

/// A user turn of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The permanent id.
    pub id: MessageId,
    /// The time of admission. Pending messages are ordered by it, then by id (R4.1).
    pub created_at: Timestamp,
    /// The content.
    pub turn: Turn,
    /// The agent that runs it.
    pub agent: Agent,
    /// The steps after it.
    pub finalization: Finalization,
    /// The session's callback target at the time of admission (R3.13).
    pub callback_target: Option<CallbackTarget>,
    /// The current state.
    pub state: State,
    /// The run that accepted it, if any.
    pub accepted_by: Option<WrapperRunId>,
    /// The time of its acceptance, if it was accepted. Absent in rows of older servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// The number of failed deliveries.
    pub failed_deliveries: u32,
    /// The earliest time of the next delivery.
    pub retry_at: Option<Timestamp>,
    /// The gate result assigned to it (R6.19).
    pub gate_result: Option<GateResult>,
    /// Its callback, set when its batch was finalized with it as the representative (R8.8).
    pub callback: Option<Callback>,
}

/// The state of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum State {
    /// In the queue.
    Queued,
    /// Accepted by a wrapper.
    Accepted,
    /// Ended. This state is final (R6.1).
    Terminal(Outcome),
}

/// The end of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The kind of end.
    pub status: Status,
    /// The evidence of the end.
    pub source: Source,
    /// The reason, unless it completed.
    pub reason: Option<Reason>,
    /// The error text, unless it completed.
    pub error: Option<String>,
    /// The assistant message that ended it.
    pub assistant_message_id: Option<String>,
}

/// The kind of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Answered by the assistant.
    Completed,
    /// Failed.
    Failed,
    /// Interrupted.
    Interrupted,
}

impl Status {
    /// The status on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The evidence for the end of a message: `completionSource` (protocol §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The assistant's message.
    AssistantMessageEvent,
    /// An interrupt by the user or the wrapper.
    Interrupt,
    /// The wrapper failed or was lost.
    WrapperFailure,
    /// Idle reconciliation (R6.8).
    IdleReconciliation,
    /// Delivery was exhausted (R6.9).
    DeliveryFailure,
}

/// Why a message did not complete: `reason` (protocol §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The assistant's message has an error (R6.3).
    AssistantError,
    /// The user or the wrapper interrupted it (R6.4, R6.10).
    Interrupted,
    /// The wrapper reported a fatal error (R6.5).
    WrapperError,
    /// The wrapper did not reconnect within the grace (R6.6).
    WrapperDisconnected,
    /// The wrapper sent no pong or no output (R6.7).
    WrapperFailure,
    /// The session was idle without an answer (R7.24).
    MissingAssistantReply,
    /// All deliveries failed (R4.10).
    Exhausted,
}

/// The result of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateResult {
    /// The gate passed.
    Pass,
    /// The gate failed.
    Fail,
}

/// A callback, pending or accepted by the queue (protocol §8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Callback {
    /// The receiver.
    pub target: CallbackTarget,
    /// The body of the job. It is frozen when the batch is finalized, so repeated jobs are identical (R8.9).
    pub body: Value,
    /// The number of failed submissions to the queue.
    pub callback_attempts: u32,
    /// The error of the last failed submission.
    pub callback_last_error: Option<String>,
    /// The time of the next submission.
    pub callback_retry_at: Option<Timestamp>,
    /// The time at which the queue accepted the job, which is then never submitted again (R8.19).
    pub callback_enqueued_at: Option<Timestamp>,
}

impl Message {
    /// Whether it is in the queue.
    pub fn is_queued(&self) -> bool {
        self.state == State::Queued
    }

    /// Whether a wrapper accepted it and it has not ended.
    pub fn is_accepted(&self) -> bool {
        self.state == State::Accepted
    }

    /// Whether it has ended.
    pub fn is_terminal(&self) -> bool {
        self.outcome().is_some()
    }

    /// The end, if it has ended.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Terminal(outcome) => Some(outcome),
            State::Queued | State::Accepted => None,
        }
    }

    /// Whether it completed.
    pub fn is_completed(&self) -> bool {
        self.outcome()
            .is_some_and(|outcome| outcome.status == Status::Completed)
    }

    /// Whether `other` has the same intent, so that it may be a repeat of this message (R3.9).
    pub fn has_intent_of(&self, other: &Message) -> bool {
        self.turn == other.turn
            && self.agent == other.agent
            && self.finalization.auto_commit == other.finalization.auto_commit
            && self.finalization.condense_on_complete == other.finalization.condense_on_complete
    }

    /// Records that `run` accepted the message at the time `now`.
    pub(crate) fn accept(&mut self, run: &WrapperRunId, now: Timestamp) {
        self.state = State::Accepted;
        self.accepted_by = Some(run.clone());
        self.accepted_at = Some(now);
        self.retry_at = None;
    }

    /// Ends the message. `Session::end`, the only caller, ensures that an end is final.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.state = State::Terminal(outcome);
        self.retry_at = None;
    }
}
