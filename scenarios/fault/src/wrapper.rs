//! Misbehaviour of the fake wrapper.
//!
//! The script step `wrapper` and the fake's control route share this form. The README of the script language
//! describes the effect of each field on the wire.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::given_reply::GivenReply;
use crate::lapse::{Lapse, nonzero};
use crate::limit::{LONGEST_ANSWER, MOST_REPETITIONS, at_most};
use crate::odd_answer::OddAnswers;
use crate::text::is_default;

/// The complete behaviour of a wrapper. Fields that are left out mean normal behaviour, whatever an earlier
/// step set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrapperBehaviour {
    /// How it answers `/session/ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<ReadyBehaviour>,
    /// How it answers `/job/prompt` and `/job/command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobBehaviour>,
    /// Ignores pings.
    #[serde(skip_serializing_if = "is_default")]
    pub deaf: bool,
    /// Answers pings and sends nothing else; suppressed events are lost.
    #[serde(skip_serializing_if = "is_default")]
    pub silent: bool,
    /// Sends this many additional deltas of 1 KiB at the start of each turn.
    #[serde(
        deserialize_with = "at_most::<_, MOST_REPETITIONS>",
        skip_serializing_if = "is_default"
    )]
    #[schemars(extend("maximum" = MOST_REPETITIONS))]
    pub babble: u32,
    /// Reports the end of each turn this many times more, with an error that contains `late`.
    #[serde(
        deserialize_with = "at_most::<_, MOST_REPETITIONS>",
        skip_serializing_if = "is_default"
    )]
    #[schemars(extend("maximum" = MOST_REPETITIONS))]
    pub late: u32,
    /// Sends every frame twice.
    #[serde(skip_serializing_if = "is_default")]
    pub duplicate: bool,
    /// Reports idle before the end of the answer.
    #[serde(skip_serializing_if = "is_default")]
    pub ends_out_of_order: bool,
    /// Reports idle after a turn, but never an answer.
    #[serde(skip_serializing_if = "is_default")]
    pub no_reply: bool,
    /// Reports an answer, but never its end.
    #[serde(skip_serializing_if = "is_default")]
    pub unfinished_reply: bool,
    /// Reports idle for a child session during each turn.
    #[serde(skip_serializing_if = "is_default")]
    pub child_idle: bool,
    /// Loses the events that it could not send while its ingest was lost.
    #[serde(skip_serializing_if = "is_default")]
    pub loses_buffer: bool,
    /// When bound to another run, keeps the old ingest socket, sends every event on both, and opens one more
    /// socket under the old binding.
    #[serde(skip_serializing_if = "is_default")]
    pub keeps_old_socket: bool,
    /// Content of `complete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<Completion>,
    /// Ends the next turn with a fatal error with this text instead of running it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fatal: Option<String>,
    /// Time between the acceptance of a turn and its first event, instead of the agent's usual latency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Lapse>,
    /// Sends a `heartbeat` at this interval while a turn runs.
    #[serde(deserialize_with = "nonzero", skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Lapse>,
    /// The work after the last turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finalize: Option<Finalizing>,
    /// Makes the text of each answer this many characters long, if it is shorter.
    #[serde(
        deserialize_with = "at_most::<_, LONGEST_ANSWER>",
        skip_serializing_if = "is_default"
    )]
    #[schemars(extend("maximum" = LONGEST_ANSWER))]
    pub long_text: u32,
    /// Changes the parts of each answer before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<PartChange>,
    /// Ends the text of each answer with half of a surrogate pair, as an escape in JSON.
    #[serde(skip_serializing_if = "is_default")]
    pub lone_surrogate: bool,
    /// Names of commands that it announces when its ingest opens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// Reports preparation when its ingest opens for a new run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preparing: Option<Preparing>,
    /// Starts to open its ingest this many times more, and gives each attempt up while it opens.
    #[serde(
        deserialize_with = "at_most::<_, MOST_REPETITIONS>",
        skip_serializing_if = "is_default"
    )]
    #[schemars(extend("maximum" = MOST_REPETITIONS))]
    pub abandons_opening: u32,
}

/// The work after the last turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finalizing {
    /// Duration of auto-commit and condensing together.
    #[serde(deserialize_with = "nonzero")]
    pub takes: Lapse,
    /// Accepts prompts during this work and loses them.
    #[serde(default, rename = "loses-prompts", skip_serializing_if = "is_default")]
    pub loses_prompts: bool,
}

/// How the parts of an answer change before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartChange {
    /// A part with a smaller id than the others comes last.
    Reordered,
    /// A part gets a longer text without a delta.
    Updated,
    /// A part comes and is removed.
    Removed,
}

