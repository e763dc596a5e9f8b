//! The replies about a session (protocol §2, §9). They contain no callback target, token, environment value or set-up
//! command (R9.68).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::host::Description;
use crate::legacy::model::name_active_execution_after;
use crate::model::metadata::{GITLAB_PLATFORM, Repository};
use crate::session::health::{CurrentWork, WorkHealth};

/// The state of a session's sandbox (R2.98–R2.124).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxStatus {
    /// Its wrapper answers.
    Healthy,
    /// A workspace was ready, and the wrapper does not answer.
    Unreachable,
    /// No workspace was ever ready.
    Unknown,
}

impl SandboxStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
        }
    }
}

/// The reply of `getSession` (R9.58).
pub fn session(description: &Description) -> Value {
    let metadata = &description.metadata;
    let (identity, lifecycle) = (&metadata.identity, &metadata.lifecycle);
    let mut view = json!({
        "sessionId": identity.session_id,
        "userId": identity.user_id,
        "sandboxId": metadata.sandbox_id(),
        "execution": execution(description),
        "timestamp": milliseconds(lifecycle.updated_at),
        "version": lifecycle.changes,
    });
    let mut add = |key: &str, value: Value| {
        if !value.is_null() {
            view[key] = value;
        }
    };
    add("kiloSessionId", json!(identity.kilo_session_id));
    add("orgId", json!(identity.org_id));
    match &metadata.repository {
        Some(Repository::Github { repo, .. }) => add("githubRepo", json!(repo)),
        Some(Repository::Gitlab { url, .. }) => {
            add("gitUrl", json!(url.public()));
            add("platform", json!(GITLAB_PLATFORM));
        }
        Some(Repository::Git { url, .. }) => add("gitUrl", json!(url.public())),
        None => {}
    }
    add("upstreamBranch", json!(metadata.branch()));
    if let Some(initial) = &metadata.initial_message {
        add("prompt", json!(initial.turn.content()));
        add("initialMessageId", json!(initial.id));
    }
    add("mode", json!(metadata.agent.mode));
    add("model", json!(metadata.agent.model));
    add("variant", json!(metadata.agent.variant));
    add("autoCommit", json!(metadata.finalization.auto_commit));
    add("preparedAt", json!(lifecycle.prepared_at.map(milliseconds)));
    add("initiatedAt", json!(lifecycle.initiated_at.map(milliseconds)));
    view
}

/// The current work: a message, else an execution of an older service (R9.61). `null` without either.
fn execution(description: &Description) -> Value {
    match (&description.work, &description.execution) {
        (Some(work), _) => {
            let is_stale = work.running == Some(WorkHealth::Stale);
            let health = if is_stale { "stale" } else { "healthy" };
            current(json!(work.message), status(work), work.started_at, health)
        }
        (None, Some(execution)) => {
            let (id, started_at) = (json!(execution.id()), execution.started_at);
            current(id, execution.status(), started_at, "healthy")
        }
        (None, None) => Value::Null,
    }
}

/// The fields of `execution` (R9.73–R9.77).
fn current(id: Value, status: &str, started_at: Timestamp, health: &str) -> Value {
    json!({
        "id": id,
        "status": status,
        "startedAt": milliseconds(started_at),
        "lastHeartbeat": null,
        "processId": null,
        "error": null,
        "health": health,
    })
}

/// The status of a message's work (R9.74).
fn status(work: &CurrentWork) -> &'static str {
    match work.running {
        Some(_) => "running",
        None => "pending",
    }
}

/// The reply of `getSessionHealth` (R2.97).
pub fn health(description: &Description, sandbox: SandboxStatus) -> Value {
    let metadata = &description.metadata;
    let mut view = json!({
        "cloudAgentSessionId": metadata.identity.session_id,
        "sandboxId": metadata.sandbox_id(),
        "sandboxStatus": sandbox.as_str(),
        "executionHealth": "none",
    });
    if let Some(work) = &description.work {
        view["executionHealth"] = json!(match work.running {
            Some(WorkHealth::Stale) => "stale",
            Some(WorkHealth::Unknown) => "unknown",
            Some(WorkHealth::Healthy) | None => "healthy",
        });
        name_active_execution_after(&work.message, status(work), &mut view);
    }
    view
}

/// The reply of `getLatestAssistantMessage` (R2.109).
pub fn latest_assistant_message(description: &Description) -> Value {
    let message = description.latest_assistant_message.as_ref().map(|latest| {
        json!({
            "eventId": latest.row.event_id,
            "timestamp": milliseconds(latest.row.at),
            "info": latest.info,
            "parts": latest.parts,
        })
    });
    json!({"cloudAgentSessionId": description.metadata.identity.session_id, "message": message})
}

/// A time as numbers in replies have it: Unix milliseconds.
fn milliseconds(time: Timestamp) -> i64 {
    time.as_millisecond()
}
