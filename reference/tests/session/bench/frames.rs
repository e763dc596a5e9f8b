//! The frames of a wrapper as JSON (protocol §11).

use serde_json::{Value, json};
use turnstile_reference::identity::MessageId;

use super::setting::KILO_SESSION;

/// The error text of a failed reply.
pub const ASSISTANT_ERROR: &str = "402 no credit";
/// The reason of `interrupted`.
pub const INTERRUPT_REASON: &str = "the sandbox stops";
/// The error text of a fatal error.
pub const FATAL_ERROR: &str = "the agent broke";

/// A frame on an ingest socket: its type and data.
pub type Frame = (&'static str, Value);

/// The state of an assistant message.
#[derive(Debug, Clone, Copy)]
pub enum Reply {
    /// Not finished.
    Open,
    /// Completed.
    Completed,
    /// Failed.
    Failed,
}

/// The assistant message that answers `message`.
pub fn assistant(message: &MessageId, reply: Reply) -> Frame {
    let mut info = json!({"id": format!("a-{message}"), "role": "assistant", "sessionID": KILO_SESSION,
        "parentID": message, "time": {"created": 1}});
    match reply {
        Reply::Open => {}
        Reply::Completed => info["time"]["completed"] = json!(2),
        Reply::Failed => {
            info["error"] = json!({"name": "APIError", "data": {"message": ASSISTANT_ERROR}});
        }
    }
    kilo("message.updated", json!({"info": info}))
}

/// The idle of the root session.
pub fn root_idle() -> Frame {
    kilo("session.idle", json!({"sessionID": KILO_SESSION}))
}

/// `interrupted`.
pub fn interrupted() -> Frame {
    ("interrupted", json!({"reason": INTERRUPT_REASON}))
}

/// `complete`.
pub fn complete() -> Frame {
    ("complete", json!({"exitCode": 0}))
}

/// A fatal `error`.
pub fn fatal_error() -> Frame {
    ("error", json!({"fatal": true, "error": FATAL_ERROR}))
}

/// `pong`.
pub fn pong() -> Frame {
    ("pong", json!({}))
}

/// An event of kilo.
pub fn kilo(event: &str, properties: Value) -> Frame {
    let mut data = properties.clone();
    data["event"] = json!(event);
    data["type"] = json!(event);
    data["properties"] = properties;
    ("kilocode", data)
}
