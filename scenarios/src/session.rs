//! What is settled before the first step: the session's settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stored::Stored;
use turnstile_fault::is_default;

/// The session as the step that makes it asks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Session {
    /// Whether the session has a callback target, which then is the receiver.
    #[serde(skip_serializing_if = "is_default")]
    pub callback: bool,
    /// The model that its agent uses.
    pub model: String,
    /// The agent's mode.
    pub mode: String,
    /// The branch to work on, if one is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// `finalization.gateThreshold`, if one is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// The session as an older service left it on the server's disk, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            callback: false,
            model: "fake-deterministic".to_owned(),
            mode: "code".to_owned(),
            branch: None,
            gate: None,
            stored: None,
        }
    }
}

/// `gateThreshold`: from when on a result is awaited before a callback goes out (protocol §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the protocol's own words")]
pub enum Gate {
    Off,
    All,
    Warning,
    Critical,
}