/// A step of preparation that the wrapper reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Preparing {
    /// Name of the step.
    pub step: String,
    /// Text for people.
    pub message: String,
}

/// How `/session/ready` is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReadyBehaviour {
    /// Delay of the answer.
    #[serde(deserialize_with = "nonzero", skip_serializing_if = "Option::is_none")]
    pub delay: Option<Lapse>,
    /// Failure to answer with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail: Option<Failure<ReadyCode>>,
    /// Answers that are not a wrapper's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<OddAnswers>,
    /// Answers with another status and body. They come before those of `answer` and `fail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<GivenReply>,
}

/// How `/job/prompt` and `/job/command` are answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct JobBehaviour {
    /// Delay of the answer.
    #[serde(deserialize_with = "nonzero", skip_serializing_if = "Option::is_none")]
    pub delay: Option<Lapse>,
    /// Failure to answer with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail: Option<Failure<JobCode>>,
    /// Accepts this many turns and loses the answers.
    #[serde(skip_serializing_if = "is_default")]
    pub lose_reply: u32,
    /// Answers that are not a wrapper's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<OddAnswers>,
    /// Answers with another status and body. They come before those of `answer` and `fail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<GivenReply>,
}

/// A failure that the wrapper reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failure<C> {
    /// Error code.
    pub code: C,
    /// Number of failures; by default all requests fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<NonZeroU32>,
}

impl<C: Copy> Failure<C> {
    /// Returns the code of the next failure and counts it; `None` if no failure is left.
    pub fn take_next(failure: &mut Option<Self>) -> Option<C> {
        let Self { code, times } = (*failure)?;
        if let Some(times) = times {
            *failure = NonZeroU32::new(times.get() - 1).map(|left| Self {
                code,
                times: Some(left),
            });
        }
        Some(code)
    }
}

/// Error codes of `/session/ready` (R5.74).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "names of the protocol")]
pub enum ReadyCode {
    WorkspaceSetupFailed,
    KiloServerFailed,
    InvalidRequest,
    NotReady,
}

/// Error codes of `/job/…` (R5.36–R5.39). A command that meets `SEND_ERROR` is answered with `COMMAND_ERROR` (R5.82).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "names of the protocol")]
pub enum JobCode {
    InvalidRequest,
    NoSession,
    ConnectionError,
    SendError,
}

/// Overrides fields of the wrapper's `complete`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Completion {
    /// `gateResult`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateVerdict>,
    /// `currentBranch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Never sends `complete`.
    #[serde(skip_serializing_if = "is_default")]
    pub never: bool,
    /// `exitCode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Keeps the ingest open after `complete`.
    #[serde(skip_serializing_if = "is_default")]
    pub stays: bool,
}

/// Result of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "names of the protocol")]
pub enum GateVerdict {
    Pass,
    Fail,
}

impl WrapperBehaviour {
    /// Keys of the fields that differ from normal behaviour, in alphabetical order.
    pub fn keys(&self) -> Vec<&'static str> {
        let Self {
            ready,
            job,
            deaf,
            silent,
            babble,
            late,
            duplicate,
            ends_out_of_order,
            no_reply,
            unfinished_reply,
            child_idle,
            loses_buffer,
            keeps_old_socket,
            complete,
            fatal,
            latency,
            heartbeat,
            finalize,
            long_text,
            parts,
            lone_surrogate,
            commands,
            preparing,
            abandons_opening,
        } = self;
        let keys = [
            (*abandons_opening > 0, "abandons-opening"),
            (*babble > 0, "babble"),
            (*child_idle, "child-idle"),
            (!commands.is_empty(), "commands"),
            (complete.is_some(), "complete"),
            (*deaf, "deaf"),
            (*duplicate, "duplicate"),
            (*ends_out_of_order, "ends-out-of-order"),
            (fatal.is_some(), "fatal"),
            (finalize.is_some(), "finalize"),
            (heartbeat.is_some(), "heartbeat"),
            (job.is_some(), "job"),
            (*keeps_old_socket, "keeps-old-socket"),
            (*late > 0, "late"),
            (latency.is_some(), "latency"),
            (*lone_surrogate, "lone-surrogate"),
            (*long_text > 0, "long-text"),
            (*loses_buffer, "loses-buffer"),
            (*no_reply, "no-reply"),
            (parts.is_some(), "parts"),
            (preparing.is_some(), "preparing"),
            (ready.is_some(), "ready"),
            (*silent, "silent"),
            (*unfinished_reply, "unfinished-reply"),
        ];
        keys.into_iter()
            .filter_map(|(is_there, key)| is_there.then_some(key))
            .collect()
    }
}

/// Displays the keys: `deaf, no reply`.
impl fmt::Display for WrapperBehaviour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.keys().join(", ").replace('-', " "))
    }
}
