//! The views of a session for queries and connecting clients: the current work, the latest assistant message, and the
//! snapshot of messages. Nothing is decided here.

use jiff::Timestamp;
use serde_json::Value;

use super::Session;
use super::deadline::Deadline;
use super::events;
use super::transcript::AssistantMessage;
use crate::coverage::ServerMark;
use crate::identity::{MessageId, WrapperRunId};
use crate::model::message::Message;

/// The current message work: the oldest accepted message, else the first pending one (R9.61).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentWork {
    /// The message id.
    pub message: MessageId,
    /// The time of its acceptance, or of its admission while it is pending (R9.75).
    pub started_at: Timestamp,
    /// The health of its run. `None` while it is pending.
    pub running: Option<WorkHealth>,
}

/// The health of the run that accepted a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkHealth {
    /// Connected, with no outstanding pong (R2.106).
    Healthy,
    /// Without an ingest socket, or with an outstanding pong (R2.107).
    Unknown,
    /// Not current, or past one of its deadlines (R9.77).
    Stale,
}

impl Session {
    /// The current message work at the time `now`, if any.
    pub fn current_work(&self, now: Timestamp) -> Option<CurrentWork> {
        let message = self.queue.accepted().next().or_else(|| self.queue.head())?;
        let run = message.accepted_by.as_ref().filter(|_| message.is_accepted());
        Some(CurrentWork {
            message: message.id.clone(),
            started_at: message.accepted_at.unwrap_or(message.created_at),
            running: run.map(|run| self.work_health(run, now)),
        })
    }

    fn work_health(&self, run: &WrapperRunId, now: Timestamp) -> WorkHealth {
        let liveness = [Deadline::Grace, Deadline::Pong, Deadline::NoOutput];
        let deadlines = self.supervision.deadlines();
        let has_passed = |deadline| deadlines.get(deadline).is_some_and(|at| at <= now);
        if !self.wrapper.is_current(run) || liveness.iter().any(has_passed) {
            WorkHealth::Stale
        } else if !self.wrapper.is_connected() || self.supervision.is_set(&Deadline::Pong) {
            WorkHealth::Unknown
        } else {
            WorkHealth::Healthy
        }
    }

    /// The latest assistant message, finished or not (R2.110).
    pub fn latest_assistant_message(&self) -> Option<AssistantMessage> {
        self.transcript.latest_assistant_message()
    }

    /// The snapshot for a connecting client (R9.21), as types and data: queued messages, and messages that ended in
    /// the queue and are not superseded.
    pub fn delivery_snapshot(&self) -> Vec<(&'static str, Value)> {
        let order = |message: &Message| (message.created_at, message.id.clone());
        let mut messages: Vec<&Message> = self.queue.messages().collect();
        messages.sort_by_key(|message| order(message));
        // A failure before this place is superseded (R9.69).
        let last_taken = messages
            .iter()
            .rposition(|message| message.accepted_by.is_some() || message.is_completed());
        let is_shown = |place: usize, message: &Message| {
            let was_taken = message.accepted_by.is_some() || message.is_completed();
            let is_superseded = last_taken.is_some_and(|last| place < last);
            if message.is_terminal() && !was_taken && is_superseded {
                ServerMark::SnapshotSuperseded.hit();
            }
            message.is_queued() || message.is_terminal() && !was_taken && !is_superseded
        };
        let shown = messages.iter().enumerate();
        let shown = shown.filter(|(place, message)| is_shown(*place, message));
        let mut snapshot = Vec::new();
        for (_, message) in shown {
            snapshot.push((events::name::QUEUED, events::queued(message)));
            ServerMark::SnapshotQueued.hit();
            if message.is_terminal() {
                ServerMark::SnapshotFailed.hit();
                snapshot.push(events::ended(message));
            }
        }
        snapshot
    }

    /// The `cloudStatus` for a connecting client (R9.36).
    pub fn cloud_status(&self) -> Option<&'static str> {
        if self.metadata.lifecycle.prepared_at.is_some() {
            ServerMark::ConnectedReady.hit();
            Some("ready")
        } else if self.queue.head().is_some() {
            ServerMark::ConnectedPreparing.hit();
            Some("preparing")
        } else {
            ServerMark::ConnectedNothing.hit();
            None
        }
    }
}
