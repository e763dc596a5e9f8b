//! The events of a session's stream: their names, and the data of those that the server makes (protocol §9).
//!
//! What wrappers send is in `frame`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::legacy::model::Origin;
use crate::model::message::{Message, Source, Status};

/// Names of events, as `streamEventType` has them.
pub mod name {
    /// A message was admitted.
    pub const QUEUED: &str = "cloud.message.queued";
    /// A wrapper took a message.
    pub const SENT: &str = "cloud.message.sent";
    /// A message completed.
    pub const COMPLETED: &str = "cloud.message.completed";
    /// A message failed or was interrupted.
    pub const FAILED: &str = "cloud.message.failed";
    /// A step of getting a wrapper ready.
    pub const PREPARING: &str = "preparing";
    /// How far the cloud side is.
    pub const CLOUD_STATUS: &str = "cloud.status";
    /// An event of kilo's own.
    pub const KILOCODE: &str = "kilocode";
    /// The wrapper has finished.
    pub const COMPLETE: &str = "complete";
    /// The wrapper stopped on demand.
    pub const INTERRUPTED: &str = "interrupted";
    /// The wrapper has an error to report.
    pub const ERROR: &str = "error";
    /// The answer to a ping.
    pub const PONG: &str = "pong";
    /// A sign of life.
    pub const HEARTBEAT: &str = "heartbeat";
    /// A wrapper of an older service's stayed away for longer than the grace.
    pub const WRAPPER_DISCONNECTED: &str = "wrapper_disconnected";
    /// The wrapper is back, and says what it buffered.
    pub const WRAPPER_RESUMED: &str = "wrapper_resumed";
    /// How names of events about commits begin.
    pub const AUTOCOMMIT_PREFIX: &str = "autocommit_";
}

/// One event of a session's stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Rises within a session; 0 if the event is not kept.
    pub id: u64,
    /// What kind of event it is.
    pub stream_event_type: String,
    /// When it was taken in.
    pub timestamp: Timestamp,
    /// Whose it is, if that is an older service's execution.
    #[serde(flatten)]
    pub origin: Origin,
    /// What it carries.
    pub data: Value,
}

/// An event that a commit keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// The event.
    pub event: Event,
    /// What it is the latest word on, if it replaces an earlier word.
    pub entity: Option<String>,
}

/// How long an event lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Persistence {
    /// For good.
    Insert,
    /// Until the next word on the same entity, whose row keeps its first id.
    Upsert(String),
    /// Only for those who listen now.
    Volatile,
}

/// Data of `cloud.message.queued`.
pub fn queued(message: &Message) -> Value {
    json!({"messageId": message.id, "content": message.turn.content(), "delivery": "queued"})
}

/// Data of `cloud.message.sent`.
pub fn sent(message: &Message) -> Value {
    json!({"messageId": message.id, "delivery": "sent"})
}

/// Name and data of the event that tells how `message` ended.
///
/// # Panics
///
/// If it has not.
pub fn ended(message: &Message) -> (&'static str, Value) {
    let outcome = message
        .outcome()
        .expect("only a message that ended has an end to tell");
    let accepted = message.accepted_by.is_some();
    let completed = outcome.status == Status::Completed;
    let mut data = json!({
        "messageId": message.id,
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
        add("gateResult", json!(message.gate_result));
    } else {
        add("reason", json!(outcome.reason));
        add("error", json!(outcome.error));
        if outcome.source == Source::DeliveryFailure {
            add("attempts", json!(message.failed_deliveries));
        }
    }
    (if completed { name::COMPLETED } else { name::FAILED }, data)
}
