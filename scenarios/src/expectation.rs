//! What must be true when a scenario is over, beside what must be true of every scenario.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{ClientName, Label, NameError, OBSERVER};
use crate::place::At;
use crate::text::{is_default, read_from_text, write_as_text};
use crate::wait::Moment;

/// One thing that must be true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// These moments came in this order, whatever lay between them.
    Order(Vec<At<Milestone>>),
    /// How a message ended.
    Message(Outcome),
    /// What reached the receiver for a message.
    Callback(Callback),
    /// How many callbacks reached the receiver in all: distinct idempotency keys.
    Callbacks(u32),
    /// What a stream carried.
    Stream(StreamCount),
    /// What the gateway is left with.
    Gateway(GatewayState),
}

/// A moment of a message, written `sent first`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Milestone {
    /// What happened.
    pub moment: Moment,
    /// To which message.
    pub of: Label,
}

/// Why a text is no milestone.
#[derive(Debug, thiserror::Error)]
pub enum MilestoneError {
    #[error(
        "`{0}` is not a moment of a message; allowed: queued, sent, completed, failed or interrupted, then \
         the message's label"
    )]
    Form(String),
    #[error(transparent)]
    Label(#[from] NameError),
}

impl FromStr for Milestone {
    type Err = MilestoneError;

    fn from_str(text: &str) -> Result<Self, MilestoneError> {
        let form = || MilestoneError::Form(text.to_owned());
        let (word, label) = text.split_once(' ').ok_or_else(form)?;
        Ok(Self {
            moment: Moment::named(word).ok_or_else(form)?,
            of: label.trim().parse()?,
        })
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.moment, self.of)
    }
}

read_from_text!(Milestone, {
    "type": "string",
    "pattern": "^(queued|sent|completed|failed|interrupted) +[A-Za-z0-9_-]+$",
    "description": "queued, sent, completed, failed or interrupted, then a message's label",
});
write_as_text!(Milestone);

/// How a message ended, as its last `cloud.message.*` event tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Outcome {
    /// The message.
    pub of: At<Label>,
    /// Its end.
    pub is: Terminal,
    /// Why, if it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The evidence that settled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Whether the wrapper had ever taken it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<bool>,
    /// The event's `delivery`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// A text that the event's `error` contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The ends of a message (protocol §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the protocol's own words")]
pub enum Terminal {
    Completed,
    Failed,
    Interrupted,
}

/// `reason` of `cloud.message.failed` (protocol §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the protocol's own words")]
pub enum Reason {
    AssistantError,
    Interrupted,
    WrapperError,
    WrapperDisconnected,
    WrapperFailure,
    MissingAssistantReply,
    Exhausted,
}

/// `completionSource` (protocol §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the protocol's own words")]
pub enum Source {
    AssistantMessageEvent,
    Interrupt,
    WrapperFailure,
    IdleReconciliation,
    DeliveryFailure,
}

/// `delivery` of a `cloud.message.*` event (protocol §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the protocol's own words")]
pub enum Delivery {
    Queued,
    Sent,
}

/// What reached the receiver for one message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Callback {
    /// The message.
    pub r#for: At<Label>,
    /// How many jobs were delivered, which are requests answered with 2xx; 0 if none may be.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u32,
    /// The payload's `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Terminal>,
    /// The payload's `lastAssistantMessageText`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A text that the payload's `errorMessage` contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many requests there were in all, whatever they were answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_once(times: &u32) -> bool {
    *times == once()
}

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

/// What the gateway is left with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GatewayState {
    /// How many requests are still parked there.
    pub waiters: u32,
}
