//! Inputs of the procedures as types: what has one of them is valid as far as it can be told without
//! looking at a session (protocol §2).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::identity::{MessageId, SessionId};
use crate::limits::PROMPT_LIMIT;
use crate::refusal::Refusal;
use crate::session::message::Turn;
use crate::session::metadata::{
    Agent, AgentChoice, CallbackTarget, Finalization, Profile, Repository, RepositoryUrl,
};

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
    pub agent: Agent,
    #[serde(default)]
    pub finalization: Finalization,
    pub repository: RepositoryInput,
    #[serde(default)]
    pub profile: Profile,
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
    pub agent: AgentChoice,
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
    images: Option<Images>,
    pub id: Option<MessageId>,
}

impl NewMessage {
    /// What the agent shall do.
    pub fn into_turn(self) -> Turn {
        Turn::Prompt {
            prompt: self.prompt.into(),
            images: self.images.map(Into::into),
        }
    }
}

/// A prompt of a length that is allowed.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Prompt(String);

impl Prompt {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Prompt> for String {
    fn from(prompt: Prompt) -> Self {
        prompt.0
    }
}

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

/// Images of a message, which the wrapper reads: a list, or an object that says where they are.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub struct Images(Value);

impl TryFrom<Value> for Images {
    type Error = Refusal;

    fn try_from(images: Value) -> Result<Self, Refusal> {
        if images.is_array() || images.is_object() {
            Ok(Self(images))
        } else {
            Err(Refusal::bad_request(
                "the images are neither a list nor an object",
            ))
        }
    }
}

impl From<Images> for Value {
    fn from(images: Images) -> Self {
        images.0
    }
}

/// A repository as a client names it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Repository")]
pub struct RepositoryInput(pub Repository);

impl TryFrom<Repository> for RepositoryInput {
    type Error = Refusal;

    fn try_from(repository: Repository) -> Result<Self, Refusal> {
        if let Repository::Git { url, .. } = &repository {
            require_https(url.clone())?;
        }
        Ok(Self(repository))
    }
}

/// The URL of a git repository that is no GitHub's or GitLab's.
///
/// # Errors
///
/// If it is reached by anything but `https`.
pub fn require_https(url: RepositoryUrl) -> Result<RepositoryUrl, Refusal> {
    if url.has_scheme("https") {
        Ok(url)
    } else {
        Err(Refusal::bad_request("a git repository is reached by https"))
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
