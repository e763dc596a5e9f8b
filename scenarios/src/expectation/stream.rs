//! What clients see on their streams.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::{is_default, read_from_text, write_as_text};

use super::message::Milestone;
use crate::name::{ClientName, Label, NameError, OBSERVER};
use crate::place::At;

/// How often an event was seen on a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenStreamCount", into = "WrittenStreamCount")]
pub struct StreamCount {
    /// Whose stream: all that this client has seen in the whole run.
    pub client: At<Watcher>,
    /// A `streamEventType`, or the name of a kilo event such as `message.part.delta`.
    pub event: String,
    /// Only those about this message.
    pub of: Option<At<Label>>,
    /// How often.
    pub bounds: Bounds,
}

/// A number of times, from one bound to the other, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// No fewer.
    pub at_least: u32,
    /// No more, if there is a limit.
    pub at_most: Option<u32>,
}

/// Who looks at a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Watcher {
    /// The harness itself.
    #[default]
    Observer,
    /// A client.
    Client(ClientName),
}

impl FromStr for Watcher {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == OBSERVER {
            return Ok(Self::Observer);
        }
        text.parse().map(Self::Client)
    }
}

impl fmt::Display for Watcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Observer => formatter.write_str(OBSERVER),
            Self::Client(name) => name.fmt(formatter),
        }
    }
}

read_from_text!(Watcher, {
    "type": "string",
    "pattern": "^[A-Za-z0-9_-]+$",
    "description": "observer, or a client that was introduced by `open`",
});
write_as_text!(Watcher);

/// A [`StreamCount`] in the words of a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("anyOf" = [
    { "required": ["at-least"] },
    { "required": ["exactly"] },
    { "required": ["at-most"] },
]))]
struct WrittenStreamCount {
    /// Whose stream; the observer's if left out.
    #[serde(default, skip_serializing_if = "is_default")]
    client: At<Watcher>,
    /// A stream event type, or the name of a kilo event such as message.part.delta.
    event: String,
    /// Only those about this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<At<Label>>,
    /// No fewer times than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_least: Option<u32>,
    /// This often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exactly: Option<u32>,
    /// No more often than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_most: Option<u32>,
}

/// Why the keys of an expectation do not make a count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CountError {
    #[error("say how often: `exactly`, or `at-least`, `at-most` or both")]
    Unbounded,
    #[error("`exactly` leaves no room for `at-least` or `at-most`")]
    Exactly,
    #[error("no number is at least {at_least} and at most {at_most}")]
    Empty { at_least: u32, at_most: u32 },
    #[error("`event` is empty: name a stream event type or a kilo event")]
    Event,
}

impl TryFrom<WrittenStreamCount> for StreamCount {
    type Error = CountError;

    fn try_from(written: WrittenStreamCount) -> Result<Self, CountError> {
        if written.event.is_empty() {
            return Err(CountError::Event);
        }
        let bounds = match (written.at_least, written.exactly, written.at_most) {
            (None, None, None) => return Err(CountError::Unbounded),
            (None, Some(times), None) => Bounds {
                at_least: times,
                at_most: Some(times),
            },
            (_, Some(_), _) => return Err(CountError::Exactly),
            (Some(at_least), None, Some(at_most)) if at_least > at_most => {
                return Err(CountError::Empty { at_least, at_most });
            }
            (at_least, None, at_most) => Bounds {
                at_least: at_least.unwrap_or_default(),
                at_most,
            },
        };
        Ok(Self {
            client: written.client,
            event: written.event,
            of: written.of,
            bounds,
        })
    }
}

impl From<StreamCount> for WrittenStreamCount {
    fn from(count: StreamCount) -> Self {
        let Bounds { at_least, at_most } = count.bounds;
        let exactly = at_most.filter(|most| *most == at_least);
        let bounded = exactly.is_none();
        Self {
            client: count.client,
            event: count.event,
            of: count.of,
            at_least: (bounded && (at_least > 0 || at_most.is_none())).then_some(at_least),
            exactly,
            at_most: at_most.filter(|_| bounded),
        }
    }
}

/// What a client shows of a message's delivery when all is over (protocol §9).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BadgeShown {
    /// Who shows it.
    pub client: At<ClientName>,
    /// The message.
    pub of: At<Label>,
    /// What.
    pub is: BadgeWord,
}

/// What a badge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BadgeWord {
    /// It waits.
    Queued,
    /// It ended and was never taken.
    #[serde(rename = "Failed to deliver")]
    FailedToDeliver,
    /// There is no badge.
    #[serde(rename = "none")]
    None,
}

/// What a client was told of messages, with id 0, before anything happened on its latest stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Whose stream.
    pub client: At<ClientName>,
    /// All of it, in order.
    pub shows: Vec<At<Milestone>>,
}
