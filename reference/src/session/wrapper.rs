//! What a session and a wrapper say to each other beside frames: runs, claims, deliveries, and why they fail (protocol
//! §5).
//!
//! Values only. What becomes of them is decided in `wrapper_run` and `delivering`.

use serde::{Deserialize, Serialize};

use crate::coverage::Row;
use crate::identity::{Fence, WrapperRunId};
use crate::model::message::Message;
use crate::model::metadata::{Metadata, Repository};

/// Closing an ingest socket because a newer one has its fence.
pub const CLOSE_REPLACED: u16 = 1000;
/// Closing an ingest socket because its fence is no longer current.
pub const CLOSE_STALE: u16 = 4401;

/// One period of ownership of the wrapper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its identity.
    pub id: WrapperRunId,
    /// What tells its sockets from those of every other run.
    pub fence: Fence,
}

/// What a wrapper says it is when it opens an ingest socket.
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
    /// The run is over.
    #[error("The wrapper run is not the current one")]
    StaleRun,
    /// The run is current, the connection is of an earlier allocation.
    #[error("The wrapper connection is not the current one")]
    StaleConnection,
    /// Nobody ever heard of the execution.
    #[error("There is no such execution")]
    UnknownExecution,
    /// The execution is not the one that is under way.
    #[error("The execution is not the one that is under way")]
    AnotherExecution,
    /// The execution has ended.
    #[error("The execution is over")]
    ExecutionOver,
}

/// A message that is to be delivered to a wrapper.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// The run it is delivered to.
    pub run: Run,
    /// Whether the wrapper must be made ready first; one that is at work already is just fed.
    pub ensure_ready: bool,
    /// What the session is about.
    pub metadata: Metadata,
}

impl Delivery {
    /// The branch that the wrapper shall work on.
    pub fn upstream_branch(&self) -> Option<&str> {
        self.metadata.branch()
    }

    /// The repository that the wrapper shall work on.
    pub fn repository(&self) -> Option<&Repository> {
        self.metadata.repository.as_ref()
    }
}

/// Why a delivery failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}", code = code.as_str())]
pub struct DeliveryFailure {
    /// What kind of failure it is.
    pub code: FailureCode,
    /// What happened, for a person to read.
    pub text: String,
}

/// Kinds of failed deliveries (protocol §4, §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCode {
    /// The wrapper could not be reached.
    SandboxConnectFailed,
    /// It could not set up the workspace.
    WorkspaceSetupFailed,
    /// It could not start the agent.
    KiloServerFailed,
    /// It gave no answer, or none that can be understood.
    WrapperStartFailed,
    /// It refused what it was asked.
    BadRequest,
}

impl FailureCode {
    /// The code as others know it.
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
    pub(super) fn row(self) -> Row {
        match self {
            Self::SandboxConnectFailed => Row::FailedSandboxConnect,
            Self::WorkspaceSetupFailed => Row::FailedWorkspaceSetup,
            Self::KiloServerFailed => Row::FailedKiloServer,
            Self::WrapperStartFailed => Row::FailedWrapperStart,
            Self::BadRequest => Row::FailedBadRequest,
        }
    }
}

impl DeliveryFailure {
    /// A failure of that kind.
    pub fn new(code: FailureCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// Whether another try may go better (protocol §4).
    pub fn is_retryable(&self) -> bool {
        self.code != FailureCode::BadRequest
    }
}
