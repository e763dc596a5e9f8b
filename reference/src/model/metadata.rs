//! The metadata of a session in its grouped form (protocol §10), and the types of its values.
//!
//! Nothing here is about the state of a message, or the shape of an input.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

pub use super::agent::{Agent, AgentChoice, Mode, Model};
pub use super::callback_target::CallbackTarget;
use super::turn::Turn;
use crate::identity::{MessageId, SessionId, UserId};
use crate::secret::Secret;

/// The version of the grouped form (R10.1).
pub const METADATA_SCHEMA_VERSION: u32 = 2;

/// The branch of a session whose user requested none (R5.73).
const DEFAULT_BRANCH: &str = "main";

/// The metadata of a session, shared by its turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Always [`METADATA_SCHEMA_VERSION`].
    pub metadata_schema_version: u32,
    /// The ids of the session, and its owner.
    pub identity: Identity,
    /// Credentials of the owner.
    #[serde(default)]
    pub auth: Auth,
    /// The repository that the agent works on.
    pub repository: Option<Repository>,
    /// The first message, admitted or prepared.
    pub initial_message: Option<InitialMessage>,
    /// The default agent of turns.
    #[serde(default)]
    pub agent: AgentChoice,
    /// The default finalization of turns.
    #[serde(default)]
    pub finalization: Finalization,
    /// The set-up of the sandbox.
    #[serde(default)]
    pub profile: Profile,
    /// The callback target of messages that are admitted from now on (R2.89).
    pub callback: Option<CallbackTarget>,
    /// The workspace, once one was ready.
    pub workspace: Option<Workspace>,
    /// The times of events in the session's life.
    pub lifecycle: Lifecycle,
    /// The commands that the wrapper last offered, unchanged (R5.84). Absent before the first offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Value>,
}

impl Metadata {
    /// Metadata of a session created at `now`, without optional values.
    pub fn new(session_id: SessionId, user_id: UserId, now: Timestamp) -> Self {
        Self {
            metadata_schema_version: METADATA_SCHEMA_VERSION,
            identity: Identity {
                session_id,
                user_id,
                org_id: None,
                bot_id: None,
                kilo_session_id: None,
                created_on_platform: None,
            },
            auth: Auth::default(),
            repository: None,
            initial_message: None,
            agent: AgentChoice::default(),
            finalization: Finalization::default(),
            profile: Profile::default(),
            callback: None,
            workspace: None,
            lifecycle: Lifecycle {
                created_at: now,
                updated_at: now,
                prepared_at: None,
                initiated_at: None,
                changes: 0,
            },
            commands: None,
        }
    }

    /// The requested branch, if any.
    pub fn branch(&self) -> Option<&str> {
        self.repository.as_ref().and_then(Repository::branch)
    }

    /// The sandbox of the session (R5.73).
    pub fn sandbox_id(&self) -> String {
        let recorded = self
            .workspace
            .as_ref()
            .and_then(|workspace| workspace.sandbox_id.clone());
        recorded.unwrap_or_else(|| format!("sandbox-{}", self.identity.session_id.uuid()))
    }

    /// Whether the session has had a ready workspace: *warm* in the protocol (§4).
    pub fn had_workspace(&self) -> bool {
        self.workspace.is_some() || self.lifecycle.prepared_at.is_some()
    }

    /// The places of the session's work: those of its workspace, else the server's choice (R5.73).
    pub fn places(&self) -> Places {
        let session = &self.identity.session_id;
        let workspace = self.workspace.as_ref();
        let recorded = |place: fn(&Workspace) -> &Option<String>| workspace.and_then(|of| place(of).clone());
        Places {
            sandbox_id: self.sandbox_id(),
            workspace_path: recorded(|of| &of.workspace_path)
                .unwrap_or_else(|| format!("/workspace/{session}")),
            session_home: recorded(|of| &of.session_home).unwrap_or_else(|| format!("/home/{session}")),
            branch_name: recorded(|of| &of.branch_name)
                .unwrap_or_else(|| self.branch().unwrap_or(DEFAULT_BRANCH).to_owned()),
        }
    }
}

/// The places that a wrapper works at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The sandbox.
    pub sandbox_id: String,
    /// The path of the repository.
    pub workspace_path: String,
    /// The agent's home directory.
    pub session_home: String,
    /// The branch to check out.
    pub branch_name: String,
}

/// The ids of a session, and its owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The session id.
    pub session_id: SessionId,
    /// The owner.
    pub user_id: UserId,
    /// The organization that pays.
    pub org_id: Option<String>,
    /// The bot that created the session.
    pub bot_id: Option<String>,
    /// kilo's name for the session (R1.8).
    pub kilo_session_id: Option<String>,
    /// Where the session was created, for example a chat platform.
    pub created_on_platform: Option<String>,
}

/// Credentials of the owner.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// The owner's token for the gateway, in older records.
    pub kilocode_token: Option<Secret>,
}

/// The name of GitLab as a `platform`.
pub const GITLAB_PLATFORM: &str = "gitlab";

