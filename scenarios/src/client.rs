//! Steps of a client other than sending messages: interrupting, and opening and closing its stream.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use turnstile_fault::{Lapse, is_default, read_from_text};

use crate::name::{ClientName, Label, SessionName};
use crate::place::At;
use crate::reply::{Reply, SuccessReply};
use crate::ticket::Ticket;

/// Interrupts the session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Interrupt {
    /// The session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: At<SessionName>,
    /// The client that sends the request.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client: At<ClientName>,
    /// Expected answer; default status 200.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reply: SuccessReply,
}

/// Opens a client's stream. Introduces the client if its name is new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Open {
    /// The client.
    pub client: At<ClientName>,
    /// The session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: At<SessionName>,
    /// Where the replay begins; default `start`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from: Resume,
    /// Event types to request; empty requests all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_types: Vec<String>,
    /// Executions whose events to request; empty requests all events, including those without an execution.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub executions: Vec<At<Label>>,
    /// Requests only events from this time on, counted from the start of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Lapse>,
    /// Requests only events up to this time, counted from the start of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Lapse>,
    /// How fast the client reads; default `eagerly`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reads: ReadingSpeed,
    /// What the client shows the server; default `own`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ticket: Ticket,
    /// Expected answer; 2xx means that the stream opens. The step waits for the answer only if this is present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
}

/// How fast a client reads its stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadingSpeed {
    /// Without delay.
    #[default]
    Eagerly,
    /// One frame per second.
    Slowly,
}

/// Closes a client's stream with a close frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Close {
    /// The client.
    pub client: At<ClientName>,
}

/// Where the replay of a stream begins (PROTOCOL.md §9).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Resume {
    /// All persisted events.
    #[default]
    Start,
    /// Events after the last persisted event that this client has received.
    Last,
    /// No replay: `replay=false`.
    None,
    /// Events after this event id.
    After(u64),
}

/// Invalid text for [`Resume`].
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
