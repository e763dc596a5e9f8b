//! The shapes of what a wrapper and its kilo report to ingest (protocol §5, §11).
//!
//! Shapes only: when which event is due is the lifecycle's business.

use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_fault::GateVerdict;

use super::turns::Assistant;

/// An event: its type, and its data.
pub(super) type Event = (&'static str, Value);

/// The name under which kilo's gateway errors are reported.
const GATEWAY_ERROR: &str = "APIError";
/// The name under which kilo reports a model that is not in the catalogue.
const UNKNOWN_ERROR: &str = "UnknownError";

/// The frame that carries an event that happened at `now`.
pub(super) fn frame(now: Timestamp, (event_type, data): Event) -> Value {
    json!({ "streamEventType": event_type, "timestamp": format!("{now:.3}"), "data": data })
}

/// The answer to a ping.
pub(super) fn pong() -> Event {
    ("pong", json!({}))
}

/// The ingest is back.
pub(super) fn resumed(buffered: usize, lost: u64) -> Event {
    (
        "wrapper_resumed",
        json!({ "bufferedEvents": buffered, "eventsLost": lost }),
    )
}

/// All turns were aborted.
pub(super) fn interrupted(reason: &str) -> Event {
    ("interrupted", json!({ "reason": reason }))
}

/// The wrapper cannot go on with what it was given.
pub(super) fn fatal(message: &str) -> Event {
    (
        "error",
        json!({ "fatal": true, "error": message, "message": message }),
    )
}

/// The commit after the turn of `message_id` begins.
pub(super) fn auto_commit_started(message_id: &str) -> Event {
    ("autocommit_started", json!({ "messageId": message_id }))
}

/// The commit after the turn of `message_id` is done.
pub(super) fn auto_commit_completed(message_id: &str) -> Event {
    (
        "autocommit_completed",
        json!({ "messageId": message_id, "success": true }),
    )
}

/// Nothing is left to run. The exit code is the wrapper's own, however the turns ended.
pub(super) fn complete(exit_code: i32, branch: &str, gate_result: Option<GateVerdict>) -> Event {
    let mut data = json!({ "exitCode": exit_code, "currentBranch": branch });
    if let Some(gate_result) = gate_result {
        data["gateResult"] = json!(gate_result);
    }
    ("complete", data)
}

/// Events of one kilo session.
pub(super) struct Kilo<'a> {
    /// The session, `ses_…`.
    pub(super) session_id: &'a str,
}

impl Kilo<'_> {
    /// The session begins a turn, or has ended one.
    pub(super) fn status(&self, status: &str) -> Event {
        let properties = json!({ "sessionID": self.session_id, "status": { "type": status } });
        kilo("session.status", properties)
    }

    /// Nothing is left to run.
    pub(super) fn idle(&self) -> Event {
        kilo("session.idle", json!({ "sessionID": self.session_id }))
    }

    /// The model is not in the catalogue.
    pub(super) fn unknown_model(&self, message: &str) -> Event {
        let error = json!({ "name": UNKNOWN_ERROR, "data": { "message": message } });
        kilo(
            "session.error",
            json!({ "sessionID": self.session_id, "error": error }),
        )
    }

    /// The user's message.
    pub(super) fn user_message(&self, message_id: &str, created: Timestamp) -> Event {
        self.message_updated(json!({
            "id": message_id,
            "role": "user",
            "time": { "created": created.as_millisecond() },
        }))
    }

    /// The assistant's message as it stands, and what the gateway said against it.
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

    /// More text of a part.
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

    /// A part with all its text so far.
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

    fn message_updated(&self, mut info: Value) -> Event {
        info["sessionID"] = self.session_id.into();
        kilo("message.updated", json!({ "info": info }))
    }
}

/// A kilo event names itself twice and carries its properties twice, flat and in one piece.
fn kilo(event: &str, properties: Value) -> Event {
    let mut data = properties.clone();
    data["event"] = event.into();
    data["type"] = event.into();
    data["properties"] = properties;
    ("kilocode", data)
}
