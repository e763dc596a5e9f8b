//! What sessions, turns and workspaces look like here. Nothing depends on more of it than the setting says.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use turnstile_mutants::Rule;
use turnstile_reference::identity::MessageId;
use turnstile_reference::model::message::Turn;
use turnstile_reference::model::metadata::{
    AgentChoice, Finalization, METADATA_SCHEMA_VERSION, Metadata, Workspace,
};
use turnstile_reference::session::admission::Admission;

/// The root session of kilo's.
pub const KILO_SESSION: &str = "ses_root";

/// What a session is like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setting {
    /// Its messages have a callback.
    pub callback: bool,
    /// Its messages have a gate.
    pub gate: bool,
    /// The rule that the server breaks, if any.
    pub broken: Option<Rule>,
}

/// What a session is about.
pub fn metadata(setting: Setting, now: Timestamp) -> Metadata {
    let mut metadata = json!({
        "metadataSchemaVersion": METADATA_SCHEMA_VERSION,
        "identity": {
            "sessionId": "agent_00000000-0000-4000-8000-000000000001",
            "userId": "user",
            "kiloSessionId": KILO_SESSION,
        },
        "repository": {"type": "github", "repo": "o/r"},
        "agent": {"mode": "code", "model": "fake"},
        "finalization": {},
        "lifecycle": {"createdAt": now, "updatedAt": now},
    });
    if setting.callback {
        metadata["callback"] = json!({"url": "http://receiver/"});
    }
    if setting.gate {
        metadata["finalization"]["gateThreshold"] = json!("warning");
    }
    read(metadata)
}

/// A turn that says nothing but its prompt.
pub fn admission(id: &MessageId) -> Admission {
    Admission {
        id: id.clone(),
        turn: Turn::Prompt {
            prompt: "hello".to_owned(),
            images: None,
        },
        agent: AgentChoice::default(),
        finalization: Finalization::default(),
    }
}

/// A workspace that is ready.
pub fn workspace() -> Workspace {
    read(json!({
        "workspacePath": "/w",
        "sandboxId": "s",
        "sessionHome": "/h",
        "branchName": "main",
        "kiloSessionId": KILO_SESSION,
    }))
}

fn read<T: DeserializeOwned>(record: Value) -> T {
    serde_json::from_value(record).expect("this is such a record")
}
