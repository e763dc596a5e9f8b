//! The session's wrapper: the current run with its fence, the sockets, and the delivery in progress (protocol §5).

use std::collections::BTreeMap;

use super::step::Step;
use super::wrapper::{CLOSE_REPLACED, CLOSE_STALE, IngestClaim, IngestRefusal, Run};
use super::{Effect, SocketId, ToWrapper};
use crate::coverage::Row;
use crate::identity::{Fence, MessageId, WrapperRunId};

/// A delivery in progress.
#[derive(Debug, Clone)]
pub(super) struct DeliveryInFlight {
    /// The message.
    pub message: MessageId,
    /// The run.
    pub run: WrapperRunId,
    /// Whether the run was allocated for this delivery.
    pub allocated: bool,
    /// Whether the wrapper has shown that it has the message. Its events may arrive before its answer.
    is_taken: bool,
}

/// The wrapper of a session.
#[derive(Debug, Clone)]
pub(super) struct WrapperRun {
    /// The generation of the last allocation.
    generation: u64,
    /// The current run.
    run: Option<Run>,
    /// The run whose kill is outstanding (R6.26).
    kill_owed: Option<WrapperRunId>,
    /// The open ingest sockets, with their runs. Not stored.
    sockets: BTreeMap<SocketId, Run>,
    /// Not stored.
    delivery: Option<DeliveryInFlight>,
}

impl WrapperRun {
    /// The wrapper as stored: without sockets and without a delivery.
    pub fn restore(generation: u64, run: Option<Run>, kill_owed: Option<WrapperRunId>) -> Self {
        Self {
            generation,
            run,
            kill_owed,
            sockets: BTreeMap::new(),
            delivery: None,
        }
    }

    /// Restores sockets and delivery, which are not stored.
    pub fn keep_volatile(&mut self, sockets: BTreeMap<SocketId, Run>, delivery: Option<DeliveryInFlight>) {
        self.sockets = sockets;
        self.delivery = delivery;
    }

    /// The generation of the last allocation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The current run.
    pub fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    /// Whether `run` is current.
    pub fn is_current(&self, run: &WrapperRunId) -> bool {
        self.run.as_ref().is_some_and(|current| current.id == *run)
    }

    /// The run whose kill is outstanding.
    pub fn kill_owed(&self) -> Option<&WrapperRunId> {
        self.kill_owed.as_ref()
    }

    /// The open ingest sockets.
    pub fn sockets(&self) -> &BTreeMap<SocketId, Run> {
        &self.sockets
    }

    /// The delivery in progress.
    pub fn delivery(&self) -> Option<&DeliveryInFlight> {
        self.delivery.as_ref()
    }

    /// Whether a delivery to `run` is in progress.
    pub fn is_delivering_to(&self, run: &WrapperRunId) -> bool {
        self.delivery
            .as_ref()
            .is_some_and(|delivery| delivery.run == *run)
    }

    /// Whether the current run has an ingest socket.
    pub fn is_connected(&self) -> bool {
        self.run
            .as_ref()
            .is_some_and(|run| !self.sockets_of(run).is_empty())
    }

    /// Begins the delivery of `message`, to the current run or a new one. Returns the run.
    pub fn begin_delivery(&mut self, message: &MessageId, step: &mut Step) -> Run {
        let allocated = self.run.is_none();
        let run = match &self.run {
            Some(run) => {
                Row::RunReused.reach();
                run.clone()
            }
            None => self.allocate(step),
        };
        self.delivery = Some(DeliveryInFlight {
            message: message.clone(),
            run: run.id.clone(),
            allocated,
            is_taken: false,
        });
        run
    }

    fn allocate(&mut self, step: &mut Step) -> Run {
        Row::RunAllocated.reach();
        let id = WrapperRunId::draw(&step.identifiers);
        let connection = step.identifiers.uuid();
        step.write_core();
        self.generation += 1;
        let fence = Fence {
            generation: self.generation,
            connection,
        };
        let run = Run { id, fence };
        self.run = Some(run.clone());
        run
    }

    /// Ends the delivery of `message` to `run`. `None` if it was cancelled.
    pub fn end_delivery(&mut self, message: &MessageId, run: &WrapperRunId) -> Option<DeliveryInFlight> {
        self.delivery
            .take_if(|delivery| delivery.message == *message && delivery.run == *run)
    }

