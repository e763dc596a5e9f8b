//! When an idle batch is finalized, and how long it waits for a gate result (protocol §8).

use super::step::Step;
use super::{CallbackOwner, Session};
use crate::coverage::Row;
use crate::identity::WrapperRunId;
use crate::model::message::GateResult;

impl Session {
    /// Finalizes the batch if nothing is left to wait for and the session is idle.
    pub(super) fn finalize_batch_if_due(&mut self, step: &mut Step) {
        if self.supervision.idle_since().is_some() {
            self.finalize_batch_without_idle(step);
        }
    }

    /// Finalizes the batch if nothing is left to wait for, on a path that needs no idle.
    pub(super) fn finalize_batch_without_idle(&mut self, step: &mut Step) {
        if self.outbox.batch().is_none() || self.queue.has_unfinished() {
            return;
        }
        if self.awaits_gate_result() {
            Row::GateAwaited.reach();
            return;
        }
        Row::BatchFinalized.reach();
        let Some(id) = self.outbox.close_batch(step) else {
            return;
        };
        let message = self.queue.message(&id);
        let target = message.callback_target.clone();
        let target = target.expect("only a message with a callback's target represents a batch");
        let body = self.callback_body(message, step);
        self.owe_callback(CallbackOwner::Message(id), target, body, step);
    }

    /// Without a run there is nobody left to tell of an idle or of a gate result: whatever the way on which
    /// the wrapper was lost, a batch that waited for it waits no longer.
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

    /// The run has spoken its last word: that was the gate result, or there is none.
    pub(super) fn observe_gate(&mut self, run: &WrapperRunId, result: Option<GateResult>, step: &mut Step) {
        let Some(id) = self.outbox.representative().cloned() else {
            return;
        };
        if self.queue.message(&id).accepted_by.as_ref() != Some(run) {
            return;
        }
        if let Some(result) = result {
            match result {
                GateResult::Pass => Row::GatePassed.reach(),
                GateResult::Fail => Row::GateFailed.reach(),
            }
            self.queue.change(&id, step, |message| {
                message.gate_result.get_or_insert(result);
            });
        }
        self.waive_gate_of(run, step);
    }

    /// No gate result will come from `run` any more.
    pub(super) fn waive_gate_of(&mut self, run: &WrapperRunId, step: &mut Step) {
        let Some(id) = self.outbox.representative() else {
            return;
        };
        let is_its_run = self.queue.message(id).accepted_by.as_ref() == Some(run);
        if is_its_run && self.awaits_gate_result() {
            Row::GateReleased.reach();
        }
        if is_its_run || step.sabotage.releases_gate_for_any_run() {
            self.outbox.waive_gate(step);
        }
    }
}
