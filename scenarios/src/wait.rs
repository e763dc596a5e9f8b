//! The steps `await`, which waits for a condition, and `wait`, which waits for a time.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::expectation::Watcher;
use crate::json::Subset;
use crate::name::{Label, Tag};
use crate::place::At;
use crate::shorthand::{MapForm, WordOr};
use turnstile_fault::{Lapse, is_default, nonzero};

/// The map form of the step `wait`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pause {
    /// How long.
    r#for: Lapse,
}

impl MapForm for Pause {
    const EXAMPLE: &'static str = "{ for: 3s }";
}

/// Deserializes the duration of the step `wait` from either form.
pub(crate) fn read_pause<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Lapse, D::Error> {
    Ok(match WordOr::deserialize(deserializer)? {
        WordOr::Word(At { value, .. }) => value,
        WordOr::Map(Pause { r#for }) => r#for,
    })
}

/// Default time limit of an `await`.
pub const DEFAULT_WITHIN: Lapse = Lapse::from_secs(60);

/// Waits for a condition, and fails the run if it is not met in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenAwait", into = "WrittenAwait")]
pub struct Await {
    /// The condition.
    pub condition: Condition,
    /// Time limit, counted from this step.
    pub within: Lapse,
}

/// A condition to wait for.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A request waits at this tag of the gateway.
    Gate(At<Tag>),
    /// A message has reached this state, now or earlier.
    Message {
        /// The message.
        of: At<Label>,
        /// The state.
        is: Moment,
    },
    /// This many callbacks for a message were delivered since the start of the run.
    Callback {
        /// The message.
        of: At<Label>,
        /// Number of jobs, counted as in [`crate::Callback::times`].
        times: NonZeroU32,
    },
    /// A client received this many such events since the start of the run.
    Stream {
        /// The events.
        of: AwaitedEvent,
        /// Number of events.
        times: NonZeroU32,
    },
    /// No traffic on any wire for this long.
    Quiet(Lapse),
}

/// Events that an `await` waits for; at least one of `event` and `has` is present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["event"] }, { "required": ["has"] }]))]
pub struct AwaitedEvent {
    /// Whose stream; default `observer`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client: At<Watcher>,
    /// A stream event type, or the name of a kilo event such as message.part.delta; by default any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Fields that the data of the event has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has: Option<At<Subset>>,
}

/// States of a message, from its `cloud.message.*` events (PROTOCOL.md §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Admitted.
    Queued,
    /// Accepted by the wrapper.
    Sent,
    /// Completed.
    Completed,
    /// `cloud.message.failed` with status failed.
    Failed,
    /// `cloud.message.failed` with status interrupted.
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

    /// Name in scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Order of states: a message reaches at most one state of each rank, in rising order.
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

/// An [`Await`] as written in a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [
    { "required": ["gate"] },
    { "required": ["message", "is"] },
    { "required": ["callback"] },
    { "required": ["stream"] },
    { "required": ["quiet"] },
]))]
struct WrittenAwait {
    /// A request waits at this tag of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gate: Option<At<Tag>>,
    /// This message has reached the state in `is`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<At<Label>>,
    /// State of the message in `message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is: Option<Moment>,
    /// A callback for this message was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    callback: Option<At<Label>>,
    /// A client has received such an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<AwaitedEvent>,
    /// Number of callbacks or events; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<NonZeroU32>,
    /// No traffic on any wire for this long.
    #[serde(
        default,
        deserialize_with = "nonzero",
        skip_serializing_if = "Option::is_none"
    )]
    quiet: Option<Lapse>,
    /// Time limit; default 1m.
    #[serde(
        default,
        deserialize_with = "nonzero",
        skip_serializing_if = "Option::is_none"
    )]
    within: Option<Lapse>,
}

/// Invalid keys of an `await` step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AwaitError {
    #[error(
        "`await` needs exactly one of `gate`, `message` (with `is`), `callback` or `stream` \
         (optionally with `times`), `quiet`"
    )]
    Alternative,
    #[error("`message` needs `is`: queued, sent, completed, failed or interrupted")]
    MessageWithoutIs,
    #[error("`is` is only allowed with `message`")]
    Is,
    #[error("`times` is only allowed with `callback` and `stream`")]
    Times,
    #[error("`stream` needs `event`, `has` or both")]
    Event,
    #[error("{quiet} of quiet do not fit within {within}: set a longer `within`")]
    Quiet { quiet: Lapse, within: Lapse },
}

impl TryFrom<WrittenAwait> for Await {
    type Error = AwaitError;

    fn try_from(written: WrittenAwait) -> Result<Self, AwaitError> {
        let within = written.within.unwrap_or(DEFAULT_WITHIN);
        if written.is.is_some() && written.message.is_none() {
            return Err(AwaitError::Is);
        }
        if written.times.is_some() && written.callback.is_none() && written.stream.is_none() {
            return Err(AwaitError::Times);
        }
        let times = written.times.unwrap_or(NonZeroU32::MIN);
        let keys = (
            written.gate,
            written.message,
            written.callback,
            written.stream,
            written.quiet,
        );
        let condition = match keys {
            (Some(tag), None, None, None, None) => Condition::Gate(tag),
            (None, Some(of), None, None, None) => Condition::Message {
                of,
                is: written.is.ok_or(AwaitError::MessageWithoutIs)?,
            },
            (None, None, Some(of), None, None) => Condition::Callback { of, times },
            (None, None, None, Some(of), None) => {
                let is_empty = of.event.as_ref().is_some_and(String::is_empty);
                if is_empty || of.event.is_none() && of.has.is_none() {
                    return Err(AwaitError::Event);
                }
                Condition::Stream { of, times }
            }
            (None, None, None, None, Some(quiet)) if quiet > within => {
                return Err(AwaitError::Quiet { quiet, within });
            }
            (None, None, None, None, Some(quiet)) => Condition::Quiet(quiet),
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
            stream: None,
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
            Condition::Stream { of, times } => {
                written.stream = Some(of);
                written.times = Some(times).filter(|times| *times != NonZeroU32::MIN);
            }
            Condition::Quiet(quiet) => written.quiet = Some(quiet),
        }
        written
    }
}
