//! Answers of a wrapper to requests (R5.24–R5.40, R5.74–R5.82), and why a request is refused.
//!
//! Shapes only.

use serde_json::{Value, json};
use turnstile_fault::{GivenReply, OddAnswer};

use super::binding::{IncompleteBinding, Session};

/// The kind of a job, which decides the form of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `POST /job/prompt`.
    Prompt,
    /// `POST /job/command`.
    Command,
}

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
    /// Kilo did not accept the prompt.
    #[error("kilo was not reached: {0}")]
    Send(String),
    /// Kilo did not accept the command.
    #[error("kilo was not reached: {0}")]
    Command(String),
    /// The workspace could not be set up.
    #[error("the workspace was not set up: {0}")]
    WorkspaceSetup(String),
    /// Kilo could not be started.
    #[error("kilo did not start: {0}")]
    KiloServer(String),
    /// The wrapper cannot get ready now.
    #[error("not ready: {0}")]
    NotReady(String),
}

impl Refusal {
    /// HTTP status.
    fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) | Self::NoSession => 400,
            Self::Connection(_) | Self::Send(_) | Self::Command(_) => 500,
            Self::WorkspaceSetup(_) | Self::KiloServer(_) | Self::NotReady(_) => 503,
        }
    }

    /// `error` in the body.
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "INVALID_REQUEST",
            Self::NoSession => "NO_SESSION",
            Self::Connection(_) => "CONNECTION_ERROR",
            Self::Send(_) => "SEND_ERROR",
            Self::Command(_) => "COMMAND_ERROR",
            Self::WorkspaceSetup(_) => "WORKSPACE_SETUP_FAILED",
            Self::KiloServer(_) => "KILO_SERVER_FAILED",
            Self::NotReady(_) => "NOT_READY",
        }
    }

    /// The answer to a `/job/…` request or a control request (R5.40).
    pub(super) fn of_job(&self) -> Reply {
        Reply {
            status: self.status(),
            ..Reply::ok(json!({ "error": self.code(), "message": self.to_string() }))
        }
    }

    /// The answer to `/session/ready` (R5.74). A malformed request is not worth repeating.
    pub(super) fn of_ready(&self) -> Reply {
        let mut reply = self.of_job();
        reply.body["retryable"] = json!(!matches!(self, Self::Invalid(_)));
        reply
    }

    /// The refusal with the code for a job of that kind (R5.39, R5.82).
    pub(super) fn of_kind(self, kind: Kind) -> Self {
        match (self, kind) {
            (Self::Send(text), Kind::Command) => Self::Command(text),
            (refusal, _) => refusal,
        }
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
    /// What is sent instead.
    pub(super) odd: Option<OddAnswer>,
}

impl From<GivenReply> for Reply {
    fn from(given: GivenReply) -> Self {
        Self {
            status: given.status.code(),
            ..Self::ok(given.body)
        }
    }
}

impl Reply {
    /// A 200 with this body.
    pub(super) fn ok(body: Value) -> Self {
        Self {
            status: 200,
            body,
            odd: None,
        }
    }

    /// This answer in another form.
    pub(super) fn made_odd(self, odd: Option<OddAnswer>) -> Self {
        Self { odd, ..self }
    }

    /// A 204 without a body.
    pub(super) fn done() -> Self {
        Self {
            status: 204,
            ..Self::ok(Value::Null)
        }
    }

    /// The job was accepted, now or earlier (R5.32, R5.81).
    pub(super) fn sent(kind: Kind, message_id: &str) -> Self {
        Self::ok(match kind {
            Kind::Prompt => json!({ "status": "sent", "messageId": message_id }),
            Kind::Command => json!({ "status": "sent", "result": {} }),
        })
    }

    /// The wrapper is ready for `session` (R5.29).
    pub(super) fn ready(session: &Session) -> Self {
        let Session {
            kilo_session_id,
            places,
            ..
        } = session;
        Self::ok(json!({
            "status": "ready",
            "kiloSessionId": kilo_session_id,
            "workspaceReady": {
                "workspacePath": places.workspace_path,
                "sandboxId": places.sandbox_id,
                "sessionHome": places.session_home,
                "branchName": places.branch_name,
                "kiloSessionId": kilo_session_id,
            },
        }))
    }
}
