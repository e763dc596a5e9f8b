//! What is told of a session's health and of its latest answer. Nothing is decided here.

use super::Session;
use super::kilo::Reply as AssistantReply;
use super::supervision::Deadline;
use crate::identity::{MessageId, WrapperRunId};

/// The turn that a session is at, and how that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnHealth {
    /// The oldest message that has not ended.
    pub message: MessageId,
    /// The run that took it, with how its wrapper is; none while it waits.
    pub running: Option<(WrapperRunId, WrapperHealth)>,
}

/// How a wrapper at work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrapperHealth {
    /// It is connected and has answered whenever it was asked.
    Healthy,
    /// It has no ingest socket, and the grace runs.
    Disconnected,
    /// It owes the answer to a ping.
    Stale,
}

/// The latest answer of the assistant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestReply {
    /// What is known of it.
    pub reply: AssistantReply,
    /// Its text, if it has any.
    pub text: Option<String>,
}

impl Session {
    /// The turn that the session is at, if any.
    pub fn turn_health(&self) -> Option<TurnHealth> {
        let message = self.unfinished().next()?;
        let running = message.accepted_by.clone().map(|run| {
            let health = if !self.is_connected() {
                WrapperHealth::Disconnected
            } else if self.core.deadlines.get(&Deadline::Pong).is_some() {
                WrapperHealth::Stale
            } else {
                WrapperHealth::Healthy
            };
            (run, health)
        });
        Some(TurnHealth {
            message: message.id.clone(),
            running,
        })
    }

    /// The latest answer that the assistant gave or has begun.
    pub fn latest_reply(&self) -> Option<LatestReply> {
        let reply = self.transcript.latest_reply()?;
        let text = self.transcript.text(&reply.assistant_message_id);
        Some(LatestReply { reply, text })
    }
}
