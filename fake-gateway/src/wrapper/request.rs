//! Requests of the session server to a wrapper (R5.24–R5.40, R5.71–R5.82).
//!
//! Parsing only; the answers are in `reply`. Code outside of this file sees only complete requests.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::behaviour::Behaviour;
use super::binding::{Binding, Places, SentBinding};
use super::reply::{Kind, Refusal};
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
    /// `GET /health`.
    Health,
    /// `POST /test/behaviour`.
    SetBehaviour(Behaviour),
}

/// Content of `POST /session/ready`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) session_id: String,
    /// Kilo's session id, if the server knows it from an earlier wrapper.
    pub(super) kilo_session_id: Option<String>,
    pub(super) places: Places,
    pub(super) binding: Binding,
}

/// Content of one delivered turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) kind: Kind,
    /// The user message to answer.
    pub(super) message_id: String,
    /// The prompt for the model.
    pub(super) text: String,
    /// The model; `None` for the model of the catalogue.
    pub(super) model: Option<String>,
    /// Work after the turn.
    pub(super) finalization: Finalization,
}

/// Work to do after the last turn (R11.22). Of condensing only its duration can be observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Finalization {
    /// Whether to commit.
    pub(super) auto_commit: Option<bool>,
    /// Whether to condense the conversation.
    pub(super) condense_on_complete: Option<bool>,
    /// The gate to run (R11.25); `off` means none.
    pub(super) gate_threshold: Option<String>,
}

