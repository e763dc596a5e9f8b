//! The inputs of procedures, for their schemas alone: nothing here is read or written. A field that may be absent may also
//! be `null`, unless its text says otherwise.

#![expect(
    missing_docs,
    reason = "a schema shows the names; a text states what they do not"
)]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::Value;

/// Pattern of a variant of a model.
const VARIANT: &str = "^[A-Za-z]{1,50}$";

/// The id of a session.
#[derive(JsonSchema)]
#[schemars(extend("pattern" = "^agent_[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"))]
pub struct SessionId(pub String);

/// The id of a message.
#[derive(JsonSchema)]
#[schemars(extend("pattern" = "^msg_[0-9a-f]{12}[0-9A-Za-z]{14}$"))]
pub struct MessageId(pub String);

/// What an agent does.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Mode {
    Code,
    Plan,
    Debug,
    Orchestrator,
    Ask,
    Build,
    Architect,
    /// Requires an `appendSystemPrompt` of the session.
    Custom,
}

/// The input of `start`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Start {
    pub message: FirstMessage,
    pub agent: Agent,
    pub finalization: Option<Finalization>,
    pub repository: Repository,
    pub profile: Option<SessionProfile>,
    pub options: Option<StartOptions>,
}

/// The first message of a session.
#[derive(JsonSchema)]
pub struct FirstMessage {
    #[schemars(length(min = 1, max = 100_000))]
    pub prompt: String,
    pub images: Option<Images>,
    /// Drawn by the server if it is absent. Not `null`.
    pub id: Option<MessageId>,
}

/// A message.
#[derive(JsonSchema)]
pub struct Message {
    #[schemars(length(min = 1))]
    pub prompt: String,
    pub images: Option<Images>,
    /// Drawn by the server if it is absent. A request that is sent again with the same id is the same message.
    pub id: Option<MessageId>,
}

/// Passed to the wrapper unchanged.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Images {
    List(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

/// The agent of a turn.
#[derive(JsonSchema)]
pub struct Agent {
    pub mode: Mode,
    /// A leading `kilo/` is removed.
    #[schemars(length(min = 1))]
    pub model: String,
    #[schemars(extend("pattern" = VARIANT))]
    pub variant: Option<String>,
}

/// What happens after a turn.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Finalization {
    pub auto_commit: Option<bool>,
    pub condense_on_complete: Option<bool>,
    pub gate_threshold: Option<GateThreshold>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum GateThreshold {
    Off,
    All,
    Warning,
    Critical,
}

/// Where the agent works.
#[derive(JsonSchema)]
#[schemars(tag = "type", rename_all = "lowercase")]
pub enum Repository {
    Github {
        /// `owner/name`.
        repo: String,
        branch: Option<String>,
    },
    Gitlab {
        url: String,
        branch: Option<String>,
    },
    Git {
        #[schemars(extend("pattern" = "^https://"))]
        url: String,
        token: Option<String>,
        branch: Option<String>,
    },
}

/// The environment of a session.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct SessionProfile {
    pub env_vars: Option<BTreeMap<String, String>>,
    pub setup_commands: Option<Vec<String>>,
    pub append_system_prompt: Option<String>,
    pub shallow: Option<bool>,
}

/// Further settings of a session. Unknown fields are refused.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartOptions {
    /// A server may refuse it here; see `prepareSession`.
    pub callback_target: Option<CallbackTarget>,
    pub kilocode_organization_id: Option<OrganizationId>,
    pub created_on_platform: Option<String>,
}

/// A UUID.
#[derive(JsonSchema)]
#[schemars(extend("format" = "uuid"))]
pub struct OrganizationId(pub String);

/// Where the ends of messages are reported.
#[derive(JsonSchema)]
pub struct CallbackTarget {
    /// An absolute URL, `http` or `https`.
    #[schemars(extend("pattern" = "^https?://"))]
    pub url: String,
    pub headers: Option<BTreeMap<String, String>>,
}

