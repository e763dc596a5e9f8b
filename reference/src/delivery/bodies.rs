//! The bodies of the requests to a wrapper, except the binding (R5.27, R5.30, R5.31).
//!
//! Only shapes: nothing here sends a request. Secrets of the user appear in `repo.token` and `materialized` only.

use serde_json::{Value, json};

use crate::model::message::{Message, Turn};
use crate::model::metadata::{Finalization, GITLAB_PLATFORM, Metadata, Profile, Repository};

/// The provider of every model that a server without other providers sends.
const PROVIDER: &str = "kilo";

/// The body of `POST /session/ready` (R5.27).
pub(super) fn ready(metadata: &Metadata, binding: &Value) -> Value {
    let identity = &metadata.identity;
    let places = metadata.places();
    let mut workspace = json!({
        "workspacePath": places.workspace_path,
        "sessionHome": places.session_home,
        "branchName": places.branch_name,
    });
    set(&mut workspace, "upstreamBranch", metadata.branch());
    let mut body = json!({
        "agentSessionId": identity.session_id,
        "userId": identity.user_id,
        "sandboxId": places.sandbox_id,
        "workspace": workspace,
        "materialized": materialized(&metadata.profile),
        "session": binding,
    });
    set(&mut body, "orgId", identity.org_id.as_ref());
    set(&mut body, "kiloSessionId", identity.kilo_session_id.as_ref());
    if let Some(repository) = &metadata.repository {
        let mut repo = repo(repository);
        set(&mut repo, "shallow", metadata.profile.shallow);
        body["repo"] = repo;
    }
    body
}

/// The repository (R5.71).
fn repo(repository: &Repository) -> Value {
    match repository {
        Repository::Github { repo, .. } => json!({"kind": "github", "repo": repo}),
        Repository::Gitlab { url, .. } => json!({"kind": "git", "url": url, "platform": GITLAB_PLATFORM}),
        Repository::Git { url, token, .. } => {
            let mut repo = json!({"kind": "git", "url": url});
            set(&mut repo, "token", token.as_ref());
            repo
        }
    }
}

/// The set-up of the sandbox.
fn materialized(profile: &Profile) -> Value {
    let mut materialized = json!({"env": profile.env_vars});
    if !profile.setup_commands.is_empty() {
        materialized["setupCommands"] = json!(profile.setup_commands);
    }
    materialized
}

/// The path and the body of the request that hands `message` over.
pub(super) fn job(message: &Message, metadata: &Metadata, binding: &Value) -> (&'static str, Value) {
    match &message.turn {
        Turn::Prompt { prompt, images } => {
            let mut content = json!({"id": message.id, "prompt": prompt});
            set(&mut content, "attachments", images.as_ref());
            let body = json!({
                "message": content,
                "agent": agent(message, &metadata.profile),
                "finalization": message.finalization,
                "session": binding,
            });
            ("/job/prompt", body)
        }
        Turn::Command { command, arguments } => {
            let mut body = json!({"command": command, "messageId": message.id, "session": binding});
            if !arguments.is_empty() {
                body["args"] = json!(arguments);
            }
            let Finalization {
                auto_commit,
                condense_on_complete,
                gate_threshold,
            } = message.finalization;
            set(&mut body, "autoCommit", auto_commit);
            set(&mut body, "condenseOnComplete", condense_on_complete);
            set(&mut body, "gateThreshold", gate_threshold);
            ("/job/command", body)
        }
    }
}

/// The agent of a prompt (R5.30, R5.80).
fn agent(message: &Message, profile: &Profile) -> Value {
    let chosen = &message.agent;
    let mut agent = json!({
        "mode": chosen.mode,
        "model": {"providerID": PROVIDER, "modelID": chosen.model},
    });
    set(&mut agent, "variant", chosen.variant.as_ref());
    set(&mut agent, "system", profile.append_system_prompt.as_ref());
    agent
}

/// Adds a field if there is a value.
fn set(object: &mut Value, name: &str, value: Option<impl serde::Serialize>) {
    if let Some(value) = value {
        object[name] = json!(value);
    }
}
