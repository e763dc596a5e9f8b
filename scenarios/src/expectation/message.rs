//! Expectations about messages: the order of their states, and how they end.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{Label, NameError};
use crate::place::At;
use crate::wait::Moment;
use turnstile_fault::{read_from_text, write_as_text};

/// A state of a message, written `sent first`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Milestone {
    /// The state.
    pub moment: Moment,
    /// The message.
    pub of: Label,
}

/// Invalid text for [`Milestone`].
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

/// How a message ended, from its last `cloud.message.*` event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Outcome {
    /// The message.
    pub of: At<Label>,
    /// Final state.
    pub is: Terminal,
    /// Reason of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The event's `completionSource`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Whether the wrapper ever accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<bool>,
    /// The event's `delivery`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Text that the event's `error` contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The event's `attempts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

/// Final states of a message (PROTOCOL.md §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "names of the protocol")]
pub enum Terminal {
    Completed,
    Failed,
    Interrupted,
}

/// `reason` of `cloud.message.failed` (PROTOCOL.md §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "names of the protocol")]
pub enum Reason {
    AssistantError,
    Interrupted,
    WrapperError,
    WrapperDisconnected,
    WrapperFailure,
    MissingAssistantReply,
    Exhausted,
}

/// `completionSource` (PROTOCOL.md §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "names of the protocol")]
pub enum Source {
    AssistantMessageEvent,
    Interrupt,
    WrapperFailure,
    IdleReconciliation,
    DeliveryFailure,
}

/// `delivery` of a `cloud.message.*` event (PROTOCOL.md §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "names of the protocol")]
pub enum Delivery {
    Queued,
    Sent,
}
