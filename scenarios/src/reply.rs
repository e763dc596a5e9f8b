//! What a client must be answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use turnstile_fault::{Status, is_default};

/// How a message must be answered. A message with another status than 2xx is not admitted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reply {
    /// The HTTP status.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: Status,
    /// A text that the answer's body contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// No answer comes: the request or its answer is lost, and the message may be admitted or not. Leaves
    /// `status` and `contains` without a meaning.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: bool,
}

/// How a request must be answered that says whether it did anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SuccessReply {
    /// The HTTP status.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: Status,
    /// A text that the answer's body contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// No answer comes: the request or its answer is lost. Leaves the rest without a meaning.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: bool,
    /// The answer's `success`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
}
