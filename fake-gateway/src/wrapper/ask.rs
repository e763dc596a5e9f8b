//! What the session server can ask of a wrapper over HTTP, and what it is answered (protocol §5).
//!
//! Parsing and shapes only. Past this file there are only complete requests.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::behaviour::Behaviour;
use super::binding::{Binding, IncompleteBinding, SentBinding, Session};
use crate::gateway::{IDLE_DIRECTIVE, has_directive};

/// The branch that is reported where none was asked for.
pub(super) const DEFAULT_BRANCH: &str = "main";

/// A request, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// `POST /session/ready`.
    Ready(Ready),
    /// `POST /job/prompt` or `POST /job/command`.
    Prompt(Prompt, Binding),
    /// `POST /job/abort`, for this wrapper run only if one is named.
    Abort(Option<String>),
    /// `GET /job/status`.
    Status,
    /// `POST /test/behaviour`.
    Behave(Behaviour),
}

/// What a wrapper is to be made ready for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    /// The session.
    pub(super) session_id: String,
    /// Kilo's side of it, if the server knows it from an earlier wrapper.
    pub(super) kilo_session_id: Option<String>,
    /// Where and as whom to report.
    pub(super) binding: Binding,
}

/// One turn, as it is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    /// The message that the turn answers.
    pub(super) message_id: String,
    /// What is said to the model.
    pub(super) text: String,
    /// Which model.
    pub(super) model: String,
    /// What is to follow the turn.
    pub(super) finalization: Finalization,
}

/// What is to follow a turn after which nothing is left to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Finalization {
    /// Whether the work is committed.
    pub(super) auto_commit: Option<bool>,
    /// The gate that the work has to pass, if any but `off`. What else a finalization says (condensing)
    /// leaves nothing to see.
    pub(super) gate_threshold: Option<String>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The request cannot be meant as it is.
    #[error("{0}")]
    Invalid(String),
    /// Nobody made this wrapper ready, it gave its session up since, or it is ready for another run.
    #[error("the wrapper is not ready for that")]
    NoSession,
    /// The ingest is not open.
    #[error("no ingest connection: {0}")]
    Connection(String),
    /// Kilo cannot be told.
    #[error("kilo was not reached: {0}")]
    Send(String),
    /// There is no workspace to work in.
    #[error("the workspace was not set up: {0}")]
    WorkspaceSetup(String),
    /// There is no kilo to work with.
    #[error("kilo did not start: {0}")]
    KiloServer(String),
}

impl Refusal {
    /// The HTTP status of the refusal.
    fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) | Self::NoSession => 400,
            Self::Connection(_) | Self::Send(_) | Self::WorkspaceSetup(_) | Self::KiloServer(_) => 500,
        }
    }

    /// The refusal's name on the wire.
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "INVALID_REQUEST",
            Self::NoSession => "NO_SESSION",
            Self::Connection(_) => "CONNECTION_ERROR",
            Self::Send(_) => "SEND_ERROR",
            Self::WorkspaceSetup(_) => "WORKSPACE_SETUP_FAILED",
            Self::KiloServer(_) => "KILO_SERVER_FAILED",
        }
    }

    /// The refusal of a `/job/…` request, or of one at the side door.
    pub(super) fn of_job(&self) -> Reply {
        Reply {
            status: self.status(),
            body: json!({ "error": self.code(), "message": self.to_string() }),
        }
    }

    /// The refusal of `/session/ready`: its body says what it is, under an HTTP status of success.
    pub(super) fn of_ready(&self) -> Reply {
        Reply::ok(json!({
            "status": "error",
            "error": { "code": self.code(), "message": self.to_string() },
        }))
    }
}

impl From<IncompleteBinding> for Refusal {
    fn from(incomplete: IncompleteBinding) -> Self {
        Self::Invalid(incomplete.to_string())
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    /// HTTP status.
    pub(super) status: u16,
    /// JSON body, null if there is none.
    pub(super) body: Value,
}

impl Reply {
    /// A 200 with this body.
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    /// It is done, and there is nothing to say about it.
    pub(super) fn done() -> Self {
        Self {
            status: 204,
            body: Value::Null,
        }
    }

