//! The effects of deadlines, and of the start of the server (protocol §7).

use super::deadline::{Deadline, after};
use super::step::Step;
use super::supervision::Watched;
use super::{Reply, Session, ToWrapper};
use crate::coverage::ServerMark;
use crate::identity::MessageId;
use crate::model::message::{Outcome, Reason, Source, Status};

/// The error text of messages and executions after the disconnect grace.
pub(super) const WRAPPER_DISCONNECTED: &str = "Wrapper disconnected";
/// The error text of messages after a missing pong.
const NO_PONG: &str = "Wrapper did not answer a ping";
/// The error text of messages after missing output.
const NO_OUTPUT: &str = "Wrapper produced no output";

impl Session {
    /// Fires all deadlines that are due.
    pub(super) fn fire_deadlines(&mut self, step: &mut Step) -> Reply {
        while let Some(deadline) = self.supervision.take_due(step) {
            match deadline {
                Deadline::Drain => self.drain(step),
                Deadline::Grace => {
                    ServerMark::WrapperDisconnected.hit();
                    self.lose_wrapper(Reason::WrapperDisconnected, WRAPPER_DISCONNECTED, step);
                }
                Deadline::Ping => {
                    if self.wrapper.send(ToWrapper::Ping, step) {
                        self.supervision.await_pong(step);
                    } else {
                        self.supervision.set_ping(step);
                    }
                }
                Deadline::Pong => {
                    ServerMark::NoPong.hit();
                    self.lose_wrapper(Reason::WrapperFailure, NO_PONG, step);
                }
                Deadline::NoOutput => {
                    ServerMark::NoOutput.hit();
                    self.lose_wrapper(Reason::WrapperFailure, NO_OUTPUT, step);
                }
                Deadline::Reconciliation => self.reconcile(step),
                Deadline::ReadyOnly | Deadline::KeepWarm => self.release_if_unused(step),
                Deadline::Callback(owner) => self.enqueue_callback(&owner, step),
                Deadline::ImportedGrace(execution) => self.lose_imported(&execution, step),
                Deadline::ImportedTimeout(execution) => self.time_out_imported(&execution, step),
                Deadline::Expiry => self.expire(step),
            }
        }
        Reply::None
    }

    /// Resumes work that was committed before the server stopped.
    pub(super) fn resume(&mut self, step: &mut Step) -> Reply {
        self.supervision.resume(step);
        self.bring_retry_near(step);
        self.supervision.mark_grace_on_boot(self.has_outstanding_work());
        self.resume_executions(step);
        self.resume_expiry(step);
        self.schedule_drain_if_pending(step);
        self.resume_outbox(step);
        Reply::None
    }

    /// Brings the retry of the head near, if a clock that was set back has put it off (R7.36).
    fn bring_retry_near(&mut self, step: &mut Step) {
        let Some(head) = self.queue.head() else { return };
        let (id, failures) = (head.id.clone(), head.failed_deliveries as usize);
        let Some(retry_at) = head.retry_at else { return };
        let delay = self.retry_delay(failures, step).unwrap_or_default();
        let latest = after(step.now, delay);
        if retry_at > latest {
            self.queue
                .change(&id, step, |message| message.retry_at = Some(latest));
        }
    }

    /// Whether the current run has outstanding work: an accepted message, or the idle or gate result that an
    /// otherwise complete batch waits for. Without that event, nothing else would finalize the batch (R7.17).
    fn has_outstanding_work(&self) -> bool {
        let owes_last_word = self.outbox.batch().is_some() && !self.queue.has_unfinished();
        self.wrapper.run().is_some() && (self.queue.has_accepted() || owes_last_word)
    }

    /// Handles the loss of a run: its accepted messages fail and it is released.
    fn lose_wrapper(&mut self, reason: Reason, text: &str, step: &mut Step) {
        let Some(run) = self.wrapper.run().cloned() else {
            return;
        };
        let outcome = Outcome {
            status: Status::Failed,
            source: Source::WrapperFailure,
            reason: Some(reason),
            error: Some(text.to_owned()),
            assistant_message_id: None,
        };
        self.end_accepted_of(&run.id, &outcome, step);
        self.waive_gate_of(&run.id, step);
        self.stop_wrapper(step);
        self.stream.report_ready_again(step);
        self.finalize_batch_without_idle(step);
        self.schedule_drain_if_pending(step);
    }

    /// Releases an unused run, unless messages are pending: their delivery decides, and the limit starts again
    /// afterwards.
    fn release_if_unused(&mut self, step: &mut Step) {
        if !self.queue.has_unfinished() {
            self.stop_wrapper(step);
        }
    }

    /// Idle reconciliation: decides about each accepted message by the transcript.
    fn reconcile(&mut self, step: &mut Step) {
        let unanswered: Vec<MessageId> = self.queue.accepted().map(|message| message.id.clone()).collect();
        self.end_by_transcript(&unanswered, step);
        self.finalize_batch_if_due(step);
    }

    /// Updates the deadlines of the current run. Called last for every input.
    pub(super) fn watch_over_run(&mut self, step: &mut Step) {
        let watched = Watched {
            has_accepted: self.queue.has_accepted(),
            has_outstanding_work: self.has_outstanding_work(),
            is_connected: self.wrapper.is_connected(),
            run_is_unused: self.wrapper.run().is_some() && !self.queue.has_unfinished(),
            has_batch: self.outbox.batch().is_some(),
        };
        self.supervision.watch(&watched, step);
    }
}