/// The repository that the agent works on (R2.45).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "type")]
pub enum Repository {
    /// A repository at GitHub; the server manages the token.
    Github {
        /// `owner/name`.
        repo: String,
        /// The requested branch.
        branch: Option<String>,
    },
    /// A repository at a GitLab; the server manages the token.
    Gitlab {
        /// The URL.
        url: RepositoryUrl,
        /// The requested branch.
        branch: Option<String>,
    },
    /// Any other git repository.
    Git {
        /// The URL, with scheme `https`.
        url: RepositoryUrl,
        /// The token for reading it.
        token: Option<Secret>,
        /// The requested branch.
        branch: Option<String>,
    },
}

impl Repository {
    /// The requested branch, if any.
    pub fn branch(&self) -> Option<&str> {
        match self {
            Self::Github { branch, .. } | Self::Gitlab { branch, .. } | Self::Git { branch, .. } => {
                branch.as_deref()
            }
        }
    }
}

/// The URL of a repository. It may contain credentials, which are for the wrapper only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RepositoryUrl(String);

impl RepositoryUrl {
    /// The URL without possible credentials: without the part before the host's name, and without the query (R9.59).
    pub fn public(&self) -> String {
        let (scheme, rest) = match self.0.split_once("://") {
            Some((scheme, rest)) => (format!("{scheme}://"), rest),
            None => (String::new(), self.0.as_str()),
        };
        let path_ends = rest.find(['?', '#']).unwrap_or(rest.len());
        let host_ends = rest[..path_ends].find('/').unwrap_or(path_ends);
        let host_begins = rest[..host_ends].rfind('@').map_or(0, |at| at + 1);
        format!("{scheme}{}", &rest[host_begins..path_ends])
    }

    /// Whether it is a URL with that scheme and a host.
    pub fn has_scheme(&self, scheme: &str) -> bool {
        let rest = self
            .0
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"));
        // The parser repairs malformed URLs, but git gets the text unchanged, so the text itself must be a URL.
        let begins_with_host = rest.is_some_and(|rest| !rest.starts_with(['/', '?', '#']));
        let is_plain = !self.0.contains(char::is_whitespace);
        begins_with_host && is_plain && Url::parse(&self.0).is_ok_and(|url| url.has_host())
    }
}

impl From<String> for RepositoryUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl fmt::Debug for RepositoryUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.public().fmt(formatter)
    }
}

/// The set-up of a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Variables of the agent's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_vars: BTreeMap<String, Secret>,
    /// Commands that run in a new workspace. They may contain secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup_commands: Vec<Secret>,
    /// A text that is added to the agent's system prompt; required by the mode `custom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_system_prompt: Option<String>,
    /// Whether the repository is cloned without history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shallow: Option<bool>,
}

/// The steps after a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finalization {
    /// Whether the agent's changes are committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_commit: Option<bool>,
    /// Whether the conversation is condensed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condense_on_complete: Option<bool>,
    /// The severity at which the gate fails. A gate result is awaited unless this is absent or `off` (R8.5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate_threshold: Option<GateThreshold>,
}

impl Finalization {
    /// Whether a gate result is awaited after a turn (R8.5).
    pub fn wants_gate_result(&self) -> bool {
        !matches!(self.gate_threshold, None | Some(GateThreshold::Off))
    }
}

/// The severity at which the gate fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateThreshold {
    /// No gate.
    Off,
    /// Any finding.
    All,
    /// A warning or worse.
    Warning,
    /// A critical finding.
    Critical,
}

/// The first message of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitialMessage {
    /// The message id. In older records it may be absent until the message is admitted (R10.15).
    pub id: Option<MessageId>,
    /// The content.
    pub turn: Turn,
}

/// A workspace that was ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// The path of the repository.
    pub workspace_path: Option<String>,
    /// The sandbox that contains it.
    pub sandbox_id: Option<String>,
    /// The agent's home directory.
    pub session_home: Option<String>,
    /// The branch that is checked out.
    pub branch_name: Option<String>,
    /// kilo's name for the session.
    pub kilo_session_id: Option<String>,
}

/// The times of events in a session's life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// The session was created.
    pub created_at: Timestamp,
    /// The metadata was last changed.
    pub updated_at: Timestamp,
    /// A workspace was first ready (R9.62).
    pub prepared_at: Option<Timestamp>,
    /// A wrapper first accepted a message (R9.63).
    pub initiated_at: Option<Timestamp>,
    /// The number of changes of the metadata (R9.65). Older records have been changed once, as far as known.
    #[serde(default = "one")]
    pub changes: u64,
}

fn one() -> u64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_has_no_credentials() {
        for (url, public) in [
            ("https://user:pass@git.example/a.git", "https://git.example/a.git"),
            ("https://token@git.example", "https://git.example"),
            ("https://git.example/a@b", "https://git.example/a@b"),
            (
                "https://git.example/a.git?private_token=t#f",
                "https://git.example/a.git",
            ),
            ("oauth2:token@git.example/a.git", "git.example/a.git"),
        ] {
            let url = RepositoryUrl::from(url.to_owned());
            assert_eq!(url.public(), public);
            assert_eq!(format!("{url:?}"), format!("{public:?}"));
        }
    }
}
