//! What is settled before the first step: the session's settings and the receiver's first answers.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::reply::Status;
use crate::text::{is_default, read_from_text};

/// The session as the first step asks for it.
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
}

impl Default for Session {
    fn default() -> Self {
        Self {
            callback: false,
            model: "fake-deterministic".to_owned(),
            mode: "code".to_owned(),
            branch: None,
            gate: None,
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

/// What the receiver does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Answers with this status.
    Status(Status),
    /// Takes the request and never answers.
    Stall,
    /// Closes the connection without an answer.
    Drop,
}

/// Why a text is no answer.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an answer of the receiver; allowed: an HTTP status from 200 to 599, stall, drop")]
pub struct AnswerError(String);

impl FromStr for Answer {
    type Err = AnswerError;

    fn from_str(text: &str) -> Result<Self, AnswerError> {
        let status = |code: u16| Status::try_from(code).ok();
        match text {
            "stall" => Ok(Self::Stall),
            "drop" => Ok(Self::Drop),
            number => number
                .parse()
                .ok()
                .and_then(status)
                .map(Self::Status)
                .ok_or_else(|| AnswerError(text.to_owned())),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(formatter, "{}", status.code()),
            Self::Stall => formatter.write_str("stall"),
            Self::Drop => formatter.write_str("drop"),
        }
    }
}

read_from_text!(Answer, {
    "oneOf": [
        { "type": "integer", "minimum": 200, "maximum": 599 },
        { "type": "string", "enum": ["stall", "drop"] },
    ],
});

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Status(status) => status.serialize(serializer),
            Self::Stall | Self::Drop => serializer.collect_str(self),
        }
    }
}
