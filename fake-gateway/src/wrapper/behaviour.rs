//! Configured misbehaviour of a wrapper: parses the body of its control route and counts what is used up.
//!
//! [`WrapperBehaviour`] defines the form; the lifecycle decides the effects. The default is normal behaviour.

use std::ops::Deref;
use std::time::Duration;

use serde_json::{Map, Value};
use turnstile_fault::{Failure, GivenReply, JobCode, OddAnswer, OddAnswers, ReadyCode, WrapperBehaviour};

use super::reply::{Refusal, Reply};

/// Message of a configured failure.
const STAGED: &str = "the side door asked for this failure";

impl From<ReadyCode> for Refusal {
    fn from(code: ReadyCode) -> Self {
        let text = STAGED.to_owned();
        match code {
            ReadyCode::WorkspaceSetupFailed => Self::WorkspaceSetup(text),
            ReadyCode::KiloServerFailed => Self::KiloServer(text),
            ReadyCode::InvalidRequest => Self::Invalid(text),
            ReadyCode::NotReady => Self::NotReady(text),
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

/// The configured misbehaviour that is not used up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Behaviour(WrapperBehaviour);

impl Deref for Behaviour {
    type Target = WrapperBehaviour;

    fn deref(&self) -> &WrapperBehaviour {
        &self.0
    }
}

impl Behaviour {
    /// Parses the body of `POST /test/behaviour`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] names the path and the problem.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let object: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| Refusal::Invalid(error.to_string()))?;
        let behaviour: WrapperBehaviour = serde_path_to_error::deserialize(Value::Object(object))
            .map_err(|error| Refusal::Invalid(error.to_string()))?;
        Ok(Self(behaviour))
    }

    /// How many times each event is sent.
    pub(super) fn copies(&self) -> usize {
        if self.duplicate { 2 } else { 1 }
    }

    /// Delay of the answer to `/session/ready`.
    pub(super) fn ready_delay(&self) -> Duration {
        let delay = self.ready.as_ref().and_then(|ready| ready.delay);
        delay.map(|delay| *delay).unwrap_or_default()
    }

    /// Delay of the answers to `/job/prompt` and `/job/command`.
    pub(super) fn job_delay(&self) -> Duration {
        let delay = self.job.as_ref().and_then(|job| job.delay);
        delay.map(|delay| *delay).unwrap_or_default()
    }

    /// Uses up one configured failure of `/session/ready`.
    pub(super) fn next_ready_refusal(&mut self) -> Option<Refusal> {
        let ready = self.0.ready.as_mut()?;
        Failure::take_next(&mut ready.fail).map(Refusal::from)
    }

    /// Uses up one configured failure of `/job/…`.
    pub(super) fn next_job_refusal(&mut self) -> Option<Refusal> {
        let job = self.0.job.as_mut()?;
        Failure::take_next(&mut job.fail).map(Refusal::from)
    }

    /// Uses up one configured loss of a `/job/…` reply. Returns false if none is left.
    pub(super) fn loses_next_reply(&mut self) -> bool {
        let Some(job) = &mut self.0.job else {
            return false;
        };
        let left = job.lose_reply.checked_sub(1);
        job.lose_reply = left.unwrap_or_default();
        left.is_some()
    }

    /// Uses up one given answer to `/session/ready`.
    pub(super) fn next_given_ready(&mut self) -> Option<Reply> {
        GivenReply::take_next(&mut self.0.ready.as_mut()?.reply).map(Reply::from)
    }

    /// Uses up one given answer to `/job/…`.
    pub(super) fn next_given_job(&mut self) -> Option<Reply> {
        GivenReply::take_next(&mut self.0.job.as_mut()?.reply).map(Reply::from)
    }

    /// Uses up one odd answer to `/session/ready`.
    pub(super) fn next_odd_ready(&mut self) -> Option<OddAnswer> {
        OddAnswers::take_next(&mut self.0.ready.as_mut()?.answer)
    }

    /// Uses up one odd answer to `/job/…`.
    pub(super) fn next_odd_job(&mut self) -> Option<OddAnswer> {
        OddAnswers::take_next(&mut self.0.job.as_mut()?.answer)
    }

    /// Uses up one attempt to open the ingest that is given up. Returns false if none is left.
    pub(super) fn abandons_next_opening(&mut self) -> bool {
        let left = self.0.abandons_opening.checked_sub(1);
        self.0.abandons_opening = left.unwrap_or_default();
        left.is_some()
    }

    /// Duration of the work after the last turn.
    pub(super) fn finalizing(&self) -> Duration {
        self.finalize.map(|finalize| *finalize.takes).unwrap_or_default()
    }

    /// Whether prompts that are accepted during the work after the last turn are lost.
    pub(super) fn loses_prompts(&self) -> bool {
        self.finalize.is_some_and(|finalize| finalize.loses_prompts)
    }

    /// Takes the text of the configured fatal error.
    pub(super) fn take_fatal(&mut self) -> Option<String> {
        self.0.fatal.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_is_normal_behaviour() {
        assert_eq!(Behaviour::parse(b"{}"), Ok(Behaviour::default()));
    }

    #[test]
    fn errors_name_the_path_of_the_field() {
        for (body, named) in [
            ("", "EOF"),
            ("[]", "expected a map"),
            (r#"{"mute":true}"#, "mute"),
            (r#"{"babble":70000}"#, "babble: "),
            (r#"{"late":-1}"#, "late: "),
            (r#"{"fatal":true}"#, "fatal: "),
            (r#"{"ready":{"delay":"8761h"}}"#, "ready.delay: "),
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
            (r#"{"long-text":1000001}"#, "long-text: "),
            (r#"{"finalize":{"takes":"0s"}}"#, "finalize.takes: "),
            (r#"{"job":{"answer":"xml"}}"#, "job.answer: "),
        ] {
            let refusal = Behaviour::parse(body.as_bytes()).unwrap_err().to_string();
            assert!(refusal.contains(named), "{body}: {refusal}");
        }
    }
}
