//! Finalizing of the idle batch, and its wait for a gate result (protocol §8).

use super::step::Step;
use super::{CallbackOwner, Session};
use crate::coverage::ServerMark;
use crate::identity::WrapperRunId;
use crate::model::message::GateResult;

impl Session {
    /// Finalizes the batch if its conditions hold and the session is idle.
    pub(super) fn finalize_batch_if_due(&mut self, step: &mut Step) {
        if self.supervision.idle_since().is_some() {
            self.finalize_batch_without_idle(step);
        }
    }

    /// Finalizes the batch if its conditions hold, in cases that need no idle (R8.3).
    pub(super) fn finalize_batch_without_idle(&mut self, step: &mut Step) {
        if self.outbox.batch().is_none() || self.queue.has_unfinished() {
            return;
        }
        if self.awaits_gate_result() {
            ServerMark::GateAwaited.hit();
            return;
        }
        ServerMark::BatchFinalized.hit();
        let Some(id) = self.outbox.close_batch(step) else {
            return;
        };
        let message = self.queue.message(&id);
        let target = message.callback_target.clone();
        let target = target.expect("a representative has a callback target");
        let body = self.callback_body(message);
        self.create_callback(CallbackOwner::Message(id), target, body, step);
    }

    /// Finalizes the batch after the loss of the run: no party can report an idle or a gate result any more (R8.7).
    pub(super) fn finalize_batch_without_run(&mut self, step: &mut Step) {
        let has_batch = self.outbox.batch().is_some();
        if self.wrapper.run().is_none() && has_batch && !self.queue.has_unfinished() {
            self.outbox.waive_gate(step);
            self.finalize_batch_without_idle(step);
        }
    }

    fn awaits_gate_result(&self) -> bool {
        let Some(id) = self.outbox.representative() else {
            return false;
        };
        let message = self.queue.message(id);
        message.finalization.wants_gate_result()
            && message.is_completed()
            && message.gate_result.is_none()
            && !self.outbox.is_gate_waived()
    }

    /// Handles the terminal event of a run, which has the gate result or ends the wait for it (R8.6).
    pub(super) fn observe_gate(&mut self, run: &WrapperRunId, result: Option<GateResult>, step: &mut Step) {
        let Some(id) = self.outbox.representative().cloned() else {
            return;
        };
        if self.queue.message(&id).accepted_by.as_ref() != Some(run) {
            return;
        }
        if let Some(result) = result {
            match result {
                GateResult::Pass => ServerMark::GatePassed.hit(),
                GateResult::Fail => ServerMark::GateFailed.hit(),
            }
            self.queue.change(&id, step, |message| {
                message.gate_result.get_or_insert(result);
            });
        }
        self.waive_gate_of(run, step);
    }

    /// Ends the wait for a gate result from `run`.
    pub(super) fn waive_gate_of(&mut self, run: &WrapperRunId, step: &mut Step) {
        let Some(id) = self.outbox.representative() else {
            return;
        };
        let is_its_run = self.queue.message(id).accepted_by.as_ref() == Some(run);
        if is_its_run && self.awaits_gate_result() {
            ServerMark::GateReleased.hit();
        }
        if is_its_run {
            self.outbox.waive_gate(step);
        }
    }
}
