//! The wrapper as a session owns it: allocation, fence, ingest sockets (protocol §5).
//!
//! Which frame means what for a message is `settlement`'s business; how a delivery is carried out over
//! HTTP is the host's.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::message::{Message, Turn};
use super::metadata::{Metadata, Repository};
use super::supervision::Deadline;
use super::{Decision, Effect, Reply, Session, SocketId, ToWrapper};
use crate::identity::{Fence, MessageId, WrapperRunId};

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

/// Why an ingest socket was refused: the run or the connection is not the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IngestRefusal {
    /// The run is over.
    #[error("The wrapper run is not the current one")]
    StaleRun,
    /// The run is current, the connection is of an earlier allocation.
    #[error("The wrapper connection is not the current one")]
    StaleConnection,
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
        self.metadata.repository.branch()
    }

    /// The repository that the wrapper shall work on.
    pub fn repository(&self) -> &Repository {
        &self.metadata.repository
    }

    /// Whether the turn is a command.
    pub fn is_command(&self) -> bool {
        matches!(self.message.turn, Turn::Command { .. })
    }
}

/// Why a delivery failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct DeliveryFailure {
    /// Whether another try may go better (protocol §4).
    pub retryable: bool,
    /// What happened, with its code if it has one.
    pub text: String,
}

impl DeliveryFailure {
    /// A failure after which another try may go better.
    pub fn retryable(text: impl Into<String>) -> Self {
        Self {
            retryable: true,
            text: text.into(),
        }
    }

    /// A failure that another try would meet as well.
    pub fn permanent(text: impl Into<String>) -> Self {
        Self {
            retryable: false,
            text: text.into(),
        }
    }
}

/// A delivery that is under way.
#[derive(Debug, Clone)]
pub(super) struct DeliveryInFlight {
    pub message: MessageId,
    pub run: WrapperRunId,
    /// Whether the run was allocated for this delivery.
    pub allocated: bool,
}

impl Session {
    pub(super) fn is_current_run(&self, run: &WrapperRunId) -> bool {
        self.core.run.as_ref().is_some_and(|current| current.id == *run)
    }

    /// Starts to deliver `message`, to the run that there is or to a new one.
    pub(super) fn start_delivery(&mut self, message: &MessageId, decision: &mut Decision) {
        let at_work = self.is_connected() && self.has_accepted();
        let allocated = self.core.run.is_none();
        let run = match &self.core.run {
            Some(run) => run.clone(),
            None => self.allocate(decision),
        };
        self.volatile.delivery = Some(DeliveryInFlight {
            message: message.clone(),
            run: run.id.clone(),
            allocated,
        });
        decision.effects.push(Effect::Deliver(Box::new(Delivery {
            message: self.messages[message].clone(),
            run,
            ensure_ready: !at_work,
            metadata: self.core.metadata.clone(),
        })));
    }

    fn allocate(&mut self, decision: &mut Decision) -> Run {
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

    /// Clears the run's identity: from now on its sockets are stale.
    pub(super) fn clear_run(&mut self, decision: &mut Decision) {
        self.change_core(decision).run = None;
        for deadline in [
            Deadline::Grace,
            Deadline::Ping,
            Deadline::Pong,
            Deadline::NoOutput,
            Deadline::Reconciliation,
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

    /// Sends a command on the current run's socket. False if there is none.
    pub(super) fn send_to_wrapper(&mut self, command: ToWrapper, decision: &mut Decision) -> bool {
        let sockets = self
            .core
            .run
            .as_ref()
            .map(|run| self.sockets_of_run(run))
            .unwrap_or_default();
        let Some(socket) = sockets.last() else {
            return false;
        };
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
                return Reply::Ingest(Err(IngestRefusal::StaleConnection));
            }
            _ => return Reply::Ingest(Err(IngestRefusal::StaleRun)),
        }
        for replaced in self.sockets_of_run(&claimed) {
            self.volatile.sockets.remove(&replaced);
            decision.effects.push(Effect::Close(replaced, CLOSE_REPLACED));
        }
        self.volatile.sockets.insert(socket, claimed);
        self.clear_deadline(&Deadline::Grace, decision);
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
        decision: &mut Decision,
    ) -> Reply {
        let closed = self.volatile.sockets.remove(&socket);
        if closed.is_some() && closed == self.core.run && !self.is_connected() {
            self.start_grace_if_needed(now, decision);
        }
        Reply::None
    }
}
