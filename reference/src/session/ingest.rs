//! The ingest sockets of the current run, and the end of a run (protocol §5).

use super::deadline::Deadline;
use super::step::Step;
use super::wrapper::IngestClaim;
use super::{Effect, Reply, Session, SocketId, ToWrapper};

impl Session {
    pub(super) fn open_ingest(&mut self, socket: SocketId, claim: &IngestClaim, step: &mut Step) -> Reply {
        if let Err(refusal) = self.wrapper.open_socket(socket, claim, step) {
            return Reply::Ingest(Err(refusal));
        }
        let was_in_grace = self.supervision.end_grace(step);
        if !was_in_grace && self.supervision.is_set(&Deadline::Pong) {
            // The ping on the replaced socket may not have arrived (R7.35).
            self.wrapper.send(ToWrapper::Ping, step);
            self.supervision.await_pong(step);
        }
        Reply::Ingest(Ok(()))
    }

    /// Releases the current run and stops its wrapper (R7.13). Cuts a delivery in progress short.
    pub(super) fn stop_wrapper(&mut self, step: &mut Step) {
        self.wrapper.cancel_delivery(step);
        let Some(run) = self.wrapper.run().cloned() else {
            return;
        };
        self.wrapper.send(ToWrapper::Kill, step);
        self.wrapper.close_sockets_of(&run, step);
        self.clear_run(step);
        step.effect(Effect::StopWrapper(run.id));
    }

    /// Clears the current run: its deadlines, and the wait for its gate result.
    pub(super) fn clear_run(&mut self, step: &mut Step) {
        if let Some(run) = self.wrapper.clear(step) {
            self.waive_gate_of(&run.id, step);
        }
        self.supervision.forget_run(step);
    }

    /// Requests a snapshot from the wrapper for a client that connects during a turn (R5.59).
    pub(super) fn request_snapshot(&self, step: &mut Step) -> Reply {
        if self.queue.has_accepted() {
            self.wrapper.send(ToWrapper::RequestSnapshot, step);
        }
        Reply::None
    }
}
