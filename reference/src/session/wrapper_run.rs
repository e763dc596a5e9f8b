//! The session's wrapper: the current run with its fence, the sockets, and the delivery in progress (protocol §5).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::step::Step;
use super::wrapper::{CLOSE_REPLACED, CLOSE_STALE, IngestClaim, IngestRefusal, Run};
use super::{Effect, SocketId, ToWrapper};
use crate::coverage::ServerMark;
use crate::identity::{Fence, MessageId, WrapperRunId};
use crate::model::message::Outcome;

/// A delivery in progress. The wrapper answers it on one connection and reports on another, so events of the message
/// may arrive before the answer. What they cause is kept here until the answer has arrived.
#[derive(Debug, Clone)]
pub(super) struct DeliveryInFlight {
    /// The message.
    pub message: MessageId,
    /// The run.
    pub run: WrapperRunId,
    /// Whether the run was allocated for this delivery.
    pub allocated: bool,
    /// Whether the wrapper is ready, so that it may already have the message.
    pub is_prepared: bool,
    /// Whether the wrapper has reported the message.
    is_taken: bool,
    /// The time of a root idle after the wrapper reported the message (R6.40).
    pub idle_since: Option<Timestamp>,
    /// The end of the message if the wrapper confirms it: the end of the run, which has ended since (R6.31).
    pub ended: Option<Outcome>,
}

/// An ingest socket.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    /// Its run.
    run: Run,
    /// Whether a newer socket replaced it. Its frames count until it is closed (R5.64), but it does not connect the
    /// wrapper any more (R7.1).
    is_closing: bool,
}

/// The wrapper of a session.
#[derive(Debug, Clone)]
pub(super) struct WrapperRun {
    /// The generation of the last allocation.
    generation: u64,
    /// The current run.
    run: Option<Run>,
    /// The ingest sockets whose end was not reported. Not stored.
    sockets: BTreeMap<SocketId, Socket>,
    /// Not stored.
    delivery: Option<DeliveryInFlight>,
}

impl WrapperRun {
    /// The wrapper as stored: without sockets and without a delivery.
    pub fn restore(generation: u64, run: Option<Run>) -> Self {
        Self {
            generation,
            run,
            sockets: BTreeMap::new(),
            delivery: None,
        }
    }

    /// Restores sockets and delivery, which are not stored.
    pub fn keep_volatile(&mut self, sockets: BTreeMap<SocketId, Socket>, delivery: Option<DeliveryInFlight>) {
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

    /// The ingest sockets whose end was not reported.
    pub fn sockets(&self) -> &BTreeMap<SocketId, Socket> {
        &self.sockets
    }

    /// The delivery in progress.
    pub fn delivery(&self) -> Option<&DeliveryInFlight> {
        self.delivery.as_ref()
    }

    /// Whether the current run has an ingest socket.
    pub fn is_connected(&self) -> bool {
        self.run
            .as_ref()
            .is_some_and(|run| !self.open_sockets_of(run).is_empty())
    }

    /// Begins the delivery of `message`, to the current run or a new one. Returns the run.
    pub fn begin_delivery(&mut self, message: &MessageId, step: &mut Step) -> Run {
        let allocated = self.run.is_none();
        let run = match &self.run {
            Some(run) => {
                ServerMark::RunReused.hit();
                run.clone()
            }
            None => self.allocate(step),
        };
        self.delivery = Some(DeliveryInFlight {
            message: message.clone(),
            run: run.id.clone(),
            allocated,
            is_prepared: false,
            is_taken: false,
            idle_since: None,
            ended: None,
        });
        run
    }

    fn allocate(&mut self, step: &mut Step) -> Run {
        ServerMark::RunAllocated.hit();
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

    /// Cuts the delivery in progress short (R6.28). Its report, if one is already on its way, has no effect.
    pub fn cancel_delivery(&mut self, step: &mut Step) {
        if let Some(delivery) = self.delivery.take() {
            ServerMark::DeliveryCancelled.hit();
            step.effect(Effect::CancelDelivery(delivery.run));
        }
    }

    /// Records that the wrapper of the delivery in progress is ready.
    pub fn note_prepared(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            delivery.is_prepared = true;
        }
    }

    /// Records the end of the run of the delivery in progress, which becomes the end of its message if the wrapper
    /// confirms it (R6.31).
    pub fn note_ended(&mut self, outcome: &Outcome) {
        if let Some(delivery) = &mut self.delivery {
            delivery.ended = Some(outcome.clone());
        }
    }

    /// Records that the wrapper has reported a message. If it is the one in delivery, the wrapper has taken it.
    pub fn note_reported(&mut self, message: Option<&str>) {
        if let Some(delivery) = &mut self.delivery {
            delivery.is_taken |= message == Some(delivery.message.as_str());
        }
    }

    /// Records a root idle, which may be the end of the message in delivery if the wrapper has taken it (R6.40).
    pub fn note_root_idle(&mut self, now: Timestamp) {
        if let Some(delivery) = self.delivery.as_mut().filter(|delivery| delivery.is_taken) {
            delivery.idle_since = Some(now);
        }
    }

    /// Records that the root is busy, so an earlier idle was not the end of the message in delivery.
    pub fn note_root_busy(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            delivery.idle_since = None;
        }
    }

