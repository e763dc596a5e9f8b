//! Expectations about clients' streams.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::is_default;

use super::message::Milestone;
use crate::json::Subset;
use crate::name::{ClientName, Label};
use crate::place::At;
use crate::watcher::Watcher;

/// How often an event occurred on a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenStreamCount", into = "WrittenStreamCount")]
pub struct StreamCount {
    /// Whose stream; all events that this client received in the whole run.
    pub client: At<Watcher>,
    /// A `streamEventType`, or the name of a kilo event such as `message.part.delta`.
    pub event: String,
    /// Counts only events about this message.
    pub of: Option<At<Label>>,
    /// Counts only events whose data has these fields.
    pub has: Option<At<Subset>>,
    /// How often.
    pub bounds: Bounds,
}

/// A range of counts, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Lower bound.
    pub at_least: u32,
    /// Upper bound; `None` if unlimited.
    pub at_most: Option<u32>,
}

/// A [`StreamCount`] as written in a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("anyOf" = [
    { "required": ["at-least"] },
    { "required": ["exactly"] },
    { "required": ["at-most"] },
]))]
struct WrittenStreamCount {
    /// Whose stream; default `observer`.
    #[serde(default, skip_serializing_if = "is_default")]
    client: At<Watcher>,
    /// A stream event type, or the name of a kilo event such as message.part.delta.
    event: String,
    /// Counts only events about this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<At<Label>>,
    /// Counts only events whose data has these fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    has: Option<At<Subset>>,
    /// Lower bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_least: Option<u32>,
    /// Exact count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exactly: Option<u32>,
    /// Upper bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_most: Option<u32>,
}

/// Invalid keys of a `stream` expectation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CountError {
    #[error("specify how often: `exactly`, or `at-least`, `at-most` or both")]
    Unbounded,
    #[error("`exactly` excludes `at-least` and `at-most`")]
    Exactly,
    #[error("`at-least` ({at_least}) is greater than `at-most` ({at_most})")]
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
            has: written.has,
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
            has: count.has,
            at_least: (bounded && (at_least > 0 || at_most.is_none())).then_some(at_least),
            exactly,
            at_most: at_most.filter(|_| bounded),
        }
    }
}

/// The delivery badge that a client shows for a message at the end (PROTOCOL.md §9).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BadgeShown {
    /// The client.
    pub client: At<ClientName>,
    /// The message.
    pub of: At<Label>,
    /// The badge.
    pub is: BadgeWord,
}

/// Text of a badge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BadgeWord {
    /// The message waits.
    Queued,
    /// The message ended without being accepted.
    #[serde(rename = "Failed to deliver")]
    FailedToDeliver,
    /// No badge.
    #[serde(rename = "none")]
    None,
}

/// The states of messages that a client received with id 0 at the start of its latest stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Whose stream.
    pub client: At<ClientName>,
    /// All states, in order.
    pub shows: Vec<At<Milestone>>,
}
