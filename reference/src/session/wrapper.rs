//! The wrapper as a session owns it: allocation, fence, ingest sockets (protocol §5).
//!
//! Which frame means what for a message is `settlement`'s business; how a delivery is carried out over
//! HTTP is the host's.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::progress::Step;
use super::supervision::Deadline;
use super::{Decision, Effect, Reply, Session, SocketId, ToWrapper};
use crate::coverage::Row;
use crate::identity::{Fence, MessageId, WrapperRunId};
use crate::legacy::model::execution::Closing;
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

/// A delivery that is under way.
#[derive(Debug, Clone)]
pub(super) struct DeliveryInFlight {
    pub message: MessageId,
    pub run: WrapperRunId,
    /// Whether the run was allocated for this delivery.
    pub allocated: bool,
    /// Whether the wrapper has shown that it has the message. Its answer may come later than its events.
    pub is_taken: bool,
}

impl Session {
    pub(super) fn is_current_run(&self, run: &WrapperRunId) -> bool {
        self.core.run.as_ref().is_some_and(|current| current.id == *run)
    }

    /// Starts to deliver `message`, to the run that there is or to a new one.
    pub(super) fn start_delivery(&mut self, now: Timestamp, message: &MessageId, decision: &mut Decision) {
        if self.core.kill_owed.is_some() {
            // What the wrapper may still be doing would stand in the way of the new message.
            self.stop_wrapper(decision);
        }
        let at_work = self.is_connected() && self.has_accepted();
        let allocated = self.core.run.is_none();
        let run = match &self.core.run {
            Some(run) => {
                Row::RunReused.reach();
                run.clone()
            }
            None => self.allocate(decision),
        };
        self.volatile.delivery = Some(DeliveryInFlight {
            message: message.clone(),
            run: run.id.clone(),
            allocated,
            is_taken: false,
        });
        if at_work {
            Row::Fed.reach();
        } else {
            Row::Drained.reach();
            self.tell_preparing(now, &Step::SandboxStarting, decision);
        }
        decision.effects.push(Effect::Deliver(Box::new(Delivery {
            message: self.messages[message].clone(),
            run,
            ensure_ready: !at_work,
            metadata: self.metadata.clone(),
        })));
    }

    fn allocate(&mut self, decision: &mut Decision) -> Run {
        Row::RunAllocated.reach();
        let id = WrapperRunId::draw(&self.identifiers);
        let connection: Uuid = self.identifiers.uuid();
        let core = self.change_core(decision);
        core.wrapper_generation += 1;
        let run = Run {
            id,
            fence: Fence {
                generation: core.wrapper_generation,
                connection,
            },
        };
        core.run = Some(run.clone());
        run
    }

    /// Clears the run's identity: from now on its sockets are stale, and what was being delivered to it is
    /// not any more.
    pub(super) fn clear_run(&mut self, decision: &mut Decision) {
        let keeps_abort = self.sabotage.keeps_abort_across_runs();
        let core = self.change_core(decision);
        if !keeps_abort {
            core.kill_owed = None;
        }
        if let Some(run) = core.run.take() {
            self.volatile.delivery.take_if(|delivery| delivery.run == run.id);
            self.waive_gate_of(&run.id, decision);
        }
        for deadline in [
            Deadline::Grace,
            Deadline::Ping,
            Deadline::Pong,
            Deadline::NoOutput,
            Deadline::Reconciliation,
            Deadline::ReadyOnly,
            Deadline::KeepWarm,
        ] {
            self.clear_deadline(&deadline, decision);
        }
    }

    /// Clears the run's identity and has the wrapper end what it does.
    pub(super) fn stop_wrapper(&mut self, decision: &mut Decision) {
        let Some(run) = self.core.run.clone() else { return };
        self.send_kill(decision);
        for socket in self.sockets_of_run(&run) {
            decision.effects.push(Effect::Close(socket, CLOSE_STALE));
        }
        self.clear_run(decision);
        decision.effects.push(Effect::StopWrapper(run.id));
    }

    /// Tells the wrapper to end what it does. False if it is not there to be told.
    pub(super) fn send_kill(&mut self, decision: &mut Decision) -> bool {
        self.send_to_wrapper(ToWrapper::Kill, decision)
    }

