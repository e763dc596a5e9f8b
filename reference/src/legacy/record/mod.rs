//! Reads the stored sessions of an older service. A flat record becomes the grouped form (protocol §10).

pub mod execution;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::coverage::ServerMark;
use crate::identity::{MessageId, SessionId, UserId};
use crate::json::{self, Invalid, NotJson};
use crate::model::message::Turn;
use crate::model::metadata::{
    AgentChoice, Auth, CallbackTarget, Finalization, GITLAB_PLATFORM, GateThreshold, Identity,
    InitialMessage, Lifecycle, METADATA_SCHEMA_VERSION, Metadata, Mode, Model, Profile, Repository,
    Workspace,
};
use crate::secret::Secret;

/// The field with the version of a record.
const SCHEMA_VERSION: &str = "metadataSchemaVersion";

/// Why a record is unreadable.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableRecord {
    /// Unknown version (R10.3).
    #[error("{SCHEMA_VERSION} is {0}; this server reads {METADATA_SCHEMA_VERSION}")]
    Version(Value),
    /// The record does not have the form of its version.
    #[error(transparent)]
    Form(#[from] Invalid),
    /// Not JSON, or of another form. The error has the position and not the text, which may be a secret.
    #[error("unreadable at line {line}, column {column}")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
}

/// Reads a record of either form. A record with a version is never read as a flat one (R10.2).
///
/// # Errors
///
/// If the record has neither form.
pub fn read(record: &[u8]) -> Result<Metadata, UnreadableRecord> {
    let record = json::parse(record)?;
    match record.get(SCHEMA_VERSION) {
        None => {
            let flat: Flat = json::read(record)?;
            ServerMark::FlatRecordRead.hit();
            Ok(flat.into())
        }
        Some(version) if *version == METADATA_SCHEMA_VERSION => Ok(json::read(record)?),
        Some(version) => Err(UnreadableRecord::Version(version.clone())),
    }
}

impl From<serde_json::Error> for UnreadableRecord {
    fn from(error: serde_json::Error) -> Self {
        Self::Json {
            line: error.line(),
            column: error.column(),
        }
    }
}

impl From<NotJson> for UnreadableRecord {
    fn from(error: NotJson) -> Self {
        let (line, column) = error.position();
        Self::Json { line, column }
    }
}

/// A time in a stored record: Unix milliseconds or ISO 8601 (R10.5).
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Moment {
    Milliseconds(#[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")] Timestamp),
    Text(Timestamp),
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        match moment {
            Moment::Milliseconds(time) | Moment::Text(time) => time,
        }
    }
}

/// The flat record (R10.4–R10.21). Other fields are dropped, such as `githubToken`, which the server manages, and the
/// record's own `version`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Flat {
    timestamp: Moment,
    session_id: SessionId,
    user_id: UserId,
    org_id: Option<String>,
    bot_id: Option<String>,
    kilo_session_id: Option<String>,
    kilocode_token: Option<Secret>,
    created_on_platform: Option<String>,
    github_repo: Option<String>,
    git_url: Option<String>,
    git_token: Option<Secret>,
    platform: Option<String>,
    upstream_branch: Option<String>,
    prompt: Option<String>,
    initial_message_id: Option<MessageId>,
    mode: Option<Mode>,
    model: Option<Model>,
    variant: Option<String>,
    auto_commit: Option<bool>,
    condense_on_complete: Option<bool>,
    gate_threshold: Option<GateThreshold>,
    append_system_prompt: Option<String>,
    shallow: Option<bool>,
    callback_target: Option<CallbackTarget>,
    workspace_path: Option<String>,
    session_home: Option<String>,
    branch_name: Option<String>,
    sandbox_id: Option<String>,
    prepared_at: Option<Moment>,
    initiated_at: Option<Moment>,
    #[serde(default)]
    env_vars: BTreeMap<String, Secret>,
    #[serde(default)]
    setup_commands: Vec<Secret>,
}

impl Flat {
    fn repository(&mut self) -> Option<Repository> {
        let branch = self.upstream_branch.take();
        if let Some(repo) = self.github_repo.take() {
            return Some(Repository::Github { repo, branch });
        }
        let url = self.git_url.take()?.into();
        Some(if self.platform.as_deref() == Some(GITLAB_PLATFORM) {
            Repository::Gitlab { url, branch }
        } else {
            let token = self.git_token.take();
            Repository::Git { url, token, branch }
        })
    }

