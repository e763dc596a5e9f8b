//! The events of a stream: their types, and the data of the server's own events (protocol §9).
//!
//! The wrapper's events are in `frame`.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::identity::MessageId;
use crate::legacy::model::Origin;
use crate::model::message::{GateResult, Message, Outcome, Source, Status};

/// The values of `streamEventType`.
pub mod name {
    /// A message was admitted.
    pub const QUEUED: &str = "cloud.message.queued";
    /// A wrapper accepted a message.
    pub const SENT: &str = "cloud.message.sent";
    /// A message completed.
    pub const COMPLETED: &str = "cloud.message.completed";
    /// A message failed or was interrupted.
    pub const FAILED: &str = "cloud.message.failed";
    /// A step of making a wrapper ready.
    pub const PREPARING: &str = "preparing";
    /// The status of the session's environment.
    pub const CLOUD_STATUS: &str = "cloud.status";
    /// The commands that the wrapper offers.
    pub const COMMANDS_AVAILABLE: &str = "commands.available";
    /// The wrapper begins to commit.
    pub const AUTOCOMMIT_STARTED: &str = "autocommit_started";
    /// The wrapper has committed.
    pub const AUTOCOMMIT_COMPLETED: &str = "autocommit_completed";
    /// The first event of a stream after its replay.
    pub const CONNECTED: &str = "connected";
    /// The prefix of the types of the server's own events.
    pub const CLOUD_PREFIX: &str = "cloud.";
    /// An event of kilo.
    pub const KILOCODE: &str = "kilocode";
    /// The run has finished.
    pub const COMPLETE: &str = "complete";
    /// The wrapper was interrupted.
    pub const INTERRUPTED: &str = "interrupted";
    /// The wrapper reports an error.
    pub const ERROR: &str = "error";
    /// The answer to a ping.
    pub const PONG: &str = "pong";
    /// A sign that the wrapper lives.
    pub const HEARTBEAT: &str = "heartbeat";
    /// The wrapper of an execution did not reconnect within the grace.
    pub const WRAPPER_DISCONNECTED: &str = "wrapper_disconnected";
    /// The wrapper has reconnected and reports its buffer.
    pub const WRAPPER_RESUMED: &str = "wrapper_resumed";
    /// The prefix of the types of events about commits.
    pub const AUTOCOMMIT_PREFIX: &str = "autocommit_";

    /// Whether only the server may send events of this type (R5.83).
    pub fn is_reserved(stream_event_type: &str) -> bool {
        stream_event_type == CONNECTED || stream_event_type.starts_with(CLOUD_PREFIX)
    }
}

/// An event of a stream. `D` is its data, which is not parsed in events that are only read to be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event<D = Arc<Value>> {
    /// Increases within a session; 0 if the event is not kept (R1.6).
    pub id: u64,
    /// The type.
    pub stream_event_type: String,
    /// The time at which the server received or created it.
    pub timestamp: Timestamp,
    /// The execution that it belongs to, if any.
    #[serde(flatten)]
    pub origin: Origin,
    /// The data of the type. The row, the effect and the frame of a wrapper share it.
    pub data: D,
}

/// An event to store.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// The event.
    pub event: Event,
    /// The entity whose row it overwrites, if any (R9.27).
    pub entity: Option<String>,
}

/// Whether and how an event is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Persistence {
    /// In a row of its own (R9.26).
    Insert,
    /// In the row of this entity, which it overwrites and whose id it takes (R9.27).
    Upsert(String),
    /// Not kept; sent to current listeners only (R9.28).
    Volatile,
}

/// The data of `cloud.message.queued` (R9.32).
pub fn queued(message: &Message) -> Value {
    json!({"messageId": message.id, "content": message.turn.content(), "delivery": "queued"})
}

/// The data of `cloud.message.sent` (R9.33).
pub fn sent(message: &Message) -> Value {
    json!({"messageId": message.id, "delivery": "sent"})
}

/// The type and data of the event for the end of `message` (R9.34, R9.35).
///
/// # Panics
///
/// If the message has not ended.
pub fn ended(message: &Message) -> (&'static str, Value) {
    End {
        message: &message.id,
        accepted: message.accepted_by.is_some(),
        outcome: message.outcome().expect("the message has ended"),
        gate_result: message.gate_result,
        attempts: message.failed_deliveries,
    }
    .event()
}

/// The type and data of the event for the end of `message`, which an execution of an older service ran (R10.43).
pub fn ended_by_execution(
    message: &MessageId,
    outcome: &Outcome,
    gate_result: Option<GateResult>,
) -> (&'static str, Value) {
    End {
        message,
        accepted: true,
        outcome,
        gate_result,
        attempts: 0,
    }
    .event()
}

/// The end of a message.
struct End<'a> {
    message: &'a MessageId,
    /// Whether a wrapper accepted it.
    accepted: bool,
    outcome: &'a Outcome,
    gate_result: Option<GateResult>,
    /// The number of failed deliveries.
    attempts: u32,
}

impl End<'_> {
    fn event(&self) -> (&'static str, Value) {
        let (outcome, accepted) = (self.outcome, self.accepted);
        let completed = outcome.status == Status::Completed;
        let mut data = json!({
            "messageId": self.message,
            "status": outcome.status,
            "delivery": if accepted { "sent" } else { "queued" },
            "accepted": accepted,
            "completionSource": outcome.source,
        });
        let mut add = |key: &str, value: Value| {
            if !value.is_null() {
                data[key] = value;
            }
        };
        if completed {
            add("assistantMessageId", json!(outcome.assistant_message_id));
            add("gateResult", json!(self.gate_result));
        } else {
            add("reason", json!(outcome.reason));
            add("error", json!(outcome.error));
            if outcome.source == Source::DeliveryFailure {
                add("attempts", json!(self.attempts));
            }
        }
        (if completed { name::COMPLETED } else { name::FAILED }, data)
    }
}