impl Finalization {
    /// Whether there is work that can take time.
    pub(super) fn is_requested(&self) -> bool {
        self.auto_commit == Some(true) || self.condense_on_complete == Some(true)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentReady {
    agent_session_id: Option<String>,
    user_id: Option<String>,
    sandbox_id: Option<String>,
    kilo_session_id: Option<String>,
    #[serde(default)]
    workspace: SentWorkspace,
    #[serde(default)]
    session: SentBinding,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SentWorkspace {
    workspace_path: Option<String>,
    session_home: Option<String>,
    branch_name: Option<String>,
}

/// Parses the body of `POST /session/ready`.
///
/// # Errors
///
/// [`Refusal::Invalid`] names the invalid or missing field.
pub(super) fn parse_ready(body: &[u8]) -> Result<Request, Refusal> {
    let sent: SentReady = parse(body)?;
    let session_id = required("agentSessionId", sent.agent_session_id)?;
    required("userId", sent.user_id)?;
    let workspace = sent.workspace;
    Ok(Request::Ready(Ready {
        session_id,
        kilo_session_id: sent.kilo_session_id.filter(|id| !id.is_empty()),
        places: Places {
            sandbox_id: required("sandboxId", sent.sandbox_id)?,
            workspace_path: required("workspace.workspacePath", workspace.workspace_path)?,
            session_home: required("workspace.sessionHome", workspace.session_home)?,
            branch_name: required("workspace.branchName", workspace.branch_name)?,
        },
        binding: sent.session.complete()?,
    }))
}

#[derive(Deserialize)]
struct SentPrompt {
    #[serde(default)]
    message: SentMessage,
    #[serde(default)]
    agent: SentAgent,
    #[serde(default)]
    finalization: Finalization,
    #[serde(default)]
    session: SentBinding,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SentMessage {
    id: Option<String>,
    prompt: Option<String>,
    parts: Vec<SentPart>,
}

impl SentMessage {
    /// The prompt, or the texts of the parts, one a line.
    fn text(&mut self) -> Option<String> {
        let parts = self.parts.iter().filter_map(|part| part.text.as_deref());
        let of_parts = || parts.collect::<Vec<_>>().join("\n");
        self.prompt.take().or_else(|| Some(of_parts()))
    }
}

#[derive(Deserialize)]
struct SentPart {
    text: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SentAgent {
    model: Option<SentModel>,
}

#[derive(Deserialize)]
struct SentModel {
    #[serde(rename = "modelID")]
    model_id: String,
}

/// Parses the body of `POST /job/prompt`.
///
/// # Errors
///
/// [`Refusal::Invalid`] names the invalid or missing field.
pub(super) fn parse_prompt(body: &[u8]) -> Result<Request, Refusal> {
    let mut sent: SentPrompt = parse(body)?;
    let prompt = Prompt {
        kind: Kind::Prompt,
        text: required("message.prompt", sent.message.text())?,
        message_id: required("message.id", sent.message.id)?,
        model: sent.agent.model.map(|model| model.model_id),
        finalization: sent.finalization,
    };
    Ok(Request::Prompt(prompt, sent.session.complete()?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentCommand {
    command: Option<String>,
    #[serde(default)]
    args: String,
    message_id: Option<String>,
    #[serde(flatten)]
    finalization: Finalization,
    #[serde(default)]
    session: SentBinding,
}

/// Parses the body of `POST /job/command`. The text for the model follows R11.26 and R11.27.
///
/// # Errors
///
/// [`Refusal::Invalid`] names the invalid or missing field.
pub(super) fn parse_command(body: &[u8]) -> Result<Request, Refusal> {
    let sent: SentCommand = parse(body)?;
    let command = required("command", sent.command)?;
    let text = if has_directive(&sent.args) {
        sent.args
    } else {
        format!("/{command} {} {IDLE_DIRECTIVE}", sent.args)
    };
    let prompt = Prompt {
        kind: Kind::Command,
        text,
        message_id: required("messageId", sent.message_id)?,
        model: None,
        finalization: sent.finalization,
    };
    Ok(Request::Prompt(prompt, sent.session.complete()?))
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
                "command": "review", "args": arguments, "messageId": "msg_1", "autoCommit": true,
                "session": {
                    "ingestUrl": "ws://server", "workerAuthToken": "t",
                    "wrapperRunId": "wr_1", "wrapperGeneration": 0, "wrapperConnectionId": "c",
                },
            });
            let Ok(Request::Prompt(prompt, _)) = parse_command(body.to_string().as_bytes()) else {
                panic!("the command is complete");
            };
            assert_eq!(prompt.text, expected);
            assert_eq!(prompt.finalization.auto_commit, Some(true));
        }
    }

    #[test]
    fn the_texts_of_parts_are_the_prompt() {
        let body = json!({
            "message": { "id": "msg_1", "parts": [{ "type": "text", "text": "a" }, { "type": "file" }, { "text": "b" }] },
            "session": {
                "ingestUrl": "ws://server", "workerAuthToken": "t",
                "wrapperRunId": "wr_1", "wrapperGeneration": 0, "wrapperConnectionId": "c",
            },
        });
        let Ok(Request::Prompt(prompt, _)) = parse_prompt(body.to_string().as_bytes()) else {
            panic!("the prompt is complete");
        };
        assert_eq!((prompt.text.as_str(), prompt.model), ("a\nb", None));
    }

    #[test]
    fn a_malformed_request_is_refused_with_the_reason() {
        type Parse = fn(&[u8]) -> Result<Request, Refusal>;
        let cases: [(Parse, &str, &str); 9] = [
            (parse_ready, "", "unreadable body"),
            (parse_ready, "{}", "agentSessionId"),
            (
                parse_ready,
                r#"{"agentSessionId":"agent_1","userId":"u","sandboxId":"s"}"#,
                "workspace.workspacePath",
            ),
            (
                parse_ready,
                r#"{"agentSessionId":"agent_1","userId":"u","sandboxId":"s",
                    "workspace":{"workspacePath":"/w","sessionHome":"/h","branchName":"main"}}"#,
                "wrapperRunId",
            ),
            (parse_prompt, r#"{"message":{"id":"msg_1"}}"#, "message.prompt"),
            (parse_prompt, r#"{"message":{"prompt":"hi"}}"#, "message.id"),
            (
                parse_prompt,
                r#"{"message":{"id":"msg_1","prompt":"hi"},"session":{"wrapperGeneration":"1"}}"#,
                "unreadable body",
            ),
            (parse_command, r#"{"messageId":"msg_1"}"#, "command"),
            (parse_command, r#"{"command":"review"}"#, "messageId"),
        ];
        for (parse, body, named) in cases {
            let refusal = parse(body.as_bytes()).unwrap_err();
            assert!(refusal.to_string().contains(named), "{body}: {refusal}");
            assert_eq!(refusal.of_job().status, 400);
        }
    }
}