    /// Tells the wrapper to end what it does, now and whenever it comes back, until it says that it has.
    /// False if it is not there to be told now.
    pub(super) fn demand_stop(&mut self, decision: &mut Decision) -> bool {
        let run = self.core.run.as_ref().map(|run| run.id.clone());
        self.change_core(decision).kill_owed = run;
        self.send_kill(decision)
    }

    /// The wrapper of `run` has ended what it did.
    pub(super) fn note_stopped(&mut self, run: &WrapperRunId, decision: &mut Decision) {
        if self.core.kill_owed.as_ref() == Some(run) {
            self.change_core(decision).kill_owed = None;
        }
    }

    /// Sends a command on the current run's latest socket. False if there is none.
    pub(super) fn send_to_wrapper(&self, command: ToWrapper, decision: &mut Decision) -> bool {
        let sockets = self
            .core
            .run
            .as_ref()
            .map(|run| self.sockets_of_run(run))
            .unwrap_or_default();
        let Some(socket) = sockets.last() else {
            return false;
        };
        command.row().reach();
        decision.effects.push(Effect::Send(*socket, command));
        true
    }

    /// Whether the current run has an ingest socket.
    pub(super) fn is_connected(&self) -> bool {
        self.core
            .run
            .as_ref()
            .is_some_and(|run| !self.sockets_of_run(run).is_empty())
    }

    fn sockets_of_run(&self, run: &Run) -> Vec<SocketId> {
        self.volatile
            .sockets
            .iter()
            .filter(|(_, admitted)| *admitted == run || self.sabotage.accepts_stale_fence())
            .map(|(socket, _)| *socket)
            .collect()
    }

    pub(super) fn open_ingest(
        &mut self,
        now: Timestamp,
        socket: SocketId,
        claim: &IngestClaim,
        decision: &mut Decision,
    ) -> Reply {
        let claimed = Run {
            id: claim.run.clone(),
            fence: claim.fence.clone(),
        };
        match &self.core.run {
            Some(run) if *run == claimed => {}
            _ if self.sabotage.accepts_stale_fence() => {}
            Some(run) if run.id == claim.run => {
                Row::IngestStaleConnection.reach();
                return Reply::Ingest(Err(IngestRefusal::StaleConnection));
            }
            _ => {
                Row::IngestStaleRun.reach();
                if self.sabotage.releases_gate_for_any_run() {
                    self.waive_gate_of(&claim.run, decision);
                    self.finalize_batch_if_due(decision);
                }
                return Reply::Ingest(Err(IngestRefusal::StaleRun));
            }
        }
        // What came on a replaced socket before it is closed still counts: its fence is the current one.
        for replaced in self.sockets_of_run(&claimed) {
            Row::IngestReplaced.reach();
            decision.effects.push(Effect::Close(replaced, CLOSE_REPLACED));
        }
        Row::IngestAdmitted.reach();
        self.volatile.sockets.insert(socket, claimed);
        if !self.sabotage.lets_grace_run_on() {
            self.clear_deadline(&Deadline::Grace, decision);
        }
        // What was said on a socket that is gone may not have been heard.
        if self.core.kill_owed.is_some() {
            self.send_kill(decision);
        }
        if self.core.deadlines.get(&Deadline::Pong).is_some() {
            self.send_to_wrapper(ToWrapper::Ping, decision);
            self.set_deadline(Deadline::Pong, now + self.profile.pong_timeout, decision);
        }
        Reply::Ingest(Ok(()))
    }

    /// The run on whose behalf frames of `socket` count; none if its fence is no longer current.
    pub(super) fn run_of_socket(&self, socket: SocketId) -> Option<WrapperRunId> {
        let admitted = self.volatile.sockets.get(&socket)?;
        let current = self.core.run.as_ref() == Some(admitted);
        (current || self.sabotage.accepts_stale_fence()).then(|| admitted.id.clone())
    }

    pub(super) fn close_ingest(
        &mut self,
        now: Timestamp,
        socket: SocketId,
        closing: Closing,
        decision: &mut Decision,
    ) -> Reply {
        self.volatile.sockets.remove(&socket);
        self.close_imported_ingest(now, socket, closing, decision);
        Reply::None
    }

    /// A client that comes into the middle of a turn wants to see how it stands.
    pub(super) fn request_snapshot(&self, decision: &mut Decision) -> Reply {
        if self.has_accepted() {
            self.send_to_wrapper(ToWrapper::RequestSnapshot, decision);
        }
        Reply::None
    }
}
