//! The inputs of the unified procedures. A value of these types is valid as far as it can be checked without the
//! session (protocol §2).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::identity::{MessageId, SessionId, hyphenated_uuid};
use crate::json;
use crate::model::message::Turn;
use crate::model::metadata::{
    Agent, CallbackTarget, Finalization, Mode, Model, Profile, Repository, RepositoryUrl,
};
use crate::refusal::Refusal;
use crate::secret::Secret;

/// Parses an input. The refusal names the field that is wrong (R2.22).
pub fn read<T: DeserializeOwned>(input: Value) -> Result<T, Refusal> {
    json::read(input).map_err(invalid)
}

/// Parses an input in which `null` differs from absent in the field at `path` (R2.33).
pub fn read_with_null_at<T: DeserializeOwned>(
    path: &'static [&'static str],
    input: Value,
) -> Result<T, Refusal> {
    json::read_with_null_at(path, input).map_err(invalid)
}

fn invalid(wrong: json::Invalid) -> Refusal {
    Refusal::bad_request(format!("Invalid input: {wrong}"))
}

/// The input of `start` (R2.49).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    pub message: NewMessage,
    pub agent: AgentInput,
    #[serde(default)]
    pub finalization: Finalization,
    pub repository: RepositoryInput,
    #[serde(default)]
    pub profile: Profile,
    #[serde(default)]
    pub options: StartOptions,
}

/// The input of `send` (R2.56).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Send {
    pub cloud_agent_session_id: SessionId,
    pub message: NewMessage,
    pub agent: Option<AgentInput>,
    #[serde(default)]
    pub finalization: Finalization,
}

/// The input of procedures that name the session `cloudAgentSessionId`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfSession {
    pub cloud_agent_session_id: SessionId,
}

/// The input of procedures that name the session `sessionId`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfSessionId {
    pub session_id: SessionId,
}

/// A message in an input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewMessage {
    prompt: Prompt,
    #[serde(default)]
    images: Option<Images>,
    /// Absent or a message id. Where `null` means the same as absent, it is dropped before (R2.117).
    #[serde(default, deserialize_with = "not_null")]
    pub id: Option<MessageId>,
}

/// Parses a field that is present, and must not be `null`.
fn not_null<'de, D: Deserializer<'de>>(value: D) -> Result<Option<MessageId>, D::Error> {
    MessageId::deserialize(value).map(Some)
}

impl NewMessage {
    /// Converts the message to a turn. The prompt may have any length (R2.114).
    pub fn into_turn(self) -> Turn {
        Turn::Prompt {
            prompt: self.prompt.0,
            images: self.images.map(Into::into),
        }
    }

    /// Converts the message to a turn with a limited prompt.
    ///
    /// # Errors
    ///
    /// If the prompt has more than `limit` characters (R2.38).
    pub fn into_turn_within(self, limit: usize) -> Result<Turn, Refusal> {
        self.prompt.within(limit, "message.prompt")?;
        Ok(self.into_turn())
    }
}

/// The agent of a turn in an input (R2.119).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentInput {
    mode: Mode,
    model: Model,
    variant: Option<Variant>,
}

impl From<AgentInput> for Agent {
    fn from(AgentInput { mode, model, variant }: AgentInput) -> Self {
        Self {
            mode,
            model,
            variant: variant.map(Into::into),
        }
    }
}

/// The variant of a model in an input: 1 to 50 letters (R2.115).
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Variant(String);

/// The maximum length of a variant (R2.115).
const VARIANT_LIMIT: usize = 50;

impl TryFrom<String> for Variant {
    type Error = Refusal;

    fn try_from(variant: String) -> Result<Self, Refusal> {
        let is_valid = (1..=VARIANT_LIMIT).contains(&variant.len())
            && variant.bytes().all(|byte| byte.is_ascii_alphabetic());
        if is_valid {
            Ok(Self(variant))
        } else {
            Err(Refusal::bad_request("the variant is not 1 to 50 letters"))
        }
    }
}

impl From<Variant> for String {
    fn from(variant: Variant) -> Self {
        variant.0
    }
}

/// The id of an organization in an input: a UUID (R2.116).
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct OrganizationId(String);

impl TryFrom<String> for OrganizationId {
    type Error = Refusal;

    fn try_from(id: String) -> Result<Self, Refusal> {
        if hyphenated_uuid(&id).is_none() {
            return Err(Refusal::bad_request("the organization's id is not a UUID"));
        }
        Ok(Self(id))
    }
}

impl From<OrganizationId> for String {
    fn from(id: OrganizationId) -> Self {
        id.0
    }
}

/// A prompt of at least one character.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Prompt(String);

impl Prompt {
    /// Returns the text. `field` is its place in the input, for the error.
    ///
    /// # Errors
    ///
    /// If it has more than `limit` characters (R2.38).
    pub fn within(&self, limit: usize, field: &str) -> Result<String, Refusal> {
        match self.0.chars().count() {
            count if count > limit => Err(Refusal::bad_request(format!(
                "Invalid input: at `{field}`: the prompt has {count} characters, more than {limit}"
            ))),
            _ => Ok(self.0.clone()),
        }
    }
}

