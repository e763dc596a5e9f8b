//! The inputs of the V2 procedures. A value of these types is valid as far as it can be checked without the session
//! (protocol §2).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::coverage::ServerMark;
use crate::identity::{MessageId, SessionId};
use crate::model::message::Turn;
use crate::model::metadata::{
    Agent, AgentChoice, CallbackTarget, Finalization, GITLAB_PLATFORM, GateThreshold, Mode, Model, Profile,
    Repository, RepositoryUrl,
};
use crate::procedures::input::{Images, OrganizationId, Prompt, RepositoryName, Variant, require_https};
use crate::refusal::Refusal;
use crate::secret::Secret;

/// The input of `prepareSession` (R2.64–R2.73). A `githubToken` is ignored, because the server manages this token.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrepareSession {
    prompt: Prompt,
    mode: Mode,
    model: Model,
    variant: Option<Variant>,
    github_repo: Option<RepositoryName>,
    git_url: Option<RepositoryUrl>,
    git_token: Option<Secret>,
    platform: Option<String>,
    upstream_branch: Option<String>,
    #[serde(default)]
    env_vars: BTreeMap<String, Secret>,
    #[serde(default)]
    setup_commands: Vec<Secret>,
    pub(super) callback_target: Option<CallbackTarget>,
    auto_commit: Option<bool>,
    condense_on_complete: Option<bool>,
    gate_threshold: Option<GateThreshold>,
    append_system_prompt: Option<String>,
    pub(super) initial_message_id: Option<MessageId>,
    initial_payload: Option<Payload>,
    #[serde(default)]
    pub(super) auto_initiate: bool,
    shallow: Option<bool>,
    pub(super) created_on_platform: Option<String>,
    pub(super) kilocode_organization_id: Option<OrganizationId>,
}

/// The checked parts of a `prepareSession`.
pub(super) struct Prepared {
    pub turn: Turn,
    pub agent: Agent,
    pub repository: Repository,
    pub finalization: Finalization,
    pub profile: Profile,
}

impl PrepareSession {
    /// Checks the fields that depend on each other. A prompt may have `prompt_limit` characters.
    pub(super) fn parts(&mut self, prompt_limit: usize) -> Result<Prepared, Refusal> {
        if self.mode.needs_system_prompt() && self.append_system_prompt.is_none() {
            return Err(self.mode.lacks_system_prompt());
        }
        let prompt = self.prompt.within(prompt_limit, "prompt")?;
        let repository = self.repository()?;
        let turn = match self.initial_payload.take() {
            Some(payload) => payload.into_turn(None, prompt_limit)?.0,
            None => Turn::Prompt { prompt, images: None },
        };
        Ok(Prepared {
            turn,
            agent: Agent {
                mode: self.mode.clone(),
                model: self.model.clone(),
                variant: self.variant.take().map(Into::into),
            },
            repository,
            finalization: Finalization {
                auto_commit: self.auto_commit,
                condense_on_complete: self.condense_on_complete,
                gate_threshold: self.gate_threshold,
            },
            profile: Profile {
                env_vars: std::mem::take(&mut self.env_vars),
                setup_commands: std::mem::take(&mut self.setup_commands),
                append_system_prompt: self.append_system_prompt.take(),
                shallow: self.shallow,
            },
        })
    }

    fn repository(&mut self) -> Result<Repository, Refusal> {
        let branch = self.upstream_branch.take();
        match (self.github_repo.take(), self.git_url.take()) {
            (Some(repo), None) => Ok(Repository::Github {
                repo: repo.into(),
                branch,
            }),
            (None, Some(url)) if self.platform.as_deref() == Some(GITLAB_PLATFORM) => {
                Ok(Repository::Gitlab { url, branch })
            }
            (None, Some(url)) => Ok(Repository::Git {
                url: require_https(url, "gitUrl")?,
                token: self.git_token.take(),
                branch,
            }),
            (Some(_), Some(_)) | (None, None) => Err(Refusal::bad_request(
                "Invalid input: expected one of `githubRepo` and `gitUrl`, and not both",
            )),
        }
    }
}

/// The input of `initiateFromKilocodeSessionV2`. Strict (R2.76).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Initiate {
    pub(super) cloud_agent_session_id: SessionId,
}

