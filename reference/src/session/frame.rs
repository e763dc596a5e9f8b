//! The frames of a wrapper: their meaning for a session, and the JSON that is stored and relayed (protocol §5, §9).
//!
//! Parsing never fails. A frame that is unknown or malformed has no meaning, and is stored and relayed unchanged.
//! Nothing is decided here.

use std::sync::Arc;

use serde_json::Value;

use super::events::{Persistence, name};
use super::kilo::{self, KiloEvent, PartId};
use crate::model::message::GateResult;

/// The error text of an `interrupted` without a reason (R6.33).
const STOCK_INTERRUPT: &str = "Interrupted by the wrapper";
/// The error text of a fatal `error` without a text (R6.13).
const STOCK_FATAL_ERROR: &str = "The wrapper failed without a reason";

/// A frame of a wrapper.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    stream_event_type: String,
    data: Arc<Value>,
    meaning: Meaning,
}

/// The meaning of a frame for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// An event of kilo.
    Kilo(KiloEvent),
    /// A valid `complete`: the run has finished (R6.35).
    Complete {
        /// The current branch.
        branch: Option<String>,
        /// The result of the gate.
        gate_result: Option<GateResult>,
    },
    /// A valid `interrupted`: the wrapper has stopped (R6.36).
    Interrupted {
        /// The error text (R6.33).
        text: String,
    },
    /// A valid `error` that is fatal (R6.37).
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
            name::COMPLETE => complete(&data).unwrap_or(Meaning::Other),
            name::INTERRUPTED => interrupted(&data).unwrap_or(Meaning::Other),
            name::ERROR => fatal_error(&data).unwrap_or(Meaning::Other),
            name::PONG => Meaning::Pong,
            name::HEARTBEAT => Meaning::Heartbeat,
            name::WRAPPER_RESUMED => Meaning::Resumed,
            _ => Meaning::Other,
        };
        Self {
            stream_event_type,
            data: data.into(),
            meaning,
        }
    }

    /// The type.
    pub fn stream_event_type(&self) -> &str {
        &self.stream_event_type
    }

    /// The data, unchanged.
    pub fn data(&self) -> &Arc<Value> {
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
            Meaning::Complete { .. } | Meaning::Interrupted { .. } | Meaning::FatalError { .. } => {
                Persistence::Insert
            }
            Meaning::Pong | Meaning::Heartbeat | Meaning::Resumed => Persistence::Volatile,
            Meaning::Other => match self.stream_event_type.as_str() {
                name::COMPLETE | name::INTERRUPTED | name::ERROR => Persistence::Insert,
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

/// The meaning of a `complete`, if its data is valid (R6.35). There `null` is the same as absent (R6.16).
fn complete(data: &Value) -> Option<Meaning> {
    let branch = match &data["currentBranch"] {
        Value::Null => None,
        branch => Some(branch.as_str()?.to_owned()),
    };
    let gate_result = match &data["gateResult"] {
        Value::Null => None,
        result => Some(match result.as_str()? {
            "pass" => GateResult::Pass,
            "fail" => GateResult::Fail,
            _ => return None,
        }),
    };
    data["exitCode"]
        .is_number()
        .then_some(Meaning::Complete { branch, gate_result })
}

/// The meaning of an `interrupted`, if its data is valid (R6.36).
fn interrupted(data: &Value) -> Option<Meaning> {
    let reason = match data.as_object()?.get("reason") {
        Some(reason) => reason.as_str()?,
        None => "",
    };
    let text = if reason.is_empty() {
        STOCK_INTERRUPT
    } else {
        reason
    };
    Some(Meaning::Interrupted {
        text: text.to_owned(),
    })
}

/// The meaning of an `error`, if its data is valid and it is fatal (R6.37).
fn fatal_error(data: &Value) -> Option<Meaning> {
    let is_fatal = data["fatal"].as_bool()?;
    let is_valid = data
        .get("error")
        .is_none_or(|error| error.is_string() || error.is_object())
        && data.get("message").is_none_or(Value::is_string);
    (is_fatal && is_valid).then(|| Meaning::FatalError {
        text: wrapper_error_text(data),
    })
}

/// The text of a fatal error (R6.13).
fn wrapper_error_text(data: &Value) -> String {
    let error = &data["error"];
    let text = error.as_str().or_else(|| kilo::find_error_text(error));
    let text = text.or_else(|| data["message"].as_str());
    text.unwrap_or(STOCK_FATAL_ERROR).to_owned()
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
    fn a_terminal_event_with_invalid_data_is_kept() {
        for name in [name::COMPLETE, name::INTERRUPTED, name::ERROR] {
            assert_eq!(persistence(name, Value::Null), Persistence::Insert, "{name}");
        }
    }

    #[test]
    fn null_is_the_same_as_absent_in_a_complete() {
        let data = json!({"exitCode": 1.0, "currentBranch": null, "gateResult": null});
        let nothing = Meaning::Complete {
            branch: None,
            gate_result: None,
        };
        assert_eq!(meaning(name::COMPLETE, data), nothing);
    }

    #[test]
    fn the_text_of_an_interrupt_is_its_reason_or_a_stock_text() {
        for (data, text) in [
            (json!({"reason": "out of memory"}), "out of memory"),
            (json!({"reason": ""}), STOCK_INTERRUPT),
            (json!({}), STOCK_INTERRUPT),
        ] {
            let text = text.to_owned();
            assert_eq!(meaning(name::INTERRUPTED, data), Meaning::Interrupted { text });
        }
    }

    #[test]
    fn the_text_of_a_fatal_error_may_be_nested() {
        for (data, text) in [
            (json!({"error": "a", "message": "b"}), "a"),
            (json!({"error": {"data": {"message": "a"}, "message": "b"}}), "a"),
            (json!({"error": {"message": "a"}, "message": "b"}), "a"),
            (json!({"error": {}, "message": "b"}), "b"),
            (json!({"message": "b"}), "b"),
            (json!({}), STOCK_FATAL_ERROR),
        ] {
            let mut data = data;
            data["fatal"] = json!(true);
            let text = text.to_owned();
            assert_eq!(meaning(name::ERROR, data), Meaning::FatalError { text });
        }
    }

    fn meaning(stream_event_type: &str, data: Value) -> Meaning {
        Frame::read(stream_event_type.to_owned(), data).meaning().clone()
    }

    #[test]
    fn a_malformed_frame_has_no_meaning_and_is_unchanged() {
        for (stream_event_type, data) in [
            (name::KILOCODE, json!("text")),
            (name::KILOCODE, json!({"event": 1, "properties": []})),
            (name::COMPLETE, Value::Null),
            (name::COMPLETE, json!({})),
            (name::COMPLETE, json!({"exitCode": "0"})),
            (name::COMPLETE, json!({"exitCode": 0, "currentBranch": 1})),
            (name::COMPLETE, json!({"exitCode": 0, "gateResult": "maybe"})),
            (name::COMPLETE, json!({"exitCode": 0, "gateResult": true})),
            (name::INTERRUPTED, Value::Null),
            (name::INTERRUPTED, json!(["text"])),
            (name::INTERRUPTED, json!({"reason": 1})),
            (name::INTERRUPTED, json!({"reason": null})),
            (name::ERROR, json!({"fatal": "true"})),
            (name::ERROR, json!({"fatal": false, "error": "x"})),
            (name::ERROR, json!({"fatal": true, "error": 1})),
            (name::ERROR, json!({"fatal": true, "error": ["x"]})),
            (name::ERROR, json!({"fatal": true, "error": null})),
            (name::ERROR, json!({"fatal": true, "message": {}})),
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
                (stream_event_type, &data.into())
            );
        }
    }
}
