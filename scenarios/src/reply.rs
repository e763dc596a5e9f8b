//! Expected answers to a client's request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use turnstile_fault::{Status, is_default};

/// Expected answer to a message. With a status other than 2xx the message is not admitted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reply {
    /// HTTP status.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: Status,
    /// Text that the body contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Expects no answer: the request or its answer is lost, and the message may or may not be admitted.
    /// Excludes the other fields.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: bool,
}

/// Expected answer of a request with a `success` field in its answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SuccessReply {
    /// HTTP status.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: Status,
    /// Text that the body contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Expects no answer: the request or its answer is lost. Excludes the other fields.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: bool,
    /// The field `success`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
}
