//! The steps of a client beside sending messages: interrupting, and its stream.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use turnstile_fault::{Lapse, is_default, read_from_text};

use crate::name::{ClientName, Label, SessionName};
use crate::place::At;
use crate::reply::SuccessReply;

/// Interrupts the session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Interrupt {
    /// Which session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: At<SessionName>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client: At<ClientName>,
    /// The answer that must come; 200 if left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reply: SuccessReply,
}

/// Opens a client's stream, and introduces the client if it is new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Open {
    /// Whose stream.
    pub client: At<ClientName>,
    /// Which session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: At<SessionName>,
    /// From which event on; from the start if left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from: Resume,
    /// Only events of these types; of all if there are none here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_types: Vec<String>,
    /// Only events of these executions; of all, and of none, if there are none here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub executions: Vec<At<Label>>,
    /// Only events from this moment on, counted from the run's beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Lapse>,
    /// Only events up to this moment, counted from the run's beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Lapse>,
    /// How fast it takes what is sent to it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reads: ReadingSpeed,
}

/// How fast a client takes what its stream brings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadingSpeed {
    /// As it comes.
    #[default]
    Eagerly,
    /// One frame a second.
    Slowly,
}

/// Closes a client's stream, as a client does that leaves in good order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Close {
    /// Whose stream.
    pub client: At<ClientName>,
}

/// From where a stream replays (protocol §9).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Resume {
    /// Everything there is.
    #[default]
    Start,
    /// What came after the last persisted event that this client has seen.
    Last,
    /// Nothing: `replay=false`.
    None,
    /// What came after this event.
    After(u64),
}

/// Why a text names no place to replay from.
#[derive(Debug, thiserror::Error)]
#[error("a stream cannot open from `{0}`; allowed: start, last, none, an event id")]
pub struct ResumeError(String);

impl FromStr for Resume {
    type Err = ResumeError;

    fn from_str(text: &str) -> Result<Self, ResumeError> {
        match text {
            "start" => Ok(Self::Start),
            "last" => Ok(Self::Last),
            "none" => Ok(Self::None),
            number => number
                .parse()
                .map(Self::After)
                .map_err(|_| ResumeError(text.to_owned())),
        }
    }
}

impl fmt::Display for Resume {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => formatter.write_str("start"),
            Self::Last => formatter.write_str("last"),
            Self::None => formatter.write_str("none"),
            Self::After(event) => event.fmt(formatter),
        }
    }
}

read_from_text!(Resume, {
    "oneOf": [
        { "type": "string", "enum": ["start", "last", "none"] },
        { "type": "integer", "minimum": 0 },
    ],
});

impl Serialize for Resume {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::After(event) => serializer.serialize_u64(*event),
            Self::Start | Self::Last | Self::None => serializer.collect_str(self),
        }
    }
}
