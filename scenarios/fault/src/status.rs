//! HTTP status codes of answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// HTTP status code of an answer, 200 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u16", into = "u16")]
#[schemars(extend("minimum" = 200, "maximum" = 599))]
pub struct Status(u16);

impl Status {
    /// The number.
    pub fn code(self) -> u16 {
        self.0
    }

    /// Whether it is 2xx.
    pub fn is_success(self) -> bool {
        (200..300).contains(&self.0)
    }
}

impl Default for Status {
    fn default() -> Self {
        Self(200)
    }
}

/// Invalid number for [`Status`].
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a valid status: use 200 to 599")]
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
