//! The values of sessions, turns and workspaces in the tests. Tests depend only on the setting.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use turnstile_mutants::Rule;
use turnstile_profile::Profile;
use turnstile_reference::identity::MessageId;
use turnstile_reference::model::message::Turn;
use turnstile_reference::model::metadata::{
    AgentChoice, Finalization, METADATA_SCHEMA_VERSION, Metadata, Workspace,
};
use turnstile_reference::session::admission::Admission;
use turnstile_reference::session::wrapper::FailureCode;

/// The delays after failed deliveries in a cold session, in seconds.
pub const COLD: [u64; 10] = [2, 4, 8, 16, 32, 60, 60, 60, 120, 120];
/// The delays after failed deliveries in a warm session, in seconds.
pub const WARM: [u64; 5] = [2, 4, 8, 15, 15];
/// The code of a permanent refusal.
pub const PERMANENT: FailureCode = FailureCode::BadRequest;

/// The profile of the sessions. Its lists of delays are long and different, so that no delay can be mistaken for
/// another.
pub static PROFILE: LazyLock<Arc<Profile>> = LazyLock::new(|| {
    Arc::new(Profile {
        delivery_retry_delays_cold: COLD.map(Duration::from_secs).into(),
        delivery_retry_delays_warm: WARM.map(Duration::from_secs).into(),
        permanent_refusals: vec![PERMANENT.as_str().to_owned()],
        ..Profile::default()
    })
});

/// kilo's root session.
pub const KILO_SESSION: &str = "ses_root";

/// The setting of a session.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setting {
    /// Whether its messages have a callback.
    pub callback: bool,
    /// Whether its messages have a gate.
    pub gate: bool,
    /// The mutant, if any.
    pub broken: Option<Rule>,
}

/// The metadata of a session.
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

/// A turn with a prompt only.
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

/// A ready workspace.
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
