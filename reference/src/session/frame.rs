//! The frames of a wrapper: their meaning for a session, and the JSON that is stored and relayed (protocol §5, §9).
//!
//! Parsing never fails. A frame that is unknown or malformed has no meaning, and is stored and relayed unchanged.
//! Nothing is decided here.

use serde_json::Value;

use super::events::{Persistence, name};
use super::kilo::{self, KiloEvent, PartId};
use crate::model::message::GateResult;

/// A frame of a wrapper.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    stream_event_type: String,
    data: Value,
    meaning: Meaning,
}

/// The meaning of a frame for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// An event of kilo.
    Kilo(KiloEvent),
    /// `complete`: the run has finished.
    Complete {
        /// The current branch.
        branch: Option<String>,
        /// The result of the gate.
        gate_result: Option<GateResult>,
    },
    /// `interrupted`: the wrapper has stopped.
    Interrupted,
    /// A fatal `error`.
    FatalError {
        /// The error text (R6.13).
        text: String,
    },
    /// `pong`.
    Pong,
    /// `heartbeat`.
    Heartbeat,
    /// `wrapper_resumed`.
    Resumed,
    /// No meaning.
    Other,
}

impl Frame {
    /// Parses a frame.
    pub fn read(stream_event_type: String, data: Value) -> Self {
        let meaning = match stream_event_type.as_str() {
            name::KILOCODE => Meaning::Kilo(KiloEvent::read(&data)),
            name::COMPLETE => Meaning::Complete {
                branch: data["currentBranch"].as_str().map(str::to_owned),
                gate_result: gate_result(&data),
            },
            name::INTERRUPTED => Meaning::Interrupted,
            name::ERROR if data["fatal"] == true => Meaning::FatalError {
                text: wrapper_error_text(&data),
            },
            name::PONG => Meaning::Pong,
            name::HEARTBEAT => Meaning::Heartbeat,
            name::WRAPPER_RESUMED => Meaning::Resumed,
            _ => Meaning::Other,
        };
        Self {
            stream_event_type,
            data,
            meaning,
        }
    }

    /// The type.
    pub fn stream_event_type(&self) -> &str {
        &self.stream_event_type
    }

    /// The data, unchanged.
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// The meaning for a session.
    pub fn meaning(&self) -> &Meaning {
        &self.meaning
    }

    /// Whether the frame is not meaningful output (R7.14), apart from kilo's `session.idle`.
    pub(super) fn is_sign_of_life_only(&self) -> bool {
        matches!(
            self.meaning,
            Meaning::Pong
                | Meaning::Heartbeat
                | Meaning::Resumed
                | Meaning::Kilo(KiloEvent::SessionIdle { .. })
        )
    }

    /// Whether and how the event is kept (R9.26–R9.31).
    pub(super) fn persistence(&self) -> Persistence {
        match &self.meaning {
            Meaning::Kilo(event) => kilo_persistence(event),
            Meaning::Complete { .. } | Meaning::Interrupted | Meaning::FatalError { .. } => {
                Persistence::Insert
            }
            Meaning::Pong | Meaning::Heartbeat | Meaning::Resumed => Persistence::Volatile,
            Meaning::Other => match self.stream_event_type.as_str() {
                name::ERROR => Persistence::Insert,
                other if other.starts_with(name::AUTOCOMMIT_PREFIX) => Persistence::Insert,
                _ => Persistence::Volatile,
            },
        }
    }
}

fn kilo_persistence(event: &KiloEvent) -> Persistence {
    // An event without its entity's id is not kept (R9.31).
    let upsert = |entity: Option<String>| entity.map_or(Persistence::Volatile, Persistence::Upsert);
    match event {
        KiloEvent::MessageUpdated { id, .. } => upsert(id.as_ref().map(|id| format!("message/{id}"))),
        KiloEvent::PartUpdated { part, .. } => upsert(part.as_ref().map(part_entity)),
        KiloEvent::PartRemoved { .. }
        | KiloEvent::SessionStatus { .. }
        | KiloEvent::SessionIdle { .. }
        | KiloEvent::OtherKept => Persistence::Insert,
        KiloEvent::Unknown => Persistence::Volatile,
    }
}

/// The entity of a part.
pub(super) fn part_entity(PartId { message, part }: &PartId) -> String {
    format!("part/{message}/{part}")
}

fn gate_result(complete: &Value) -> Option<GateResult> {
    match complete["gateResult"].as_str() {
        Some("pass") => Some(GateResult::Pass),
        Some("fail") => Some(GateResult::Fail),
        _ => None,
    }
}

fn wrapper_error_text(data: &Value) -> String {
    data["error"]
        .as_str()
        .map_or_else(|| kilo::error_text(data), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn persistence(stream_event_type: &str, data: Value) -> Persistence {
        Frame::read(stream_event_type.to_owned(), data).persistence()
    }

    fn persistence_of_kilo(event: &str, properties: Value) -> Persistence {
        let data = json!({"event": event, "type": event, "properties": properties});
        persistence(name::KILOCODE, data)
    }

    #[test]
    fn events_of_an_entity_overwrite_each_other_and_deltas_are_not_kept() {
        assert_eq!(
            persistence_of_kilo("message.updated", json!({"info": {"id": "m"}})),
            Persistence::Upsert("message/m".into())
        );
        assert_eq!(
            persistence_of_kilo(
                "message.part.updated",
                json!({"part": {"id": "p", "messageID": "m"}})
            ),
            Persistence::Upsert("part/m/p".into())
        );
        assert_eq!(
            persistence_of_kilo("message.part.delta", json!({"delta": "x"})),
            Persistence::Volatile
        );
        assert_eq!(
            persistence_of_kilo("session.idle", json!({"sessionID": "s"})),
            Persistence::Insert
        );
        assert_eq!(persistence(name::PONG, Value::Null), Persistence::Volatile);
    }

    #[test]
    fn a_malformed_frame_has_no_meaning_and_is_unchanged() {
        for (stream_event_type, data) in [
            (name::KILOCODE, json!("text")),
            (name::KILOCODE, json!({"event": 1, "properties": []})),
            (name::ERROR, json!({"fatal": "true"})),
            ("something.new", Value::Null),
        ] {
            let frame = Frame::read(stream_event_type.to_owned(), data.clone());
            let is_nothing = matches!(
                frame.meaning(),
                Meaning::Other | Meaning::Kilo(KiloEvent::Unknown)
            );
            assert!(is_nothing, "{frame:?}");
            assert_eq!(
                (frame.stream_event_type(), frame.data()),
                (stream_event_type, &data)
            );
        }
    }
}