/// The input of `send`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Send {
    pub cloud_agent_session_id: SessionId,
    pub message: Message,
    /// That of the session, if it is absent.
    pub agent: Option<Agent>,
    pub finalization: Option<Finalization>,
}

/// The input of procedures that name the session `cloudAgentSessionId`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct OfSession {
    pub cloud_agent_session_id: SessionId,
}

/// The input of procedures that name the session `sessionId`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct OfSessionId {
    pub session_id: SessionId,
}

/// The input of `initiateFromKilocodeSessionV2`. Unknown fields are refused.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub struct Initiate {
    pub cloud_agent_session_id: SessionId,
}

/// The input of `prepareSession`: exactly one of `githubRepo` and `gitUrl`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct PrepareSession {
    #[schemars(length(min = 1, max = 100_000))]
    pub prompt: String,
    pub mode: Mode,
    #[schemars(length(min = 1))]
    pub model: String,
    #[schemars(extend("pattern" = VARIANT))]
    pub variant: Option<String>,
    /// `owner/name`.
    pub github_repo: Option<String>,
    /// Begins with `https://`, unless `platform` is `gitlab`.
    pub git_url: Option<String>,
    pub git_token: Option<String>,
    /// `gitlab` makes `gitUrl` a GitLab URL.
    pub platform: Option<String>,
    pub upstream_branch: Option<String>,
    pub env_vars: Option<BTreeMap<String, String>>,
    pub setup_commands: Option<Vec<String>>,
    pub callback_target: Option<CallbackTarget>,
    pub auto_commit: Option<bool>,
    pub condense_on_complete: Option<bool>,
    pub gate_threshold: Option<GateThreshold>,
    pub append_system_prompt: Option<String>,
    /// Drawn by the server if it is absent.
    pub initial_message_id: Option<MessageId>,
    /// Replaces `prompt`.
    pub initial_payload: Option<Payload>,
    /// Whether the first message is admitted too.
    pub auto_initiate: Option<bool>,
    pub shallow: Option<bool>,
    pub created_on_platform: Option<String>,
    pub kilocode_organization_id: Option<OrganizationId>,
}

/// A turn.
#[derive(JsonSchema)]
#[schemars(tag = "type", rename_all = "lowercase")]
pub enum Payload {
    Prompt {
        #[schemars(length(min = 1, max = 100_000))]
        prompt: String,
        images: Option<Images>,
        /// That of the session, if it is absent.
        mode: Option<Mode>,
        /// That of the session, if it is absent.
        model: Option<String>,
        #[schemars(extend("pattern" = VARIANT))]
        variant: Option<String>,
    },
    Command {
        #[schemars(length(min = 1))]
        command: String,
        arguments: Option<String>,
    },
}

/// The input of `sendMessageV2`, in one of two forms.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum SendMessageV2 {
    Flat(FlatMessage),
    Payload(PayloadMessage),
}

/// A prompt with its agent.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct FlatMessage {
    pub cloud_agent_session_id: SessionId,
    /// Drawn by the server if it is absent.
    pub message_id: Option<MessageId>,
    #[schemars(length(min = 1, max = 100_000))]
    pub prompt: String,
    pub mode: Mode,
    #[schemars(length(min = 1))]
    pub model: String,
    #[schemars(extend("pattern" = VARIANT))]
    pub variant: Option<String>,
    pub images: Option<Images>,
    pub auto_commit: Option<bool>,
    pub condense_on_complete: Option<bool>,
}

/// A turn in a payload.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct PayloadMessage {
    pub cloud_agent_session_id: SessionId,
    /// Drawn by the server if it is absent.
    pub message_id: Option<MessageId>,
    pub payload: Payload,
    pub images: Option<Images>,
    pub auto_commit: Option<bool>,
    pub condense_on_complete: Option<bool>,
}

/// The input of `updateSession`. Unknown fields are refused.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateSession {
    pub cloud_agent_session_id: SessionId,
    /// `null` removes the target; absent, nothing changes.
    pub callback_target: Option<CallbackTarget>,
}
