//! Shapes of the events that a wrapper and its kilo send to ingest (R11.35–R11.44).
//!
//! Only shapes: the lifecycle decides when each event is sent.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_fault::GateVerdict;

use super::turns::{Assistant, ToolPart};

/// Type and data of an event.
pub(super) type Event = (&'static str, Value);

/// Error name for a refusal of the gateway (R11.43).
const GATEWAY_ERROR: &str = "APIError";
/// Error name for a model outside of the catalogue (R11.44).
const UNKNOWN_ERROR: &str = "UnknownError";

/// The size of most frames, in bytes: a buffer that grows copies what it has.
const FRAME_SIZE: usize = 1024;

/// A private character in place of half of a surrogate pair until a frame is written, because no text in Rust can contain
/// one.
const LONE_SURROGATE: char = '\u{e000}';
/// Half of a surrogate pair, as an escape in JSON.
const ESCAPED_SURROGATE: &str = "\\ud83d";

/// A text that ends with half of a surrogate pair once it is written.
pub(super) fn cut_in_the_middle_of_a_character() -> String {
    format!("cut {LONE_SURROGATE}")
}

/// The text of a frame on the wire, and the frame as its receiver reads it (R1.13).
pub(super) fn on_the_wire(frame: Arc<Value>) -> (String, Arc<Value>) {
    let mut text = Vec::with_capacity(FRAME_SIZE);
    serde_json::to_writer(&mut text, &*frame).expect("a value is JSON");
    let text = String::from_utf8(text).expect("JSON is UTF-8");
    if text.contains(LONE_SURROGATE) {
        (
            text.replace(LONE_SURROGATE, ESCAPED_SURROGATE),
            Arc::new(as_read(Arc::unwrap_or_clone(frame))),
        )
    } else {
        (text, frame)
    }
}

fn as_read(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(LONE_SURROGATE, "\u{fffd}")),
        Value::Array(values) => values.into_iter().map(as_read).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, as_read(value)))
            .collect(),
        other => other,
    }
}

/// The frame of an event that happened at `now`.
pub(super) fn frame(now: Timestamp, (event_type, data): Event) -> Value {
    let mut frame = json!({ "streamEventType": event_type, "timestamp": format!("{now:.3}") });
    frame["data"] = data;
    frame
}

/// Whether a frame is `complete`.
pub(super) fn is_complete(frame: &Value) -> bool {
    frame["streamEventType"] == "complete"
}

/// The answer to a ping.
pub(super) fn pong() -> Event {
    ("pong", json!({}))
}

/// `wrapper_resumed`: the ingest is open again.
pub(super) fn resumed(buffered: usize, lost: u64) -> Event {
    (
        "wrapper_resumed",
        json!({ "bufferedEvents": buffered, "eventsLost": lost }),
    )
}

/// `heartbeat`: the turn that runs is alive.
pub(super) fn heartbeat() -> Event {
    ("heartbeat", json!({}))
}

/// `commands.available`: the catalogue of commands.
pub(super) fn commands(names: &[String]) -> Event {
    let commands: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    ("commands.available", json!({ "commands": commands }))
}

/// `preparing`: a step of the wrapper's preparation.
pub(super) fn preparing(step: &str, message: &str) -> Event {
    ("preparing", json!({ "step": step, "message": message }))
}

/// `interrupted`: all turns were aborted.
pub(super) fn interrupted(reason: &str) -> Event {
    ("interrupted", json!({ "reason": reason }))
}

/// `error`: a fatal error.
pub(super) fn fatal(message: &str) -> Event {
    (
        "error",
        json!({ "fatal": true, "error": message, "message": message }),
    )
}

/// `autocommit_started`: the commit after the turn of `message_id` begins.
pub(super) fn auto_commit_started(message_id: &str) -> Event {
    ("autocommit_started", json!({ "messageId": message_id }))
}

/// `autocommit_completed`: the commit after the turn of `message_id` succeeded.
pub(super) fn auto_commit_completed(message_id: &str) -> Event {
    (
        "autocommit_completed",
        json!({ "messageId": message_id, "success": true }),
    )
}