impl TryFrom<String> for Prompt {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Err(Refusal::bad_request("the prompt is empty"));
        }
        Ok(Self(text))
    }
}

/// The images of a message, passed to the wrapper unchanged: a list or an object (R2.39).
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

/// A repository in an input (R2.45).
#[derive(Debug, Deserialize)]
pub struct RepositoryInput {
    r#type: RepositoryType,
    repo: Option<RepositoryName>,
    url: Option<RepositoryUrl>,
    token: Option<Secret>,
    branch: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RepositoryType {
    Github,
    Gitlab,
    Git,
}

/// The name of a GitHub repository, as `owner/name`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct RepositoryName(String);

impl TryFrom<String> for RepositoryName {
    type Error = Refusal;

    fn try_from(name: String) -> Result<Self, Refusal> {
        if name.trim().is_empty() {
            return Err(Refusal::bad_request("the repository's name is empty"));
        }
        Ok(Self(name))
    }
}

impl From<RepositoryName> for String {
    fn from(name: RepositoryName) -> Self {
        name.0
    }
}

impl TryFrom<RepositoryInput> for Repository {
    type Error = Refusal;

    fn try_from(input: RepositoryInput) -> Result<Self, Refusal> {
        let missing =
            |field| Refusal::bad_request(format!("Invalid input: missing field `repository.{field}`"));
        let RepositoryInput {
            r#type,
            repo,
            url,
            token,
            branch,
        } = input;
        Ok(match r#type {
            RepositoryType::Github => Self::Github {
                repo: repo.ok_or_else(|| missing("repo"))?.into(),
                branch,
            },
            RepositoryType::Gitlab => Self::Gitlab {
                url: url.ok_or_else(|| missing("url"))?,
                branch,
            },
            RepositoryType::Git => Self::Git {
                url: require_https(url.ok_or_else(|| missing("url"))?, "repository.url")?,
                token,
                branch,
            },
        })
    }
}

/// Checks the URL of a generic git repository. `field` is its place in the input, for the error.
///
/// # Errors
///
/// If the scheme is not `https`.
pub fn require_https(url: RepositoryUrl, field: &str) -> Result<RepositoryUrl, Refusal> {
    if url.has_scheme("https") {
        Ok(url)
    } else {
        Err(Refusal::bad_request(format!(
            "Invalid input at `{field}`: expected an https URL"
        )))
    }
}

/// The `options` of `start`. Strict (R2.51).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartOptions {
    callback_target: Option<CallbackTarget>,
    pub kilocode_organization_id: Option<OrganizationId>,
    pub created_on_platform: Option<String>,
}

impl StartOptions {
    /// Takes the callback target out of the options.
    ///
    /// # Errors
    ///
    /// If there is one and the server does not accept it here (R2.118).
    pub fn take_callback_target(&mut self, is_accepted: bool) -> Result<Option<CallbackTarget>, Refusal> {
        if self.callback_target.is_some() && !is_accepted {
            return Err(Refusal::bad_request(
                "Invalid input: at `options`: `callbackTarget` is not accepted here, use `prepareSession`",
            ));
        }
        Ok(self.callback_target.take())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn start(change: impl FnOnce(&mut Value)) -> Result<Start, Refusal> {
        let mut input = json!({
            "message": {"prompt": "hello"},
            "agent": {"mode": "code", "model": "fake"},
            "repository": {"type": "github", "repo": "o/r"},
        });
        change(&mut input);
        read_with_null_at(&["message", "id"], input)
    }

    #[test]
    fn a_message_id_may_be_null_in_send_only() {
        let send = json!({
            "cloudAgentSessionId": "agent_6f1b2c3d-0000-4000-8000-00000000abcd",
            "message": {"prompt": "hello", "id": null}, "agent": null,
        });
        let send: Send = read(send).unwrap();
        assert!(send.message.id.is_none() && send.agent.is_none());
        let refused = start(|input| input["message"]["id"] = Value::Null).unwrap_err();
        assert!(refused.text.contains("message.id"), "{refused}");
        // Everywhere else null is the same as absent.
        start(|input| input["message"]["images"] = Value::Null).unwrap();
    }

    #[test]
    fn a_target_at_the_start_is_refused_if_the_profile_says_so() {
        let with_target = |input: &mut Value| {
            input["options"] = json!({"callbackTarget": {"url": "http://receiver/"}});
        };
        let mut options = start(with_target).unwrap().options;
        assert!(options.take_callback_target(true).unwrap().is_some());
        let mut options = start(with_target).unwrap().options;
        let refused = options.take_callback_target(false).unwrap_err();
        assert!(refused.text.contains("callbackTarget"), "{refused}");
        let mut options = start(|_| ()).unwrap().options;
        assert!(options.take_callback_target(false).unwrap().is_none());
    }

    #[test]
    fn only_the_first_prompt_is_limited() {
        let long = |input: &mut Value| input["message"]["prompt"] = json!("é".repeat(11));
        let message = start(long).unwrap().message;
        assert!(message.into_turn_within(10).is_err());
        assert!(start(long).unwrap().message.into_turn_within(11).is_ok());
        start(long).unwrap().message.into_turn();
    }
}
