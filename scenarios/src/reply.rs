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
    /// Expects anything and does not wait for it: the next step follows at the same instant. Excludes the other fields.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unawaited: bool,
}

impl Reply {
    /// A reply that is not awaited.
    pub fn unawaited() -> Self {
        Self {
            unawaited: true,
            ..Self::default()
        }
    }

    /// Whether it is not awaited, although it is expected to be something.
    pub(crate) fn contradicts_itself(&self) -> bool {
        self.unawaited && *self != Self::unawaited()
    }
}

impl SuccessReply {
    /// A reply that is not awaited.
    pub fn unawaited() -> Self {
        Self {
            unawaited: true,
            ..Self::default()
        }
    }

    /// Whether it is not awaited, although it is expected to be something.
    pub(crate) fn contradicts_itself(&self) -> bool {
        self.unawaited && *self != Self::unawaited()
    }
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
    /// Expects anything and does not wait for it: the next step follows at the same instant. Excludes the other fields.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unawaited: bool,
    /// The field `success`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
}
