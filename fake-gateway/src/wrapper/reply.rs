//! Answers of a wrapper to requests (R5.26–R5.40), and why a request is refused.
//!
//! Shapes only.

use serde_json::{Value, json};

use super::binding::{DEFAULT_BRANCH, IncompleteBinding, Session};

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The request is malformed.
    #[error("{0}")]
    Invalid(String),
    /// The wrapper was not made ready, dropped its binding, or is bound to another run.
    #[error("the wrapper is not ready for that")]
    NoSession,
    /// The ingest is not open.
    #[error("no ingest connection: {0}")]
    Connection(String),
    /// Kilo did not accept the turn.
    #[error("kilo was not reached: {0}")]
    Send(String),
    /// The workspace could not be set up.
    #[error("the workspace was not set up: {0}")]
    WorkspaceSetup(String),
    /// Kilo could not be started.
    #[error("kilo did not start: {0}")]
    KiloServer(String),
}

impl Refusal {
    /// HTTP status.
    fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) | Self::NoSession => 400,
            Self::Connection(_) | Self::Send(_) | Self::WorkspaceSetup(_) | Self::KiloServer(_) => 500,
        }
    }

    /// `error` or `error.code` in the body.
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "INVALID_REQUEST",
            Self::NoSession => "NO_SESSION",
            Self::Connection(_) => "CONNECTION_ERROR",
            Self::Send(_) => "SEND_ERROR",
            Self::WorkspaceSetup(_) => "WORKSPACE_SETUP_FAILED",
            Self::KiloServer(_) => "KILO_SERVER_FAILED",
        }
    }

    /// The answer to a `/job/…` request or a control request (R5.40).
    pub(super) fn of_job(&self) -> Reply {
        Reply {
            status: self.status(),
            body: json!({ "error": self.code(), "message": self.to_string() }),
        }
    }

    /// The answer to `/session/ready`: status 200 with the error in the body (R5.29).
    pub(super) fn of_ready(&self) -> Reply {
        Reply::ok(json!({
            "status": "error",
            "error": { "code": self.code(), "message": self.to_string() },
        }))
    }
}

impl From<IncompleteBinding> for Refusal {
    fn from(incomplete: IncompleteBinding) -> Self {
        Self::Invalid(incomplete.to_string())
    }
}

/// Answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    /// HTTP status.
    pub(super) status: u16,
    /// JSON body; null for none.
    pub(super) body: Value,
}

impl Reply {
    /// A 200 with this body.
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    /// A 204 without a body.
    pub(super) fn done() -> Self {
        Self {
            status: 204,
            body: Value::Null,
        }
    }

    /// The turn was accepted, now or earlier (R5.32).
    pub(super) fn sent(message_id: &str) -> Self {
        Self::ok(json!({ "status": "sent", "messageId": message_id }))
    }

    /// The wrapper is ready for `session` (R5.29). The paths are made up.
    pub(super) fn ready(session: &Session) -> Self {
        let Session {
            session_id,
            kilo_session_id,
            binding,
        } = session;
        Self::ok(json!({
            "status": "ready",
            "kiloSessionId": kilo_session_id,
            "workspaceReady": {
                "workspacePath": format!("/workspace/{session_id}"),
                "sandboxId": format!("sandbox-{session_id}"),
                "sessionHome": format!("/home/{session_id}"),
                "branchName": binding.upstream_branch.as_deref().unwrap_or(DEFAULT_BRANCH),
                "kiloSessionId": kilo_session_id,
            },
        }))
    }
}