    fn workspace(&mut self) -> Option<Workspace> {
        let is_known = self.workspace_path.is_some()
            || self.session_home.is_some()
            || self.branch_name.is_some()
            || self.sandbox_id.is_some();
        is_known.then(|| Workspace {
            workspace_path: self.workspace_path.take(),
            sandbox_id: self.sandbox_id.take(),
            session_home: self.session_home.take(),
            branch_name: self.branch_name.take(),
            kilo_session_id: self.kilo_session_id.clone(),
        })
    }
}

impl From<Flat> for Metadata {
    fn from(mut flat: Flat) -> Self {
        let repository = flat.repository();
        let workspace = flat.workspace();
        let initial_message_id = flat.initial_message_id;
        let timestamp = flat.timestamp.into();
        Self {
            metadata_schema_version: METADATA_SCHEMA_VERSION,
            identity: Identity {
                session_id: flat.session_id,
                user_id: flat.user_id,
                org_id: flat.org_id,
                bot_id: flat.bot_id,
                kilo_session_id: flat.kilo_session_id,
                created_on_platform: flat.created_on_platform,
            },
            auth: Auth {
                kilocode_token: flat.kilocode_token,
            },
            repository,
            initial_message: flat.prompt.map(|prompt| InitialMessage {
                id: initial_message_id,
                turn: Turn::Prompt { prompt, images: None },
            }),
            agent: AgentChoice {
                mode: flat.mode,
                model: flat.model,
                variant: flat.variant,
            },
            finalization: Finalization {
                auto_commit: flat.auto_commit,
                condense_on_complete: flat.condense_on_complete,
                gate_threshold: flat.gate_threshold,
            },
            profile: Profile {
                env_vars: flat.env_vars,
                setup_commands: flat.setup_commands,
                append_system_prompt: flat.append_system_prompt,
                shallow: flat.shallow,
            },
            callback: flat.callback_target,
            workspace,
            lifecycle: Lifecycle {
                created_at: timestamp,
                updated_at: timestamp,
                prepared_at: flat.prepared_at.map(Into::into),
                initiated_at: flat.initiated_at.map(Into::into),
                changes: 1,
            },
            commands: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flat(more: &Value) -> Value {
        let mut record = json!({
            "version": 1_767_225_600_000_i64,
            "timestamp": 1_767_225_600_000_i64,
            "sessionId": "agent_6f1b2c3d-0000-4000-8000-00000000abcd",
            "userId": "user",
        });
        for (key, value) in more.as_object().unwrap() {
            record[key] = value.clone();
        }
        record
    }

    fn read_json(record: &Value) -> Result<Metadata, UnreadableRecord> {
        read(record.to_string().as_bytes())
    }

    #[test]
    fn a_flat_record_is_converted_once() {
        let metadata = read_json(&flat(&json!({
            "githubRepo": "o/r", "githubToken": "gone", "gitToken": "gone too", "upstreamBranch": "main",
            "prompt": "hello", "mode": "code", "model": "kilo/fake", "preparedAt": 1_767_225_601_000_i64,
            "callbackTarget": {"url": "https://receiver.example/", "headers": {"x-secret": "s"}},
            "workspacePath": "/w", "envVars": {"KEY": "value"}, "setupCommands": ["make"],
        })))
        .unwrap();
        assert_eq!(metadata.branch(), Some("main"));
        assert_eq!(metadata.agent.model.as_ref().map(Model::as_str), Some("fake"));
        assert_eq!(
            metadata.lifecycle.prepared_at,
            Some("2026-01-01T00:00:01Z".parse().unwrap())
        );
        let grouped = serde_json::to_value(&metadata).unwrap();
        assert!(!grouped.to_string().contains("gone"), "{grouped}");
        assert_eq!(read_json(&grouped).unwrap(), metadata);
    }

    #[test]
    fn the_token_is_kept_for_generic_git_and_dropped_for_gitlab() {
        let git = json!({"gitUrl": "https://git.example/a.git", "gitToken": "t"});
        let kept = read_json(&flat(&git)).unwrap();
        assert!(
            matches!(&kept.repository, Some(Repository::Git { token: Some(token), .. }) if token.expose() == "t")
        );
        let gitlab = json!({"gitUrl": "https://gitlab.example/a.git", "gitToken": "t", "platform": "gitlab"});
        let dropped = read_json(&flat(&gitlab)).unwrap();
        assert!(!serde_json::to_string(&dropped).unwrap().contains("\"t\""));
    }

    #[test]
    fn a_record_with_a_version_is_never_read_as_a_flat_one() {
        for version in [json!(2), json!(3), json!("2"), json!(null)] {
            let record = flat(&json!({"metadataSchemaVersion": version}));
            assert!(read_json(&record).is_err(), "{version}");
        }
    }
}
