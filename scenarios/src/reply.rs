//! What a client must be answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::is_default;

/// The status of an HTTP answer, 200 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u16", into = "u16")]
#[schemars(extend("minimum" = 200, "maximum" = 599))]
pub struct Status(u16);

impl Status {
    /// The number.
    pub fn code(self) -> u16 {
        self.0
    }

    /// Whether it is one of the 2xx.
    pub fn is_success(self) -> bool {
        (200..300).contains(&self.0)
    }
}

impl Default for Status {
    fn default() -> Self {
        Self(200)
    }
}

/// Why a number is no status.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not the status of an answer: 200 to 599 are allowed")]
pub struct StatusError(u16);

impl TryFrom<u16> for Status {
    type Error = StatusError;

    fn try_from(code: u16) -> Result<Self, StatusError> {
        if (200..600).contains(&code) {
            Ok(Self(code))
        } else {
            Err(StatusError(code))
        }
    }
}

impl From<Status> for u16 {
    fn from(status: Status) -> Self {
        status.0
    }
}

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
