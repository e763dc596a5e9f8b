//! The views of a session for queries and connecting clients: health, latest answer, and the snapshot of messages.
//! Nothing is decided here.

use serde_json::Value;

use super::Session;
use super::deadline::Deadline;
use super::events;
use super::kilo::Reply as AssistantReply;
use crate::coverage::Row;
use crate::identity::{MessageId, WrapperRunId};
use crate::model::message::Message;

/// The oldest unfinished message and its state (R2.102–R2.108).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnHealth {
    /// The message id.
    pub message: MessageId,
    /// The run that accepted it, with the health of its wrapper. `None` while it is queued.
    pub running: Option<(WrapperRunId, WrapperHealth)>,
}

/// The health of a wrapper at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrapperHealth {
    /// Connected, with no outstanding pong (R2.106).
    Healthy,
    /// Without an ingest socket (R2.107).
    Disconnected,
    /// With an outstanding pong (R2.108).
    Stale,
}

/// The latest assistant message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestReply {
    /// Its id, turn and end.
    pub reply: AssistantReply,
    /// Its text, unless empty.
    pub text: Option<String>,
}

impl Session {
    /// The oldest unfinished message, if any.
    pub fn turn_health(&self) -> Option<TurnHealth> {
        let message = self.queue.unfinished().next()?;
        let running = message.accepted_by.clone().map(|run| {
            let health = if !self.wrapper.is_connected() {
                WrapperHealth::Disconnected
            } else if self.supervision.is_set(&Deadline::Pong) {
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

    /// The latest assistant message, finished or not.
    pub fn latest_reply(&self) -> Option<LatestReply> {
        let reply = self.transcript.latest_reply()?;
        let text = self.transcript.text(&reply.assistant_message_id);
        Some(LatestReply { reply, text })
    }

    /// The snapshot for a connecting client (R9.21), as types and data: queued messages, and messages that ended in
    /// the queue.
    pub fn delivery_snapshot(&self) -> Vec<(&'static str, Value)> {
        let mut shown: Vec<&Message> = self
            .queue
            .messages()
            .filter(|message| {
                let failed_in_queue = message.is_terminal() && message.accepted_by.is_none();
                message.is_queued() || failed_in_queue && !message.is_completed()
            })
            .collect();
        shown.sort_by_key(|message| (message.created_at, &message.id));
        let mut snapshot = Vec::new();
        for message in shown {
            snapshot.push((events::name::QUEUED, events::queued(message)));
            Row::SnapshotQueued.reach();
            if message.is_terminal() {
                Row::SnapshotFailed.reach();
                snapshot.push(events::ended(message));
            }
        }
        snapshot
    }

    /// The `cloudStatus` for a connecting client (R9.36).
    pub fn cloud_status(&self) -> Option<&'static str> {
        if self.metadata.lifecycle.prepared_at.is_some() {
            Row::ConnectedReady.reach();
            Some("ready")
        } else if self.queue.head().is_some() {
            Row::ConnectedPreparing.reach();
            Some("preparing")
        } else {
            Row::ConnectedNothing.reach();
            None
        }
    }
}
