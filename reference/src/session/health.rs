//! What is told of a session to those who ask and to clients that connect: its health, its latest answer, how its
//! messages stand. Nothing is decided here.

use serde_json::Value;

use super::Session;
use super::deadline::Deadline;
use super::events;
use super::kilo::Reply as AssistantReply;
use crate::coverage::Row;
use crate::identity::{MessageId, WrapperRunId};
use crate::model::message::Message;

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

    /// The latest answer that the assistant gave or has begun.
    pub fn latest_reply(&self) -> Option<LatestReply> {
        let reply = self.transcript.latest_reply()?;
        let text = self.transcript.text(&reply.assistant_message_id);
        Some(LatestReply { reply, text })
    }

    /// What a client that connects is told of messages before the live events (protocol §9): each that
    /// waits, and each that ended without ever being accepted, in order of time, as name and data.
    pub fn delivery_snapshot(&self) -> Vec<(&'static str, Value)> {
        let mut told: Vec<&Message> = self
            .queue
            .messages()
            .filter(|message| {
                let failed_in_queue = message.is_terminal()
                    && message.accepted_by.is_none()
                    && !self.sabotage.hides_failed_from_snapshot();
                message.is_queued() || failed_in_queue && !message.is_completed()
            })
            .collect();
        told.sort_by_key(|message| (message.created_at, &message.id));
        let mut snapshot = Vec::new();
        for message in told {
            snapshot.push((events::name::QUEUED, events::queued(message)));
            Row::SnapshotQueued.reach();
            if message.is_terminal() {
                Row::SnapshotFailed.reach();
                snapshot.push(events::ended(message));
            }
        }
        snapshot
    }

    /// What a client that connects is told of the cloud side (protocol §9).
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
