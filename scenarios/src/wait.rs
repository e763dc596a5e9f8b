//! The step `await`: going on only when something has happened.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{Label, Tag};
use crate::place::At;
use turnstile_fault::{Lapse, nonzero};

/// How long an `await` waits where the script does not say.
pub const DEFAULT_WITHIN: Lapse = Lapse::from_secs(60);

/// Waits for a condition, and fails the run if it does not come in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenAwait", into = "WrittenAwait")]
pub struct Await {
    /// What must happen.
    pub condition: Condition,
    /// By when, counted from this step.
    pub within: Lapse,
}

/// What can be waited for.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A request is parked at the gateway under this tag.
    Gate(At<Tag>),
    /// A message has got this far. True at once if it has already.
    Message {
        /// The message.
        of: At<Label>,
        /// How far.
        is: Moment,
    },
    /// So many callbacks for a message have been delivered since the run began.
    Callback {
        /// The message.
        of: At<Label>,
        /// How many jobs, counted as [`crate::Callback::times`] does.
        times: NonZeroU32,
    },
    /// Nothing is seen on any wire for that long.
    Quiet(Lapse),
}

/// The moments in the life of a message, as its `cloud.message.*` events tell them (protocol §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Admitted.
    Queued,
    /// Taken by the wrapper.
    Sent,
    /// Ended well.
    Completed,
    /// Ended with `cloud.message.failed`, status failed.
    Failed,
    /// Ended with `cloud.message.failed`, status interrupted.
    Interrupted,
}

impl Moment {
    const ALL: [Self; 5] = [
        Self::Queued,
        Self::Sent,
        Self::Completed,
        Self::Failed,
        Self::Interrupted,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Of the moments of one rank a message reaches at most one, and none of a lower rank afterwards.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Sent => 1,
            Self::Completed | Self::Failed | Self::Interrupted => 2,
        }
    }

    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|moment| moment.name() == word)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// An [`Await`] in the words of a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [
    { "required": ["gate"] },
    { "required": ["message", "is"] },
    { "required": ["callback"] },
    { "required": ["quiet"] },
]))]
struct WrittenAwait {
    /// A request is parked at the gateway under this tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gate: Option<At<Tag>>,
    /// This message has got as far as `is` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<At<Label>>,
    /// How far the message of `message` has got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is: Option<Moment>,
    /// A callback for this message has been delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    callback: Option<At<Label>>,
    /// How many callbacks; one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<NonZeroU32>,
    /// Nothing is seen on any wire for that long.
    #[serde(
        default,
        deserialize_with = "nonzero",
        skip_serializing_if = "Option::is_none"
    )]
    quiet: Option<Lapse>,
    /// By when; one minute if left out.
    #[serde(
        default,
        deserialize_with = "nonzero",
        skip_serializing_if = "Option::is_none"
    )]
    within: Option<Lapse>,
}

/// Why the keys of a step do not make a condition.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AwaitError {
    #[error("await waits for exactly one of: gate, message (with is), callback (with times or not), quiet")]
    Alternative,
    #[error("`message` needs `is`: queued, sent, completed, failed or interrupted")]
    MessageWithoutIs,
    #[error("`is` belongs to `message`")]
    Is,
    #[error("`times` belongs to `callback`")]
    Times,
    #[error("{quiet} of quiet cannot be seen within {within}: give a longer `within`")]
    Quiet { quiet: Lapse, within: Lapse },
}

impl TryFrom<WrittenAwait> for Await {
    type Error = AwaitError;

    fn try_from(written: WrittenAwait) -> Result<Self, AwaitError> {
        let within = written.within.unwrap_or(DEFAULT_WITHIN);
        if written.is.is_some() && written.message.is_none() {
            return Err(AwaitError::Is);
        }
        if written.times.is_some() && written.callback.is_none() {
            return Err(AwaitError::Times);
        }
        let condition = match (written.gate, written.message, written.callback, written.quiet) {
            (Some(tag), None, None, None) => Condition::Gate(tag),
            (None, Some(of), None, None) => Condition::Message {
                of,
                is: written.is.ok_or(AwaitError::MessageWithoutIs)?,
            },
            (None, None, Some(of), None) => Condition::Callback {
                of,
                times: written.times.unwrap_or(NonZeroU32::MIN),
            },
            (None, None, None, Some(quiet)) if quiet > within => {
                return Err(AwaitError::Quiet { quiet, within });
            }
            (None, None, None, Some(quiet)) => Condition::Quiet(quiet),
            _ => return Err(AwaitError::Alternative),
        };
        Ok(Self { condition, within })
    }
}

impl From<Await> for WrittenAwait {
    fn from(Await { condition, within }: Await) -> Self {
        let mut written = Self {
            gate: None,
            message: None,
            is: None,
            callback: None,
            times: None,
            quiet: None,
            within: Some(within).filter(|within| *within != DEFAULT_WITHIN),
        };
        match condition {
            Condition::Gate(tag) => written.gate = Some(tag),
            Condition::Message { of, is } => (written.message, written.is) = (Some(of), Some(is)),
            Condition::Callback { of, times } => {
                written.callback = Some(of);
                written.times = Some(times).filter(|times| *times != NonZeroU32::MIN);
            }
            Condition::Quiet(quiet) => written.quiet = Some(quiet),
        }
        written
    }
}