    /// The turn was taken, now or before.
    pub(super) fn sent(message_id: &str) -> Self {
        Self::ok(json!({ "status": "sent", "messageId": message_id }))
    }

    /// The wrapper is ready for `session`. The places it names are as fake as the wrapper.
    pub(super) fn ready(session: &Session) -> Self {
        let Session {
            session_id,
            kilo_session_id,
            binding,
        } = session;
        Self::ok(json!({
            "status": "ready",
            "kiloSessionId": kilo_session_id,
            "workspaceReady": {
                "workspacePath": format!("/workspace/{session_id}"),
                "sandboxId": format!("sandbox-{session_id}"),
                "sessionHome": format!("/home/{session_id}"),
                "branchName": binding.upstream_branch.as_deref().unwrap_or(DEFAULT_BRANCH),
                "kiloSessionId": kilo_session_id,
            },
        }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentReady {
    cloud_agent_session_id: Option<String>,
    kilo_session_id: Option<String>,
    #[serde(default)]
    session: SentBinding,
}

/// Reads the body of `POST /session/ready`.
///
/// # Errors
///
/// [`Refusal::Invalid`] naming what is wrong or missing.
pub(super) fn parse_ready(body: &[u8]) -> Result<Ask, Refusal> {
    let sent: SentReady = parse(body)?;
    Ok(Ask::Ready(Ready {
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

/// Reads the body of `POST /job/prompt`.
///
/// # Errors
///
/// [`Refusal::Invalid`] naming what is wrong or missing.
pub(super) fn parse_prompt(body: &[u8]) -> Result<Ask, Refusal> {
    let mut sent: SentTurn = parse(body)?;
    let text = required("message.prompt", sent.message.prompt.take())?;
    sent.into_ask(text)
}

/// Reads the body of `POST /job/command`: as for a prompt, but with `command` and `arguments` in the
/// message. Arguments that say how the gateway is to answer are what the model is told; others follow
/// the command's name, and the answer is empty.
///
/// # Errors
///
/// [`Refusal::Invalid`] naming what is wrong or missing.
pub(super) fn parse_command(body: &[u8]) -> Result<Ask, Refusal> {
    let mut sent: SentTurn = parse(body)?;
    let command = required("message.command", sent.message.command.take())?;
    let arguments = std::mem::take(&mut sent.message.arguments);
    let text = if has_directive(&arguments) {
        arguments
    } else {
        format!("/{command} {arguments} {IDLE_DIRECTIVE}")
    };
    sent.into_ask(text)
}

impl SentTurn {
    fn into_ask(self, text: String) -> Result<Ask, Refusal> {
        let prompt = Prompt {
            message_id: required("message.id", self.message.id)?,
            text,
            model: required("agent.model", self.agent.model)?,
            finalization: self.finalization.unwrap_or_default(),
        };
        Ok(Ask::Prompt(prompt, self.session.complete()?))
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SentAbort {
    wrapper_run_id: Option<String>,
}

/// Reads the body of `POST /job/abort`, which may be empty.
///
/// # Errors
///
/// [`Refusal::Invalid`] if there is a body that makes no sense.
pub(super) fn parse_abort(body: &[u8]) -> Result<Ask, Refusal> {
    let sent = if body.is_empty() {
        SentAbort::default()
    } else {
        parse(body)?
    };
    Ok(Ask::Abort(sent.wrapper_run_id))
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
    use super::*;

    #[test]
    fn a_command_says_what_its_arguments_ask_for_or_else_nothing() {
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
            let Ok(Ask::Prompt(prompt, _)) = parse_command(body.to_string().as_bytes()) else {
                panic!("the command is complete");
            };
            assert_eq!(prompt.text, expected);
        }
    }

    #[test]
    fn a_bad_request_is_told_what_is_wrong_with_it() {
        type Parse = fn(&[u8]) -> Result<Ask, Refusal>;
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
