//! What a session is about: the grouped form of its record (protocol §10), and the valid values in it.
//!
//! No state of any message here, and no wire form of any procedure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

use crate::identity::{MessageId, SessionId, UserId};
use crate::refusal::Refusal;

/// Version of the grouped form.
pub const METADATA_SCHEMA_VERSION: u32 = 2;

/// Modes that need no definition by the user.
const BUILT_IN_MODES: [&str; 8] = [
    "code",
    "plan",
    "debug",
    "orchestrator",
    "ask",
    "build",
    "architect",
    "custom",
];
/// The mode that is nothing without a system prompt of the user's.
const CUSTOM_MODE: &str = "custom";
/// What users may write in front of a model id; it means the same model.
const MODEL_PREFIX: &str = "kilo/";

/// Everything a session's turns have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Always [`METADATA_SCHEMA_VERSION`].
    pub metadata_schema_version: u32,
    /// Whose session it is, and what others call it.
    pub identity: Identity,
    /// What the agent works on.
    pub repository: Repository,
    /// What a turn is run with unless it says otherwise.
    pub agent: Agent,
    /// What happens after a turn unless it says otherwise.
    pub finalization: Finalization,
    /// The message the session began with.
    pub initial_message: Option<InitialMessage>,
    /// Where callbacks of messages admitted from now on go to.
    pub callback: Option<CallbackTarget>,
    /// The workspace, once one was ready.
    pub workspace: Option<Workspace>,
    /// When what happened.
    pub lifecycle: Lifecycle,
}

/// Whose session it is, and what others call it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The session.
    pub session_id: SessionId,
    /// Its owner.
    pub user_id: UserId,
    /// The organisation it is paid by.
    pub org_id: Option<String>,
    /// What kilo calls the session.
    pub kilo_session_id: Option<String>,
    /// Where it was made, for example a chat bot.
    pub created_on_platform: Option<String>,
}

/// What the agent works on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "type")]
pub enum Repository {
    /// A repository at GitHub; the server manages the token.
    Github {
        /// `owner/name`.
        repo: String,
        /// Branch to work on.
        branch: Option<String>,
    },
    /// A repository at a GitLab; the server manages the token.
    Gitlab {
        /// Where it is.
        url: String,
        /// Branch to work on.
        branch: Option<String>,
    },
    /// Any other git repository.
    Git {
        /// Where it is, with `https`.
        url: String,
        /// Secret to read it with.
        token: Option<String>,
        /// Branch to work on.
        branch: Option<String>,
    },
}

impl Repository {
    /// The branch to work on, if one was asked for.
    pub fn branch(&self) -> Option<&str> {
        match self {
            Self::Github { branch, .. } | Self::Gitlab { branch, .. } | Self::Git { branch, .. } => {
                branch.as_deref()
            }
        }
    }
}

/// What a turn is run with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// The agent's mode.
    pub mode: Mode,
    /// The model it calls.
    pub model: Model,
    /// The model's variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A mode that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(String);

impl TryFrom<String> for Mode {
    type Error = Refusal;

    fn try_from(name: String) -> Result<Self, Refusal> {
        if BUILT_IN_MODES.contains(&name.as_str()) {
            Ok(Self(name))
        } else {
            Err(Refusal::bad_request(format!(
                "unknown mode {name:?}: expected one of {}",
                BUILT_IN_MODES.join(", ")
            )))
        }
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.0
    }
}

impl Mode {
    /// The mode's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this mode is nothing without a system prompt of the user's.
    pub fn needs_system_prompt(&self) -> bool {
        self.0 == CUSTOM_MODE
    }
}

/// A model id without the prefix that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Model(String);

impl TryFrom<String> for Model {
    type Error = Refusal;

    fn try_from(id: String) -> Result<Self, Refusal> {
        let id = id.strip_prefix(MODEL_PREFIX).unwrap_or(&id);
        if id.is_empty() {
            return Err(Refusal::bad_request("no model: expected a model id"));
        }
        Ok(Self(id.to_owned()))
    }
}

impl From<Model> for String {
    fn from(model: Model) -> Self {
        model.0
    }
}

impl Model {
    /// The model's id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What happens after a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finalization {
    /// Commit what the agent changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_commit: Option<bool>,
    /// Condense the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condense_on_complete: Option<bool>,
    /// Findings from which on the gate fails; its result is awaited unless this is absent or `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate_threshold: Option<GateThreshold>,
}

impl Finalization {
    /// Whether the batch waits for a gate result (protocol §8).
    pub fn wants_gate_result(&self) -> bool {
        !matches!(self.gate_threshold, None | Some(GateThreshold::Off))
    }
}

/// Findings from which on the gate fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateThreshold {
    /// There is no gate.
    Off,
    /// Any finding.
    All,
    /// A warning or worse.
    Warning,
    /// Critical findings only.
    Critical,
}

/// The message a session began with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitialMessage {
    /// Its id.
    pub id: MessageId,
    /// Its text.
    pub prompt: String,
}

/// Where a callback goes to. Not told to anybody, not even to a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenTarget")]
pub struct CallbackTarget {
    /// An absolute `http` or `https` URL.
    pub url: String,
    /// Headers that the receiver wants, secrets among them. Their names and values are such as HTTP has.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl fmt::Debug for CallbackTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CallbackTarget")
    }
}

/// A [`CallbackTarget`] before it was looked at.
#[derive(Deserialize)]
struct WrittenTarget {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl TryFrom<WrittenTarget> for CallbackTarget {
    type Error = Refusal;

    fn try_from(WrittenTarget { url, headers }: WrittenTarget) -> Result<Self, Refusal> {
        let parsed: Option<http::Uri> = url.parse().ok();
        let is_absolute = parsed.is_some_and(|url| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && url.host().is_some_and(|host| !host.is_empty())
        });
        if !is_absolute {
            return Err(Refusal::bad_request(
                "the callback's url is not an absolute http or https URL",
            ));
        }
        for (name, value) in &headers {
            if name.parse::<http::HeaderName>().is_err() || value.parse::<http::HeaderValue>().is_err() {
                // The value may be a secret.
                return Err(Refusal::bad_request(format!(
                    "{name:?} is not a valid HTTP header"
                )));
            }
        }
        Ok(Self { url, headers })
    }
}

/// A workspace that was ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// Where the repository lies.
    pub workspace_path: String,
    /// The sandbox it lies in.
    pub sandbox_id: String,
    /// The agent's home folder.
    pub session_home: String,
    /// The branch that is checked out.
    pub branch_name: String,
    /// What kilo calls the session.
    pub kilo_session_id: String,
}

/// When what happened to a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// It was made.
    pub created_at: Timestamp,
    /// It was last changed.
    pub updated_at: Timestamp,
    /// Its workspace was first ready.
    pub prepared_at: Option<Timestamp>,
    /// A wrapper first took a message of it.
    pub initiated_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_loses_the_prefix_that_means_nothing_and_must_be_there() {
        let model = Model::try_from("kilo/fake-deterministic".to_owned()).unwrap();
        assert_eq!(model.as_str(), "fake-deterministic");
        assert!(Model::try_from("kilo/".to_owned()).is_err());
    }

    #[test]
    fn an_unknown_mode_is_refused_with_those_that_exist() {
        let refusal = Mode::try_from("cook".to_owned()).unwrap_err();
        assert!(refusal.text.contains("architect"), "{refusal}");
    }
}
