//! Ingest sockets of the current run, and the end of a run (protocol §5).

use super::deadline::Deadline;
use super::step::Step;
use super::wrapper::{IngestClaim, IngestRefusal};
use super::{Effect, Reply, Session, SocketId, ToWrapper};

impl Session {
    pub(super) fn open_ingest(&mut self, socket: SocketId, claim: &IngestClaim, step: &mut Step) -> Reply {
        if let Err(refusal) = self.wrapper.open_socket(socket, claim, step) {
            if refusal == IngestRefusal::StaleRun && step.sabotage.releases_gate_for_any_run() {
                self.waive_gate_of(&claim.run, step);
                self.finalize_batch_if_due(step);
            }
            return Reply::Ingest(Err(refusal));
        }
        if !step.sabotage.lets_grace_run_on() {
            self.supervision.clear(&Deadline::Grace, step);
        }
        // What was said on a socket that is gone may not have been heard.
        if self.wrapper.kill_owed().is_some() {
            self.wrapper.send(ToWrapper::Kill, step);
        }
        if self.supervision.is_set(&Deadline::Pong) {
            self.wrapper.send(ToWrapper::Ping, step);
            self.supervision.await_pong(step);
        }
        Reply::Ingest(Ok(()))
    }

    /// Ends the current run and has the wrapper end what it does.
    pub(super) fn stop_wrapper(&mut self, step: &mut Step) {
        let Some(run) = self.wrapper.run().cloned() else {
            return;
        };
        self.wrapper.send(ToWrapper::Kill, step);
        self.wrapper.close_sockets_of(&run, step);
        self.clear_run(step);
        step.effect(Effect::StopWrapper(run.id));
    }

    /// Ends the current run: nothing of it is awaited or watched any more.
    pub(super) fn clear_run(&mut self, step: &mut Step) {
        if let Some(run) = self.wrapper.clear(step) {
            self.waive_gate_of(&run.id, step);
        }
        self.supervision.forget_run(step);
    }

    /// A client that comes into the middle of a turn wants to see how it stands.
    pub(super) fn request_snapshot(&self, step: &mut Step) -> Reply {
        if self.queue.has_accepted() {
            self.wrapper.send(ToWrapper::RequestSnapshot, step);
        }
        Reply::None
    }
}
