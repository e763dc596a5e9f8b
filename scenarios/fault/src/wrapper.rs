//! How the fake wrapper misbehaves.
//!
//! The script step `wrapper` and the fake's side door share this form. What each field does to the wire is described
//! in the README of the script language.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lapse::{Lapse, nonzero};
use crate::text::is_default;

/// All of a wrapper's behaviour: what is left out is as it should be, whatever an earlier step said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrapperBehaviour {
    /// How it gets ready for a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<Readiness>,
    /// How it takes turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Taking>,
    /// It answers no ping.
    #[serde(skip_serializing_if = "is_default")]
    pub deaf: bool,
    /// It answers pings and says nothing else; what it would have said is lost.
    #[serde(skip_serializing_if = "is_default")]
    pub silent: bool,
    /// So many more deltas of 1 KiB come at the beginning of each turn.
    #[serde(skip_serializing_if = "is_default")]
    pub babble: u32,
    /// After a turn its end is told so many times more, with an error that has `late` in it.
    #[serde(skip_serializing_if = "is_default")]
    pub late: u32,
    /// It says everything twice.
    #[serde(skip_serializing_if = "is_default")]
    pub duplicate: bool,
    /// It says that it is idle before it says that the answer is finished.
    #[serde(skip_serializing_if = "is_default")]
    pub ends_out_of_order: bool,
    /// A turn ends in idleness, and no answer is ever told of.
    #[serde(skip_serializing_if = "is_default")]
    pub no_reply: bool,
    /// A turn's answer is told of, and never that it is finished.
    #[serde(skip_serializing_if = "is_default")]
    pub unfinished_reply: bool,
    /// During each turn a child session falls idle.
    #[serde(skip_serializing_if = "is_default")]
    pub child_idle: bool,
    /// What it could not say while its ingest was away is lost.
    #[serde(skip_serializing_if = "is_default")]
    pub loses_buffer: bool,
    /// When it is bound anew it keeps the old ingest socket too, says everything on both, and opens one more
    /// under the old binding.
    #[serde(skip_serializing_if = "is_default")]
    pub keeps_old_socket: bool,
    /// What it says when all is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<Completion>,
    /// The next turn is not run but ends in a fatal error with this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fatal: Option<String>,
}

/// How `/session/ready` is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Readiness {
    /// So much later.
    #[serde(deserialize_with = "nonzero", skip_serializing_if = "Option::is_none")]
    pub delay: Option<Lapse>,
    /// With a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail: Option<Failure<ReadyCode>>,
}

/// How `/job/prompt` and `/job/command` are answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Taking {
    /// So much later.
    #[serde(deserialize_with = "nonzero", skip_serializing_if = "Option::is_none")]
    pub delay: Option<Lapse>,
    /// With a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail: Option<Failure<JobCode>>,
    /// The next so many turns are taken, and the answers that say so are lost.
    #[serde(skip_serializing_if = "is_default")]
    pub lose_reply: u32,
}

/// A failure that the wrapper tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failure<C> {
    /// Under which code.
    pub code: C,
    /// How many times; always if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<NonZeroU32>,
}

impl<C: Copy> Failure<C> {
    /// The code that the next request fails with, if it still does: counts one failure down.
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

/// Codes of a `/session/ready` that failed (protocol §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the protocol's own words")]
pub enum ReadyCode {
    WorkspaceSetupFailed,
    KiloServerFailed,
    InvalidRequest,
}

/// Codes of a refused `/job/…` (protocol §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the protocol's own words")]
pub enum JobCode {
    InvalidRequest,
    NoSession,
    ConnectionError,
    SendError,
}

/// What the wrapper's `complete` says, over what it would say by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Completion {
    /// `gateResult`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateVerdict>,
    /// `currentBranch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// It never comes.
    #[serde(skip_serializing_if = "is_default")]
    pub never: bool,
    /// `exitCode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// What a gate says (protocol §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the protocol's own words")]
pub enum GateVerdict {
    Pass,
    Fail,
}

impl WrapperBehaviour {
    /// The keys of what it does otherwise than it should, in the order of the alphabet.
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
        } = self;
        let keys = [
            (*babble > 0, "babble"),
            (*child_idle, "child-idle"),
            (complete.is_some(), "complete"),
            (*deaf, "deaf"),
            (*duplicate, "duplicate"),
            (*ends_out_of_order, "ends-out-of-order"),
            (fatal.is_some(), "fatal"),
            (job.is_some(), "job"),
            (*keeps_old_socket, "keeps-old-socket"),
            (*late > 0, "late"),
            (*loses_buffer, "loses-buffer"),
            (*no_reply, "no-reply"),
            (ready.is_some(), "ready"),
            (*silent, "silent"),
            (*unfinished_reply, "unfinished-reply"),
        ];
        keys.into_iter()
            .filter_map(|(is_there, key)| is_there.then_some(key))
            .collect()
    }
}

/// Its keys, for people: `deaf, no reply`.
impl fmt::Display for WrapperBehaviour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.keys().join(", ").replace('-', " "))
    }
}
