//! The values that a session and a wrapper exchange besides frames: runs, claims, deliveries and their failures
//! (protocol §5).
//!
//! `wrapper_run` and `delivering` have the logic.

use serde::{Deserialize, Serialize};
use turnstile_profile::Profile;

use crate::coverage::ServerMark;
use crate::identity::{Fence, WrapperRunId};
use crate::model::message::Message;
use crate::model::metadata::Metadata;

/// The close code for a socket that a newer one with the same fence replaces (R5.60).
pub const CLOSE_REPLACED: u16 = 1000;
/// The close code for a socket whose fence is stale (R5.61).
pub const CLOSE_STALE: u16 = 4401;

/// A wrapper run: one period during which the session owns the wrapper (R1.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The id.
    pub id: WrapperRunId,
    /// The fence of its sockets (R1.5).
    pub fence: Fence,
}

/// The run and fence that a wrapper presents at its ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestClaim {
    /// The run it belongs to.
    pub run: WrapperRunId,
    /// The fence it was given.
    pub fence: Fence,
}

/// Why an ingest socket was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IngestRefusal {
    /// The run is not current.
    #[error("The wrapper run is not the current one")]
    StaleRun,
    /// The run is current, but the connection belongs to an earlier allocation.
    #[error("The wrapper connection is not the current one")]
    StaleConnection,
    /// The execution is unknown.
    #[error("There is no such execution")]
    UnknownExecution,
    /// The execution is not the current one.
    #[error("The execution is not the current one")]
    AnotherExecution,
    /// The execution has ended.
    #[error("The execution is over")]
    ExecutionOver,
}

/// The delivery of a message to a wrapper.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// The run.
    pub run: Run,
    /// The metadata of the session.
    pub metadata: Metadata,
}

impl Delivery {
    /// The requested branch.
    pub fn upstream_branch(&self) -> Option<&str> {
        self.metadata.branch()
    }
}

/// Why a delivery failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}", code = code.as_str())]
pub struct DeliveryFailure {
    /// The code.
    pub code: FailureCode,
    /// The text for people.
    pub text: String,
}

/// The codes of failed deliveries (R4.13–R4.17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCode {
    /// The wrapper cannot be reached.
    SandboxConnectFailed,
    /// The wrapper failed to set up the workspace.
    WorkspaceSetupFailed,
    /// The wrapper failed to start kilo.
    KiloServerFailed,
    /// The wrapper gave no valid answer.
    WrapperStartFailed,
    /// The wrapper refused the request.
    BadRequest,
}

impl FailureCode {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SandboxConnectFailed => "SANDBOX_CONNECT_FAILED",
            Self::WorkspaceSetupFailed => "WORKSPACE_SETUP_FAILED",
            Self::KiloServerFailed => "KILO_SERVER_FAILED",
            Self::WrapperStartFailed => "WRAPPER_START_FAILED",
            Self::BadRequest => "BAD_REQUEST",
        }
    }
}

impl FailureCode {
    pub(super) fn mark(self) -> ServerMark {
        match self {
            Self::SandboxConnectFailed => ServerMark::FailedSandboxConnect,
            Self::WorkspaceSetupFailed => ServerMark::FailedWorkspaceSetup,
            Self::KiloServerFailed => ServerMark::FailedKiloServer,
            Self::WrapperStartFailed => ServerMark::FailedWrapperStart,
            Self::BadRequest => ServerMark::FailedBadRequest,
        }
    }
}

impl DeliveryFailure {
    /// Creates a failure.
    pub fn new(code: FailureCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// Whether the delivery is not tried again (R4.12).
    pub fn is_permanent(&self, profile: &Profile) -> bool {
        let code = self.code.as_str();
        profile
            .permanent_refusals
            .iter()
            .any(|permanent| permanent == code)
    }
}
