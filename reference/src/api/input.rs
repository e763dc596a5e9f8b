//! Inputs of the procedures as types: what has one of them is valid as far as it can be told without
//! looking at a session (protocol §2).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::identity::{MessageId, SessionId};
use crate::limits::PROMPT_LIMIT;
use crate::refusal::Refusal;
use crate::session::admission::AgentChoice;
use crate::session::message::Turn;
use crate::session::metadata::{Agent, CallbackTarget, Finalization, Mode, Model, Repository};

/// Reads an input, and says which field is wrong if one is.
pub fn read<T: DeserializeOwned>(input: Value) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(input).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." {
            String::new()
        } else {
            format!(" at `{path}`")
        };
        Refusal::bad_request(format!("Invalid input{place}: {}", error.inner()))
    })
}

/// Input of `start`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    pub message: NewMessage,
    pub agent: StartAgent,
    #[serde(default)]
    pub finalization: Finalization,
    pub repository: RepositoryInput,
    #[serde(default)]
    pub options: StartOptions,
}

/// Input of `send`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Send {
    pub cloud_agent_session_id: SessionId,
    pub message: NewMessage,
    #[serde(default)]
    pub agent: Option<SendAgent>,
    #[serde(default)]
    pub finalization: Finalization,
}

/// Input of procedures that name a session the newer way.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfSession {
    pub cloud_agent_session_id: SessionId,
}

/// Input of procedures that name a session the older way.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfSessionId {
    pub session_id: SessionId,
}

/// A message as a client asks for it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewMessage {
    prompt: Prompt,
    #[serde(default)]
    images: Option<Value>,
    pub id: Option<MessageId>,
}

impl NewMessage {
    /// What the agent shall do.
    pub fn into_turn(self) -> Turn {
        Turn::Prompt {
            prompt: self.prompt.0,
            images: self.images,
        }
    }

    /// The prompt's text.
    pub fn prompt(&self) -> &str {
        &self.prompt.0
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Prompt(String);

impl TryFrom<String> for Prompt {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        match text.chars().count() {
            0 => Err(Refusal::bad_request("the prompt is empty")),
            1..=PROMPT_LIMIT => Ok(Self(text)),
            count => Err(Refusal::bad_request(format!(
                "the prompt has {count} characters, more than {PROMPT_LIMIT}"
            ))),
        }
    }
}

/// What a session's turns are run with.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Agent")]
pub struct StartAgent(pub Agent);

impl TryFrom<Agent> for StartAgent {
    type Error = Refusal;

    fn try_from(agent: Agent) -> Result<Self, Refusal> {
        refuse_custom(&agent.mode)?;
        Ok(Self(agent))
    }
}

/// What one turn says of the agent.
#[derive(Debug, Deserialize)]
pub struct SendAgent {
    mode: Option<Mode>,
    model: Option<Model>,
    variant: Option<String>,
}

impl TryFrom<SendAgent> for AgentChoice {
    type Error = Refusal;

    fn try_from(SendAgent { mode, model, variant }: SendAgent) -> Result<Self, Refusal> {
        mode.as_ref().map_or(Ok(()), refuse_custom)?;
        Ok(Self { mode, model, variant })
    }
}

/// Neither `start` nor `send` has a place for the prompt that the custom mode needs.
fn refuse_custom(mode: &Mode) -> Result<(), Refusal> {
    if mode.needs_system_prompt() {
        let text = format!("mode {} needs a system prompt, and there is none", mode.as_str());
        return Err(Refusal::bad_request(text));
    }
    Ok(())
}

/// A repository as a client names it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Repository")]
pub struct RepositoryInput(pub Repository);

impl TryFrom<Repository> for RepositoryInput {
    type Error = Refusal;

    fn try_from(repository: Repository) -> Result<Self, Refusal> {
        match &repository {
            Repository::Git { url, .. } if !url.starts_with("https://") => {
                Err(Refusal::bad_request("a git repository is reached by https"))
            }
            _ => Ok(Self(repository)),
        }
    }
}

/// What else a session can be made with. Strict.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartOptions {
    pub callback_target: Option<CallbackTarget>,
    pub kilocode_organization_id: Option<String>,
    pub created_on_platform: Option<String>,
}
