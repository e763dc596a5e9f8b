//! What a session is about: the grouped form of its record (protocol §10), and the valid values in it.
//!
//! No state of any message here, and no wire form of any procedure.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

pub use super::agent::{Agent, AgentChoice, Mode, Model};
pub use super::callback_target::CallbackTarget;
use super::turn::Turn;
use crate::identity::{MessageId, SessionId, UserId};
use crate::secret::Secret;

/// Version of the grouped form.
pub const METADATA_SCHEMA_VERSION: u32 = 2;

/// Everything a session's turns have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Always [`METADATA_SCHEMA_VERSION`].
    pub metadata_schema_version: u32,
    /// Whose session it is, and what others call it.
    pub identity: Identity,
    /// What the session may do on its owner's behalf.
    #[serde(default)]
    pub auth: Auth,
    /// What the agent works on, if that was said.
    pub repository: Option<Repository>,
    /// The message the session began with, or is to begin with.
    pub initial_message: Option<InitialMessage>,
    /// What a turn is run with unless it says otherwise.
    #[serde(default)]
    pub agent: AgentChoice,
    /// What happens after a turn unless it says otherwise.
    #[serde(default)]
    pub finalization: Finalization,
    /// What the sandbox is set up with.
    #[serde(default)]
    pub profile: Profile,
    /// Where callbacks of messages admitted from now on go to.
    pub callback: Option<CallbackTarget>,
    /// The workspace, once one was ready.
    pub workspace: Option<Workspace>,
    /// When what happened.
    pub lifecycle: Lifecycle,
}

impl Metadata {
    /// What is to be known of a session at least, made at the time `now`.
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
            },
        }
    }

    /// The branch to work on, if one was asked for.
    pub fn branch(&self) -> Option<&str> {
        self.repository.as_ref().and_then(Repository::branch)
    }
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
    /// The bot on whose behalf it was made.
    pub bot_id: Option<String>,
    /// What kilo calls the session.
    pub kilo_session_id: Option<String>,
    /// Where it was made, for example a chat bot.
    pub created_on_platform: Option<String>,
}

/// What the session may do on its owner's behalf.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// The owner's token for the gateway, as older records have one.
    pub kilocode_token: Option<Secret>,
}

/// What a flat record or an old client calls a repository at a GitLab.
pub const GITLAB_PLATFORM: &str = "gitlab";

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
        url: RepositoryUrl,
        /// Branch to work on.
        branch: Option<String>,
    },
    /// Any other git repository.
    Git {
        /// Where it is, with `https`.
        url: RepositoryUrl,
        /// Secret to read it with.
        token: Option<Secret>,
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

/// Where a repository is. People write credentials into such places; they are for the wrapper only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RepositoryUrl(String);

impl RepositoryUrl {
    /// The place without what may be a credential: what stands before the host's name, and a query.
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

    /// Whether it is a URL with a host that is reached by that scheme.
    pub fn has_scheme(&self, scheme: &str) -> bool {
        let rest = self
            .0
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"));
        // The library mends what is not quite a URL; what is handed on to git must be one as it stands.
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

/// What the sandbox is set up with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Variables of the agent's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_vars: BTreeMap<String, Secret>,
    /// Commands that are run in a new workspace; they too may have secrets in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup_commands: Vec<Secret>,
    /// What is said to the agent beside its own system prompt; the mode `custom` is nothing without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_system_prompt: Option<String>,
    /// Whether the repository's history is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shallow: Option<bool>,
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

/// The message a session began with, or is to begin with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitialMessage {
    /// Its id; a prepared one of an older record has none until it is admitted.
    pub id: Option<MessageId>,
    /// What the agent is to do.
    pub turn: Turn,
}

/// A workspace that was ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// Where the repository lies.
    pub workspace_path: Option<String>,
    /// The sandbox it lies in.
    pub sandbox_id: Option<String>,
    /// The agent's home folder.
    pub session_home: Option<String>,
    /// The branch that is checked out.
    pub branch_name: Option<String>,
    /// What kilo calls the session.
    pub kilo_session_id: Option<String>,
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
    fn what_is_told_of_a_repository_has_no_credentials_in_it() {
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
