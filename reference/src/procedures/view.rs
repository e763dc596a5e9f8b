//! The replies of queries (protocol §2, §9). They contain no callback target, token, environment value or set-up
//! command (R9.68).

use serde_json::{Value, json};

use super::iso;
use crate::host::Description;
use crate::identity::SessionId;
use crate::model::metadata::{GITLAB_PLATFORM, Repository};
use crate::session::health::WrapperHealth;
use crate::session::kilo::ReplyEnd;

/// The reply of `getSession`.
pub fn session(description: &Description) -> Value {
    let metadata = &description.metadata;
    let (identity, lifecycle) = (&metadata.identity, &metadata.lifecycle);
    let execution = description.execution.as_ref().map(|execution| {
        let mut view = json!({
            "id": execution.id(),
            "status": execution.status(),
            "startedAt": iso(execution.started_at),
        });
        if let Some(message) = &execution.message_id {
            view["messageId"] = json!(message);
        }
        view
    });
    let mut view = json!({
        "sessionId": identity.session_id,
        "userId": identity.user_id,
        "execution": execution,
        "timestamp": iso(lifecycle.updated_at),
        "version": metadata.metadata_schema_version,
    });
    let mut add = |key: &str, value: Value| {
        if !value.is_null() {
            view[key] = value;
        }
    };
    add("kiloSessionId", json!(identity.kilo_session_id));
    add("orgId", json!(identity.org_id));
    let workspace = metadata.workspace.as_ref();
    add(
        "sandboxId",
        json!(workspace.map(|workspace| &workspace.sandbox_id)),
    );
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
    add("preparedAt", json!(lifecycle.prepared_at.map(iso)));
    add("initiatedAt", json!(lifecycle.initiated_at.map(iso)));
    view
}

/// The reply of `getSessionHealth`. `is_healthy` is the result of the wrapper's health check, `None` without a
/// sandbox.
pub fn health(session: &SessionId, description: &Description, is_healthy: Option<bool>) -> Value {
    let status = match is_healthy {
        None => "none",
        Some(true) => "healthy",
        Some(false) => "unreachable",
    };
    let mut sandbox = json!({"status": status});
    let workspace = description.metadata.workspace.as_ref();
    if let Some(id) = workspace.and_then(|workspace| workspace.sandbox_id.as_ref()) {
        sandbox["sandboxId"] = json!(id);
    }
    let execution = description.turn.as_ref().map(|turn| match &turn.running {
        None => json!({"messageId": turn.message, "status": "queued"}),
        Some((run, health)) => json!({
            "messageId": turn.message,
            "status": "running",
            "wrapperRunId": run,
            "health": match health {
                WrapperHealth::Healthy => "healthy",
                WrapperHealth::Disconnected => "disconnected",
                WrapperHealth::Stale => "stale",
            },
        }),
    });
    json!({"cloudAgentSessionId": session, "sandbox": sandbox, "execution": execution})
}

/// The reply of `getLatestAssistantMessage`.
pub fn latest_assistant_message(session: &SessionId, description: &Description) -> Value {
    let message = description.latest_reply.as_ref().map(|latest| {
        let reply = &latest.reply;
        let mut view = json!({
            "messageId": reply.answers,
            "assistantMessageId": reply.assistant_message_id,
            "completed": reply.end == Some(ReplyEnd::Completed),
        });
        if let Some(text) = &latest.text {
            view["text"] = json!(text);
        }
        if let Some(ReplyEnd::Failed(error)) = &reply.end {
            view["error"] = json!(error);
        }
        view
    });
    json!({"cloudAgentSessionId": session, "message": message})
}
