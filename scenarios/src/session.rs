//! Settings of the session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stored::Stored;
use turnstile_fault::is_default;

/// Settings of the session, sent by the step that creates it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Session {
    /// Whether the session has the receiver as its callback target.
    #[serde(skip_serializing_if = "is_default")]
    pub callback: bool,
    /// Model of the agent.
    pub model: String,
    /// Mode of the agent.
    pub mode: String,
    /// Branch to work on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Variant of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// `finalization.gateThreshold`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// `finalization.autoCommit`, for each message that does not say otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_commit: Option<bool>,
    /// `finalization.condenseOnComplete`, for each message that does not say otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condense_on_complete: Option<bool>,
    /// The session as an older service left it on the server's disk.
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
            variant: None,
            gate: None,
            auto_commit: None,
            condense_on_complete: None,
            stored: None,
        }
    }
}

/// `gateThreshold`: whether callbacks wait for a gate result (PROTOCOL.md §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "names of the protocol")]
pub enum Gate {
    Off,
    All,
    Warning,
    Critical,
}
