//! The delivery of the head of the queue, and the effects of its result (protocol §4).
//!
//! The host carries out deliveries over HTTP.

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::Deadline;
use super::events::{self, name};
use super::step::Step;
use super::stream::Preparation;
use super::wrapper::{Delivery, DeliveryFailure, FailureCode};
use super::wrapper_run::DeliveryInFlight;
use super::{Effect, Reply, Session};
use crate::coverage::ServerMark;
use crate::identity::{MessageId, WrapperRunId};
use crate::model::message::{Outcome, Reason, Source, Status};
use crate::model::metadata::Workspace;

/// The error text of a delivery whose run the wrapper ended.
const RUN_ENDED: &str = "the wrapper ended its run";

impl Session {
    /// Schedules a drain after [`Profile::drain_delay`](turnstile_profile::Profile::drain_delay), or at the retry
    /// time of the head if that is later.
    pub(super) fn schedule_drain(&mut self, step: &mut Step) {
        let head_retry_at = self.queue.head().and_then(|head| head.retry_at);
        let wanted = (step.now + step.profile.drain_delay).max(head_retry_at.unwrap_or(step.now));
        self.supervision.schedule_drain(wanted, step);
    }

    /// Schedules a drain if messages are pending.
    pub(super) fn schedule_drain_if_pending(&mut self, step: &mut Step) {
        if self.queue.head().is_some() {
            self.schedule_drain(step);
        }
    }

    /// Delivers the head of the queue if it is due and no delivery is in progress.
    pub(super) fn drain(&mut self, step: &mut Step) {
        if self.wrapper.delivery().is_some() {
            return; // Its report asks for the next drain.
        }
        let Some(head) = self.queue.head() else { return };
        if let Some(retry_at) = head.retry_at.filter(|retry_at| *retry_at > step.now) {
            self.supervision.set(Deadline::Drain, retry_at, step);
            return;
        }
        self.start_delivery(&head.id.clone(), step);
    }

    /// Starts the delivery of `message`, to the current run or a new one.
    fn start_delivery(&mut self, message: &MessageId, step: &mut Step) {
        let at_work = self.wrapper.is_connected() && self.queue.has_accepted();
        let run = self.wrapper.begin_delivery(message, step);
        if at_work {
            ServerMark::Fed.hit();
        } else {
            ServerMark::Drained.hit();
        }
        if !self.is_warm() {
            self.stream.report_preparing(&Preparation::SandboxStarting, step);
        }
        step.effect(Effect::Deliver(Box::new(Delivery {
            message: self.queue.message(message).clone(),
            run,
            metadata: self.metadata.clone(),
        })));
    }

    /// Records the workspace that a delivery made ready. Answers whether the delivery should continue.
    pub(super) fn prepared(&mut self, run: &WrapperRunId, workspace: Workspace, step: &mut Step) -> Reply {
        let is_current = self.wrapper.is_current(run);
        let delivery = self
            .wrapper
            .delivery()
            .filter(|delivery| delivery.run == *run && is_current);
        if !delivery.is_some_and(|delivery| self.queue.message(&delivery.message).is_queued()) {
            return Reply::Proceed(false);
        }
        self.wrapper.note_prepared();
        let was_warm = self.is_warm();
        let now = step.now;
        let metadata = self.change_metadata(step);
        metadata
            .identity
            .kilo_session_id
            .clone_from(&workspace.kilo_session_id);
        metadata.workspace = Some(workspace);
        metadata.lifecycle.prepared_at.get_or_insert(now);
        if !self.queue.has_accepted() {
            self.supervision.set_ready_only(step);
        }
        if !was_warm {
            self.stream.report_preparing(&Preparation::WorkspaceReady, step);
        }
        Reply::Proceed(true)
    }

    /// Records the result of a delivery.
    pub(super) fn delivered(
        &mut self,
        id: &MessageId,
        run: &WrapperRunId,
        result: Result<(), DeliveryFailure>,
        step: &mut Step,
    ) -> Reply {
        // The delivery was cancelled with its run (R5.10).
        let Some(delivery) = self.wrapper.end_delivery(id, run) else {
            return Reply::None;
        };
        match result {
            Ok(()) => {
                self.accept(id, run, delivery.idle_since, step);
                if let Some(outcome) = delivery.ended {
                    self.end(id, outcome, step);
                }
            }
            Err(failure) => self.delivery_failed(&delivery, &failure, step),
        }
        self.schedule_drain_if_pending(step);
        Reply::None
    }

