//! How a wrapper is told to misbehave: the body of its side door, and how much of it is used up.
//!
//! Data only: the lifecycle looks things up here, and what they lead to is decided there. The default is
//! a wrapper that behaves.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::ask::Refusal;
use super::events::Verdict;

/// What a refusal says that was asked for.
const STAGED: &str = "the side door asked for this failure";

/// All ways of misbehaving, as they are written at the side door.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Behaviour {
    /// How `/session/ready` is answered.
    pub(super) ready: ReadyBehaviour,
    /// How `/job/prompt` and `/job/command` are answered.
    pub(super) job: JobBehaviour,
    /// Pings are not answered.
    pub(super) deaf: bool,
    /// Nothing but pongs leaves on the ingest, not even a goodbye; turns go on inside.
    pub(super) silent: bool,
    /// How many deltas of 1 KiB come on top of each turn, at its beginning.
    pub(super) babble: u16,
    /// How many times the reply of an ended turn is reported once more, now with an error.
    pub(super) late: u16,
    /// Every event is sent twice.
    pub(super) duplicate: bool,
    /// `session.idle` comes before the finished reply.
    pub(super) ends_out_of_order: bool,
    /// The assistant's message is never reported.
    pub(super) no_reply: bool,
    /// The assistant's message is never reported as completed.
    pub(super) unfinished_reply: bool,
    /// A child session falls idle during each turn.
    pub(super) child_idle: bool,
    /// What waits for the return of the ingest is lost.
    pub(super) loses_buffer: bool,
    /// A replaced binding is not let go.
    pub(super) keeps_old_socket: bool,
    /// What `complete` says.
    pub(super) complete: CompleteBehaviour,
    /// The next turn does not run, but fails for good with this text.
    pub(super) fatal: Option<String>,
}

/// How `/session/ready` is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ReadyBehaviour {
    delay_ms: Milliseconds,
    fail: Option<Failure<ReadyCode>>,
}

/// How `/job/prompt` and `/job/command` are answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct JobBehaviour {
    delay_ms: Milliseconds,
    fail: Option<Failure<JobCode>>,
    lose_reply: u32,
}

/// What `complete` says over what it would say by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct CompleteBehaviour {
    /// The gate's verdict, also where no gate was asked for.
    pub(super) gate: Option<Verdict>,
    /// The branch.
    pub(super) branch: Option<String>,
    /// It is not said at all, and the ingest stays open.
    pub(super) never: bool,
    /// The exit code.
    pub(super) exit_code: Option<i32>,
}

/// Few enough of them that no moment lies beyond the end of time.
type Milliseconds = u32;

/// A failure that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure<Code> {
    code: Code,
    /// How many requests it still meets; all of them if this is absent.
    times: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ReadyCode {
    WorkspaceSetupFailed,
    KiloServerFailed,
    InvalidRequest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum JobCode {
    InvalidRequest,
    NoSession,
    ConnectionError,
    SendError,
}

impl From<ReadyCode> for Refusal {
    fn from(code: ReadyCode) -> Self {
        let text = STAGED.to_owned();
        match code {
            ReadyCode::WorkspaceSetupFailed => Self::WorkspaceSetup(text),
            ReadyCode::KiloServerFailed => Self::KiloServer(text),
            ReadyCode::InvalidRequest => Self::Invalid(text),
        }
    }
}

impl From<JobCode> for Refusal {
    fn from(code: JobCode) -> Self {
        let text = STAGED.to_owned();
        match code {
            JobCode::InvalidRequest => Self::Invalid(text),
            JobCode::NoSession => Self::NoSession,
            JobCode::ConnectionError => Self::Connection(text),
            JobCode::SendError => Self::Send(text),
        }
    }
}

impl<Code: Copy + Into<Refusal>> Failure<Code> {
    /// What the next request is refused with, if it still is.
    fn next(&mut self) -> Option<Refusal> {
        if let Some(times) = &mut self.times {
            *times = times.checked_sub(1)?;
        }
        Some(self.code.into())
    }
}

impl ReadyBehaviour {
    /// How much later the answer is given.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.into())
    }

    /// What the request at hand is refused with, if it is.
    pub(super) fn next_refusal(&mut self) -> Option<Refusal> {
        self.fail.as_mut()?.next()
    }
}

impl JobBehaviour {
    /// How much later the answer is given.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.into())
    }

    /// What the request at hand is refused with, if it is.
    pub(super) fn next_refusal(&mut self) -> Option<Refusal> {
        self.fail.as_mut()?.next()
    }

    /// Whether the reply at hand is to be lost.
    pub(super) fn loses_next_reply(&mut self) -> bool {
        let left = self.lose_reply.checked_sub(1);
        self.lose_reply = left.unwrap_or_default();
        left.is_some()
    }
}

impl Behaviour {
    /// Reads the body of `POST /test/behaviour`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] with the place and the name of what is wrong.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let object: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| Refusal::Invalid(error.to_string()))?;
        serde_path_to_error::deserialize(Value::Object(object))
            .map_err(|error| Refusal::Invalid(error.to_string()))
    }

    /// How many times each event is sent.
    pub(super) fn copies(&self) -> usize {
        if self.duplicate { 2 } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_asked_for_is_a_wrapper_that_behaves() {
        assert_eq!(Behaviour::parse(b"{}"), Ok(Behaviour::default()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (body, named) in [
            ("", "EOF"),
            ("[]", "expected a map"),
            (r#"{"mute":true}"#, "mute"),
            (r#"{"babble":70000}"#, "babble: "),
            (r#"{"late":-1}"#, "late: "),
            (r#"{"fatal":true}"#, "fatal: "),
            (r#"{"ready":{"delayMs":4294967296}}"#, "ready.delayMs: "),
            (r#"{"ready":{"fail":{"code":"NO_SESSION"}}}"#, "ready.fail.code: "),
            (
                r#"{"job":{"fail":{"times":1}}}"#,
                "job.fail: missing field `code`",
            ),
            (
                r#"{"job":{"fail":{"code":"SEND_ERROR","time":1}}}"#,
                "job.fail.time: ",
            ),
            (r#"{"complete":{"gate":"off"}}"#, "complete.gate: "),
        ] {
            let refusal = Behaviour::parse(body.as_bytes()).unwrap_err().to_string();
            assert!(refusal.contains(named), "{body}: {refusal}");
        }
    }
}