/// The input of `updateSession`. Strict (R2.87).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateSession {
    pub(super) cloud_agent_session_id: SessionId,
    /// `None`: absent, no change. `Some(None)`: `null`, remove the target (R2.88).
    #[serde(default, deserialize_with = "present")]
    pub(super) callback_target: Option<Option<CallbackTarget>>,
}

/// Distinguishes `null` from absent.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<CallbackTarget>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// The input of `sendMessageV2`, in any of its three shapes (R2.80). Tokens are ignored (R2.82).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendMessage {
    pub(super) cloud_agent_session_id: SessionId,
    pub(super) message_id: Option<MessageId>,
    images: Option<Images>,
    auto_commit: Option<bool>,
    condense_on_complete: Option<bool>,
    payload: Option<Payload>,
    prompt: Option<Prompt>,
    mode: Option<Mode>,
    model: Option<Model>,
    variant: Option<Variant>,
}

impl SendMessage {
    /// Extracts turn, agent and finalization from any of the shapes. A prompt may have `prompt_limit` characters.
    pub(super) fn into_turn(self, prompt_limit: usize) -> Result<(Turn, AgentChoice, Finalization), Refusal> {
        let finalization = Finalization {
            auto_commit: self.auto_commit,
            condense_on_complete: self.condense_on_complete,
            gate_threshold: None,
        };
        if let Some(payload) = self.payload {
            if self.prompt.is_some() {
                return Err(Refusal::bad_request(
                    "Invalid input: expected one of `prompt` and `payload`, and not both",
                ));
            }
            let (turn, agent) = payload.into_turn(self.images, prompt_limit)?;
            match turn {
                Turn::Prompt { .. } => ServerMark::ProcedureSendPayload.hit(),
                Turn::Command { .. } => ServerMark::ProcedureSendCommand.hit(),
            }
            return Ok((turn, agent, finalization));
        }
        ServerMark::ProcedureSendFlat.hit();
        let missing = |field: &str| Refusal::bad_request(format!("Invalid input: missing field `{field}`"));
        let turn = Turn::Prompt {
            prompt: self
                .prompt
                .ok_or_else(|| missing("prompt"))?
                .within(prompt_limit, "prompt")?,
            images: self.images.map(Into::into),
        };
        let agent = AgentChoice {
            mode: Some(self.mode.ok_or_else(|| missing("mode"))?),
            model: Some(self.model.ok_or_else(|| missing("model"))?),
            variant: self.variant.map(Into::into),
        };
        Ok((turn, agent, finalization))
    }
}

/// The `payload` of a turn, with the fields of both types.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    r#type: PayloadType,
    prompt: Option<Prompt>,
    images: Option<Images>,
    mode: Option<Mode>,
    model: Option<Model>,
    variant: Option<Variant>,
    command: Option<CommandName>,
    arguments: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PayloadType {
    Prompt,
    Command,
}

impl Payload {
    /// Extracts the turn. `beside` are the images next to the payload. A prompt may have `prompt_limit` characters.
    fn into_turn(
        self,
        outer_images: Option<Images>,
        prompt_limit: usize,
    ) -> Result<(Turn, AgentChoice), Refusal> {
        let missing = |field| Refusal::bad_request(format!("Invalid input: missing field `payload.{field}`"));
        let images = self.images.or(outer_images);
        match self.r#type {
            PayloadType::Prompt => {
                let turn = Turn::Prompt {
                    prompt: self
                        .prompt
                        .ok_or_else(|| missing("prompt"))?
                        .within(prompt_limit, "payload.prompt")?,
                    images: images.map(Into::into),
                };
                let (mode, model, variant) = (self.mode, self.model, self.variant.map(Into::into));
                Ok((turn, AgentChoice { mode, model, variant }))
            }
            PayloadType::Command if images.is_some() => {
                Err(Refusal::bad_request("Invalid input: a command has no images"))
            }
            PayloadType::Command => {
                let turn = Turn::Command {
                    command: self.command.ok_or_else(|| missing("command"))?.0,
                    arguments: self.arguments.unwrap_or_default(),
                };
                Ok((turn, AgentChoice::default()))
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct CommandName(String);

impl TryFrom<String> for CommandName {
    type Error = Refusal;

    fn try_from(name: String) -> Result<Self, Refusal> {
        if name.trim().is_empty() {
            return Err(Refusal::bad_request("the command is empty"));
        }
        Ok(Self(name))
    }
}