    /// Accepts a message: the wrapper confirmed it, or evidence shows that it took it (R4.22). `idle_since` is the time
    /// of a root idle after the wrapper reported the message (R6.40).
    pub(super) fn accept(
        &mut self,
        id: &MessageId,
        run: &WrapperRunId,
        idle_since: Option<Timestamp>,
        step: &mut Step,
    ) {
        if !self.queue.message(id).is_queued() {
            return;
        }
        let now = step.now;
        self.queue.change(id, step, |message| message.accept(run, now));
        ServerMark::TurnAccepted.hit();
        let data = events::sent(self.queue.message(id));
        self.stream.emit_kept(name::SENT, data, step);
        if self.metadata.lifecycle.initiated_at.is_none() {
            self.change_metadata(step).lifecycle.initiated_at = Some(now);
        }
        if self.wrapper.is_current(run) {
            // Clients have learned the end of another run (R5.23).
            self.stream.report_ready(step);
        }
        self.supervision.note_accepted(idle_since, step);
        self.schedule_drain_if_pending(step);
    }

    /// Accepts a message on evidence from the wrapper. The answer to its delivery may be outstanding.
    pub(super) fn accept_on_evidence(&mut self, id: &MessageId, run: &WrapperRunId, step: &mut Step) {
        if self.queue.message(id).is_queued() {
            ServerMark::EvidenceBeforeReply.hit();
        }
        let delivery = self.wrapper.delivery();
        let idle_since = delivery
            .filter(|delivery| delivery.message == *id)
            .and_then(|delivery| delivery.idle_since);
        self.accept(id, run, idle_since, step);
    }

    /// Ends the delivery in progress together with its run, which the wrapper ended with `outcome` (R6.31).
    pub(super) fn end_delivery_with_run(&mut self, outcome: &Outcome, step: &mut Step) {
        let Some(delivery) = self.wrapper.delivery() else {
            return;
        };
        let id = delivery.message.clone();
        if !self.queue.message(&id).is_queued() {
            // Its end is known, so the answer is moot.
            self.wrapper.cancel_delivery(step);
        } else if delivery.is_prepared {
            self.wrapper.note_ended(outcome);
        } else {
            self.wrapper.cancel_delivery(step);
            let failure = DeliveryFailure::new(FailureCode::WrapperStartFailed, RUN_ENDED);
            self.count_failure(&id, &failure, step);
        }
    }

    fn delivery_failed(&mut self, delivery: &DeliveryInFlight, failure: &DeliveryFailure, step: &mut Step) {
        failure.code.mark().hit();
        let id = &delivery.message;
        let was_taken = self.queue.message(id).accepted_by.as_ref() == Some(&delivery.run);
        if delivery.allocated && !was_taken {
            ServerMark::RunGivenUp.hit();
            // The wrapper may have accepted it nevertheless, so it must be stopped.
            self.stop_wrapper(step);
        }
        if !self.queue.message(id).is_queued() {
            ServerMark::DeliveryMoot.hit();
            return; // It ended or was accepted by other evidence; how its delivery went is moot.
        }
        self.count_failure(id, failure, step);
    }

    /// Counts a failed delivery: sets the time of the next one, or ends the message.
    fn count_failure(&mut self, id: &MessageId, failure: &DeliveryFailure, step: &mut Step) {
        let failures = self.queue.change(id, step, |message| {
            message.failed_deliveries += 1;
            message.failed_deliveries as usize
        });
        let is_permanent = failure.is_permanent(&step.profile);
        match self.retry_delay(failures, step).filter(|_| !is_permanent) {
            Some(delay) => {
                self.warm_or_cold(ServerMark::RetriedWarm, ServerMark::RetriedCold)
                    .hit();
                let retry_at = step.now + delay;
                self.queue
                    .change(id, step, |message| message.retry_at = Some(retry_at));
            }
            None => self.exhaust(id, failure, step),
        }
    }

    /// Ends a message whose delivery is exhausted (R4.10).
    fn exhaust(&mut self, id: &MessageId, failure: &DeliveryFailure, step: &mut Step) {
        if failure.is_permanent(&step.profile) {
            ServerMark::ExhaustedAtOnce.hit();
        } else {
            self.warm_or_cold(ServerMark::ExhaustedWarm, ServerMark::ExhaustedCold)
                .hit();
        }
        let outcome = Outcome {
            status: Status::Failed,
            source: Source::DeliveryFailure,
            reason: Some(Reason::Exhausted),
            error: Some(failure.to_string()),
            assistant_message_id: None,
        };
        self.end(id, outcome, step);
        self.stream.report_ready_again(step);
        self.finalize_batch_without_idle(step);
    }

    fn warm_or_cold(&self, warm: ServerMark, cold: ServerMark) -> ServerMark {
        if self.is_warm() { warm } else { cold }
    }

    /// The delay from the last of that number of failures to the next delivery. `None` if it exhausts the message
    /// (R4.9).
    pub(super) fn retry_delay(&self, failures: usize, step: &Step) -> Option<Duration> {
        let delays = if self.is_warm() {
            &step.profile.delivery_retry_delays_warm
        } else {
            &step.profile.delivery_retry_delays_cold
        };
        delays.get(failures - 1).copied()
    }
}
