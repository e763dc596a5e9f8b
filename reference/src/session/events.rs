//! The events of a session's stream: what they are called, what they carry, which of them last
//! (protocol §9), and the shapes in which kilo's come (protocol §11).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::message::{GateResult, Message, Source, Status};
use crate::coverage::Row;
use crate::legacy::Origin;

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

/// Kilo's events that this server reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are kilo's")]
pub enum KiloEvent {
    SessionCreated,
    SessionUpdated,
    SessionStatus,
    SessionError,
    SessionIdle,
    SessionTurnClose,
    MessageUpdated,
    MessagePartUpdated,
    MessagePartRemoved,
}

impl KiloEvent {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "session.created" => Self::SessionCreated,
            "session.updated" => Self::SessionUpdated,
            "session.status" => Self::SessionStatus,
            "session.error" => Self::SessionError,
            "session.idle" => Self::SessionIdle,
            "session.turn.close" => Self::SessionTurnClose,
            "message.updated" => Self::MessageUpdated,
            "message.part.updated" => Self::MessagePartUpdated,
            "message.part.removed" => Self::MessagePartRemoved,
            _ => return None,
        })
    }
}

/// What the gate said, if a `complete` says so.
pub fn gate_result(complete: &Value) -> Option<GateResult> {
    match complete["gateResult"].as_str() {
        Some("pass") => Some(GateResult::Pass),
        Some("fail") => Some(GateResult::Fail),
        _ => None,
    }
}

/// Which of kilo's events the data of a `kilocode` event is, with its properties. None if this server
/// does not read it.
pub fn kilo_event(data: &Value) -> Option<(KiloEvent, &Value)> {
    let name = data["event"].as_str().or_else(|| data["type"].as_str())?;
    Some((KiloEvent::from_name(name)?, &data["properties"]))
}

/// How long a wrapper's event lasts (protocol §9).
pub fn persistence(stream_event_type: &str, data: &Value) -> Persistence {
    match stream_event_type {
        name::COMPLETE | name::INTERRUPTED | name::ERROR => Persistence::Insert,
        _ if stream_event_type.starts_with(name::AUTOCOMMIT_PREFIX) => Persistence::Insert,
        name::KILOCODE => match kilo_event(data) {
            None => Persistence::Volatile,
            Some((KiloEvent::MessageUpdated, properties)) => {
                entity(&["message"], &[&properties["info"]["id"]])
            }
            Some((KiloEvent::MessagePartUpdated, properties)) => entity(
                &["part"],
                &[&properties["part"]["messageID"], &properties["part"]["id"]],
            ),
            Some(_) => Persistence::Insert,
        },
        _ => Persistence::Volatile,
    }
}

/// The entity that a removed part was, if the event says that one was.
pub fn removed_entity(stream_event_type: &str, data: &Value) -> Option<String> {
    if stream_event_type != name::KILOCODE {
        return None;
    }
    match kilo_event(data)? {
        (KiloEvent::MessagePartRemoved, properties) => {
            Row::PartRemoved.reach();
            match entity(&["part"], &[&properties["messageID"], &properties["partID"]]) {
                Persistence::Upsert(entity) => Some(entity),
                Persistence::Insert | Persistence::Volatile => None,
            }
        }
        _ => None,
    }
}

/// An entity's name from its parts. An event that does not say what it is about replaces nothing.
fn entity(kind: &[&str], ids: &[&Value]) -> Persistence {
    let ids: Option<Vec<&str>> = ids.iter().map(|id| id.as_str()).collect();
    ids.map_or(Persistence::Volatile, |ids| {
        Persistence::Upsert([kind, &ids].concat().join("/"))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn kilo(event: &str, properties: Value) -> Value {
        json!({"event": event, "type": event, "properties": properties})
    }

    #[test]
    fn words_on_an_entity_replace_each_other_and_deltas_do_not_last() {
        let message = kilo("message.updated", json!({"info": {"id": "m"}}));
        assert_eq!(
            persistence(name::KILOCODE, &message),
            Persistence::Upsert("message/m".into())
        );
        let part = kilo(
            "message.part.updated",
            json!({"part": {"id": "p", "messageID": "m"}}),
        );
        assert_eq!(
            persistence(name::KILOCODE, &part),
            Persistence::Upsert("part/m/p".into())
        );
        let delta = kilo("message.part.delta", json!({"delta": "x"}));
        assert_eq!(persistence(name::KILOCODE, &delta), Persistence::Volatile);
        let idle = kilo("session.idle", json!({"sessionID": "s"}));
        assert_eq!(persistence(name::KILOCODE, &idle), Persistence::Insert);
        assert_eq!(persistence(name::PONG, &Value::Null), Persistence::Volatile);
    }
}
