//! What a wrapper says, as the JSON that it says it in (protocol §11).

use serde_json::{Value, json};
use turnstile_reference::identity::MessageId;

use super::setting::KILO_SESSION;

/// What the assistant says in a reply that failed.
pub const ASSISTANT_ERROR: &str = "402 no credit";
/// What a wrapper says in a fatal error.
pub const FATAL_ERROR: &str = "the agent broke";

/// A frame on an ingest socket: its name and its data.
pub type Frame = (&'static str, Value);

/// How far an assistant's message is.
#[derive(Debug, Clone, Copy)]
pub enum Reply {
    /// It is being written.
    Open,
    /// It is complete.
    Completed,
    /// It carries an error.
    Failed,
}

/// The assistant's message that answers `message`.
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

/// The root session is idle.
pub fn root_idle() -> Frame {
    kilo("session.idle", json!({"sessionID": KILO_SESSION}))
}

/// The wrapper stopped on demand.
pub fn interrupted() -> Frame {
    ("interrupted", json!({}))
}

/// The wrapper cannot go on.
pub fn fatal_error() -> Frame {
    ("error", json!({"fatal": true, "error": FATAL_ERROR}))
}

/// The answer to a ping.
pub fn pong() -> Frame {
    ("pong", json!({}))
}

/// An event of kilo's.
pub fn kilo(event: &str, properties: Value) -> Frame {
    let mut data = properties.clone();
    data["event"] = json!(event);
    data["type"] = json!(event);
    data["properties"] = properties;
    ("kilocode", data)
}