    /// Records that the wrapper of `run` has shown a message, which confirms a delivery in progress.
    pub fn note_shown(&mut self, run: &WrapperRunId, message: Option<&str>) {
        if let Some(delivery) = &mut self.delivery {
            delivery.is_taken |= delivery.run == *run && message == Some(delivery.message.as_str());
        }
    }

    /// The message in delivery to `run` that the wrapper has shown.
    pub fn shown_by(&self, run: &WrapperRunId) -> Option<&MessageId> {
        let delivery = self.delivery.as_ref();
        let taken = delivery.filter(|delivery| delivery.is_taken && delivery.run == *run);
        taken.map(|delivery| &delivery.message)
    }

    /// Clears the current run: its sockets become stale and its delivery is cancelled. Returns the run, if there was
    /// one.
    pub fn clear(&mut self, step: &mut Step) -> Option<Run> {
        step.write_core();
        self.kill_owed = None;
        let run = self.run.take()?;
        if self.delivery.take_if(|delivery| delivery.run == run.id).is_some() {
            step.effect(Effect::CancelDelivery(run.id.clone()));
        }
        Some(run)
    }

    /// Sends a command on the latest socket of the current run. Returns false without a socket.
    pub fn send(&self, command: ToWrapper, step: &mut Step) -> bool {
        let Some(run) = &self.run else { return false };
        let Some(socket) = self.sockets_of(run).pop() else {
            return false;
        };
        command.row().reach();
        step.effect(Effect::Send(socket, command));
        true
    }

    /// Sends a kill, which is outstanding until the wrapper confirms it (R6.26). Returns false without a socket.
    pub fn demand_stop(&mut self, step: &mut Step) -> bool {
        step.write_core();
        self.kill_owed = self.run.as_ref().map(|run| run.id.clone());
        self.send(ToWrapper::Kill, step)
    }

    /// Records that the wrapper of `run` has stopped.
    pub fn note_stopped(&mut self, run: &WrapperRunId, step: &mut Step) {
        if self.kill_owed.as_ref() == Some(run) {
            step.write_core();
            self.kill_owed = None;
        }
    }

    /// Accepts a socket and closes an older one with the same fence.
    ///
    /// # Errors
    ///
    /// If the fence is not current (R5.50).
    pub fn open_socket(
        &mut self,
        socket: SocketId,
        claim: &IngestClaim,
        step: &mut Step,
    ) -> Result<(), IngestRefusal> {
        let claimed = Run {
            id: claim.run.clone(),
            fence: claim.fence.clone(),
        };
        match &self.run {
            Some(run) if *run == claimed => {}
            Some(run) if run.id == claim.run => {
                Row::IngestStaleConnection.reach();
                return Err(IngestRefusal::StaleConnection);
            }
            _ => {
                Row::IngestStaleRun.reach();
                return Err(IngestRefusal::StaleRun);
            }
        }
        // Frames on a replaced socket count until it is closed (R5.64).
        for replaced in self.sockets_of(&claimed) {
            Row::IngestReplaced.reach();
            step.effect(Effect::Close(replaced, CLOSE_REPLACED));
        }
        Row::IngestAdmitted.reach();
        self.sockets.insert(socket, claimed);
        Ok(())
    }

    /// Removes a closed socket.
    pub fn forget_socket(&mut self, socket: SocketId) {
        self.sockets.remove(&socket);
    }

    /// Closes the sockets of a run.
    pub fn close_sockets_of(&self, run: &Run, step: &mut Step) {
        for socket in self.sockets_of(run) {
            step.effect(Effect::Close(socket, CLOSE_STALE));
        }
    }

    /// Closes all sockets.
    pub fn close_all_sockets(&mut self, step: &mut Step) {
        for socket in std::mem::take(&mut self.sockets).into_keys() {
            step.effect(Effect::Close(socket, CLOSE_STALE));
        }
    }

    /// The run to which frames of `socket` belong. `None` if its fence is stale.
    pub fn run_of_socket(&self, socket: SocketId) -> Option<WrapperRunId> {
        let admitted = self.sockets.get(&socket)?;
        let is_current = self.run.as_ref() == Some(admitted);
        is_current.then(|| admitted.id.clone())
    }

    fn sockets_of(&self, run: &Run) -> Vec<SocketId> {
        self.sockets
            .iter()
            .filter(|(_, admitted)| *admitted == run)
            .map(|(socket, _)| *socket)
            .collect()
    }
}