    /// The message in delivery, if the wrapper has reported it.
    pub fn taken(&self) -> Option<&MessageId> {
        let taken = self.delivery.as_ref().filter(|delivery| delivery.is_taken);
        taken.map(|delivery| &delivery.message)
    }

    /// Clears the current run: its sockets become stale. Returns the run, if there was one.
    pub fn clear(&mut self, step: &mut Step) -> Option<Run> {
        step.write_core();
        self.run.take()
    }

    /// Sends a command on the latest socket of the current run. Returns false without a socket.
    pub fn send(&self, command: ToWrapper, step: &mut Step) -> bool {
        let Some(run) = &self.run else { return false };
        let Some(socket) = self.open_sockets_of(run).pop() else {
            return false;
        };
        command.mark().hit();
        step.effect(Effect::Send(socket, command));
        true
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
                ServerMark::IngestStaleConnection.hit();
                return Err(IngestRefusal::StaleConnection);
            }
            _ => {
                ServerMark::IngestStaleRun.hit();
                return Err(IngestRefusal::StaleRun);
            }
        }
        let is_replaced = |socket: &Socket| socket.run == claimed && !socket.is_closing;
        for (number, replaced) in self.sockets.iter_mut().filter(|(_, socket)| is_replaced(socket)) {
            ServerMark::IngestReplaced.hit();
            replaced.is_closing = true;
            step.effect(Effect::Close(*number, CLOSE_REPLACED));
        }
        ServerMark::IngestAdmitted.hit();
        let opened = Socket {
            run: claimed,
            is_closing: false,
        };
        self.sockets.insert(socket, opened);
        Ok(())
    }

    /// Removes a closed socket.
    pub fn forget_socket(&mut self, socket: SocketId) {
        self.sockets.remove(&socket);
    }

    /// Closes the open sockets of a run.
    pub fn close_sockets_of(&self, run: &Run, step: &mut Step) {
        for socket in self.open_sockets_of(run) {
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
        let Socket { run, .. } = self.sockets.get(&socket)?;
        let is_current = self.run.as_ref() == Some(run);
        is_current.then(|| run.id.clone())
    }

    /// The open sockets of a run, without those that a newer one replaced.
    fn open_sockets_of(&self, run: &Run) -> Vec<SocketId> {
        self.sockets
            .iter()
            .filter(|(_, socket)| socket.run == *run && !socket.is_closing)
            .map(|(socket, _)| *socket)
            .collect()
    }
}