/// `complete`: no turn is left. `exit_code` is independent of the results of the turns.
pub(super) fn complete(exit_code: i32, branch: &str, gate_result: Option<GateVerdict>) -> Event {
    let mut data = json!({ "exitCode": exit_code, "currentBranch": branch });
    if let Some(gate_result) = gate_result {
        data["gateResult"] = json!(gate_result);
    }
    ("complete", data)
}

/// Events of one kilo session.
pub(super) struct Kilo<'a> {
    /// `ses_…`.
    pub(super) session_id: &'a str,
}

impl Kilo<'_> {
    /// `session.status` with type `busy` or `idle`.
    pub(super) fn status(&self, status: &str) -> Event {
        let properties = json!({ "sessionID": self.session_id, "status": { "type": status } });
        kilo("session.status", properties)
    }

    /// `session.idle`: no turn is left.
    pub(super) fn idle(&self) -> Event {
        kilo("session.idle", json!({ "sessionID": self.session_id }))
    }

    /// `session.error` for a model outside of the catalogue.
    pub(super) fn unknown_model(&self, message: &str) -> Event {
        let error = json!({ "name": UNKNOWN_ERROR, "data": { "message": message } });
        kilo(
            "session.error",
            json!({ "sessionID": self.session_id, "error": error }),
        )
    }

    /// `message.updated` of the user.
    pub(super) fn user_message(&self, message_id: &str, created: Timestamp) -> Event {
        self.message_updated(json!({
            "id": message_id,
            "role": "user",
            "time": { "created": created.as_millisecond() },
        }))
    }

    /// `message.updated` of the assistant, with the error of the gateway.
    pub(super) fn assistant_message(&self, assistant: &Assistant, parent: &str) -> Event {
        let mut time = json!({ "created": assistant.created.as_millisecond() });
        if let Some(completed) = assistant.completed {
            time["completed"] = completed.as_millisecond().into();
        }
        let mut info = json!({ "id": assistant.id, "role": "assistant", "parentID": parent, "time": time });
        if let Some(message) = &assistant.error {
            info["error"] = json!({ "name": GATEWAY_ERROR, "data": { "message": message } });
        }
        self.message_updated(info)
    }

    /// `message.part.delta`: text added to a part.
    pub(super) fn part_delta(&self, message_id: &str, part_id: &str, delta: &str) -> Event {
        kilo(
            "message.part.delta",
            json!({
                "sessionID": self.session_id,
                "messageID": message_id,
                "partID": part_id,
                "field": "text",
                "delta": delta,
            }),
        )
    }

    /// `message.part.updated`: the complete text of a part so far.
    pub(super) fn part_updated(&self, message_id: &str, part_id: &str, text: &str) -> Event {
        kilo(
            "message.part.updated",
            json!({ "part": {
                "id": part_id,
                "messageID": message_id,
                "sessionID": self.session_id,
                "type": "text",
                "text": text,
            } }),
        )
    }

    /// `message.part.updated` of a tool call that is over.
    pub(super) fn tool_updated(&self, message_id: &str, part: &ToolPart) -> Event {
        kilo(
            "message.part.updated",
            json!({ "part": {
                "id": part.id,
                "messageID": message_id,
                "sessionID": self.session_id,
                "type": "tool",
                "callID": part.call.id,
                "tool": part.call.tool,
                "state": { "status": "completed" },
            } }),
        )
    }

    /// `message.part.removed`.
    pub(super) fn part_removed(&self, message_id: &str, part_id: &str) -> Event {
        kilo(
            "message.part.removed",
            json!({ "sessionID": self.session_id, "messageID": message_id, "partID": part_id }),
        )
    }

    fn message_updated(&self, mut info: Value) -> Event {
        info["sessionID"] = self.session_id.into();
        kilo("message.updated", json!({ "info": info }))
    }
}

/// Wraps a kilo event: its name twice, its properties twice (R11.35).
fn kilo(event: &str, properties: Value) -> Event {
    let mut data = properties.clone();
    data["event"] = event.into();
    data["type"] = event.into();
    data["properties"] = properties;
    ("kilocode", data)
}
