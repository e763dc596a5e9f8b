//! Requests of the session server to a wrapper (R5.26–R5.40).
//!
//! Parsing only; the answers are in `reply`. Code outside of this file sees only complete requests.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::behaviour::Behaviour;
use super::binding::{Binding, SentBinding};
use super::reply::Refusal;
use crate::gateway::{IDLE_DIRECTIVE, has_directive};

/// A parsed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// `POST /session/ready`.
    Ready(Ready),
    /// `POST /job/prompt` or `POST /job/command`.
    Prompt(Prompt, Binding),
    /// `POST /job/abort`, with the wrapper run it names.
    Abort(Option<String>),
    /// `GET /job/status`.
    Status,
    /// `POST /test/behaviour`.
    SetBehaviour(Behaviour),
}

/// Content of `POST /session/ready`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) session_id: String,
    /// Kilo's session id, if the server knows it from an earlier wrapper.
    pub(super) kilo_session_id: Option<String>,
    pub(super) binding: Binding,
}

/// Content of one delivered turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    /// The user message to answer.
    pub(super) message_id: String,
    /// The prompt for the model.
    pub(super) text: String,
    pub(super) model: String,
    /// Work after the turn.
    pub(super) finalization: Finalization,
}

/// Work to do after the last turn (R11.22). Condensing is ignored, because it is not observable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Finalization {
    /// Whether to commit.
    pub(super) auto_commit: Option<bool>,
    /// The gate to run (R11.25); `off` means none.
    pub(super) gate_threshold: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentReady {
    cloud_agent_session_id: Option<String>,
    kilo_session_id: Option<String>,
    #[serde(default)]
    session: SentBinding,
}

/// Parses the body of `POST /session/ready`.
///
/// # Errors
///
/// [`Refusal::Invalid`] names the invalid or missing field.
pub(super) fn parse_ready(body: &[u8]) -> Result<Request, Refusal> {
    let sent: SentReady = parse(body)?;
    Ok(Request::Ready(Ready {
        session_id: required("cloudAgentSessionId", sent.cloud_agent_session_id)?,
        kilo_session_id: sent.kilo_session_id.filter(|id| !id.is_empty()),
        binding: sent.session.complete()?,
    }))
}

#[derive(Deserialize)]
struct SentTurn {
    #[serde(default)]
    message: SentMessage,
    #[serde(default)]
    agent: SentAgent,
    #[serde(default)]
    finalization: Option<Finalization>,
    #[serde(default)]
    session: SentBinding,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SentMessage {
    id: Option<String>,
    prompt: Option<String>,
    command: Option<String>,
    arguments: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SentAgent {
    model: Option<String>,
}

/// Parses the body of `POST /job/prompt`.
///
/// # Errors
///
/// [`Refusal::Invalid`] names the invalid or missing field.
pub(super) fn parse_prompt(body: &[u8]) -> Result<Request, Refusal> {
    let mut sent: SentTurn = parse(body)?;
    let text = required("message.prompt", sent.message.prompt.take())?;
    sent.into_request(text)
}

/// Parses the body of `POST /job/command`, which has `command` and `arguments` in place of `prompt`. The text
/// for the model follows R11.26 and R11.27.
///
/// # Errors
///
/// [`Refusal::Invalid`] names the invalid or missing field.
pub(super) fn parse_command(body: &[u8]) -> Result<Request, Refusal> {
    let mut sent: SentTurn = parse(body)?;
    let command = required("message.command", sent.message.command.take())?;
    let arguments = std::mem::take(&mut sent.message.arguments);
    let text = if has_directive(&arguments) {
        arguments
    } else {
        format!("/{command} {arguments} {IDLE_DIRECTIVE}")
    };
    sent.into_request(text)
}

impl SentTurn {
    fn into_request(self, text: String) -> Result<Request, Refusal> {
        let prompt = Prompt {
            message_id: required("message.id", self.message.id)?,
            text,
            model: required("agent.model", self.agent.model)?,
            finalization: self.finalization.unwrap_or_default(),
        };
        Ok(Request::Prompt(prompt, self.session.complete()?))
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SentAbort {
    wrapper_run_id: Option<String>,
}

/// Parses the body of `POST /job/abort`, which may be empty.
///
/// # Errors
///
/// [`Refusal::Invalid`] if a body is present and malformed.
pub(super) fn parse_abort(body: &[u8]) -> Result<Request, Refusal> {
    let sent = if body.is_empty() {
        SentAbort::default()
    } else {
        parse(body)?
    };
    Ok(Request::Abort(sent.wrapper_run_id))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Invalid(format!("unreadable body: {error}")))
}

fn required(name: &str, value: Option<String>) -> Result<String, Refusal> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Refusal::Invalid(format!("{name} is missing")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_uses_the_directive_in_its_arguments_or_idle() {
        for (arguments, expected) in [
            ("__fake__:echo:hi", "__fake__:echo:hi"),
            ("the tests", "/review the tests __fake__:idle"),
        ] {
            let body = json!({
                "message": { "id": "msg_1", "command": "review", "arguments": arguments },
                "agent": { "model": "m" },
                "session": {
                    "ingestUrl": "ws://server", "workerAuthToken": "t",
                    "wrapperRunId": "wr_1", "wrapperGeneration": 0, "wrapperConnectionId": "c",
                },
            });
            let Ok(Request::Prompt(prompt, _)) = parse_command(body.to_string().as_bytes()) else {
                panic!("the command is complete");
            };
            assert_eq!(prompt.text, expected);
        }
    }

    #[test]
    fn a_malformed_request_is_refused_with_the_reason() {
        type Parse = fn(&[u8]) -> Result<Request, Refusal>;
        let cases: [(Parse, &str, &str); 7] = [
            (parse_ready, "", "unreadable body"),
            (parse_ready, "{}", "cloudAgentSessionId"),
            (
                parse_ready,
                r#"{"cloudAgentSessionId":"agent_1"}"#,
                "wrapperRunId",
            ),
            (parse_prompt, r#"{"message":{"id":"msg_1"}}"#, "message.prompt"),
            (parse_prompt, r#"{"message":{"prompt":"hi"}}"#, "message.id"),
            (
                parse_prompt,
                r#"{"message":{"id":"msg_1","prompt":"hi"},"agent":{"model":"m"},"session":{"wrapperGeneration":"1"}}"#,
                "unreadable body",
            ),
            (
                parse_command,
                r#"{"message":{"id":"msg_1"},"agent":{"model":"m"}}"#,
                "message.command",
            ),
        ];
        for (parse, body, named) in cases {
            let refusal = parse(body.as_bytes()).unwrap_err();
            assert!(refusal.to_string().contains(named), "{body}: {refusal}");
            assert_eq!(refusal.of_job().status, 400);
        }
    }
}
