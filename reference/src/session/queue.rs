//! The pending queue: who is next, when, and what a failed delivery costs (protocol §4).
//!
//! A message is pending exactly while its state says `queued`; there is no second list that could tell
//! another story. The head blocks the queue: nothing overtakes it.

use std::time::Duration;

use jiff::Timestamp;

use super::events::{self, name};
use super::progress::Step;
use super::supervision::Deadline;
use super::wrapper::{DeliveryFailure, DeliveryInFlight};
use super::{Decision, Reply, Session};
use crate::coverage::Row;
use crate::identity::{MessageId, WrapperRunId};
use crate::model::message::{Message, Outcome, Reason, Source, Status};

impl Session {
    /// Messages that wait, in the order in which they will be delivered.
    pub(super) fn queued(&self) -> impl Iterator<Item = &Message> {
        let kept = self.sabotage.keeps_ended_pending();
        self.unfinished()
            .filter(move |message| message.is_queued() || kept && message.is_terminal())
    }

    /// Sees to it that there is a drain after the drain delay, or as soon as the head may be tried again.
    pub(super) fn ask_for_drain(&mut self, now: Timestamp, decision: &mut Decision) {
        let head_retry_at = self.queued().next().and_then(|head| head.retry_at);
        let wanted = (now + self.profile.drain_delay).max(head_retry_at.unwrap_or(now));
        if self
            .core
            .deadlines
            .get(&Deadline::Drain)
            .is_none_or(|planned| wanted < planned)
        {
            self.set_deadline(Deadline::Drain, wanted, decision);
        }
    }

    /// The same, if there is anything to drain.
    pub(super) fn ask_for_drain_if_pending(&mut self, now: Timestamp, decision: &mut Decision) {
        if self.queued().next().is_some() {
            self.ask_for_drain(now, decision);
        }
    }

    /// Delivers the head of the queue, if it is time and none is being delivered.
    pub(super) fn drain(&mut self, now: Timestamp, decision: &mut Decision) {
        if self.volatile.delivery.is_some() {
            return; // Its report asks for the next drain.
        }
        let Some(head) = self.queued().next() else { return };
        if let Some(retry_at) = head.retry_at.filter(|retry_at| *retry_at > now) {
            self.set_deadline(Deadline::Drain, retry_at, decision);
            return;
        }
        self.start_delivery(now, &head.id.clone(), decision);
    }

    /// A delivery has got the wrapper ready: record what it said, and go on if that still makes sense.
    pub(super) fn prepared(
        &mut self,
        now: Timestamp,
        run: &WrapperRunId,
        workspace: crate::model::metadata::Workspace,
        decision: &mut Decision,
    ) -> Reply {
        let delivery = self
            .volatile
            .delivery
            .as_ref()
            .filter(|delivery| delivery.run == *run);
        if !delivery.is_some_and(|delivery| self.messages[&delivery.message].is_queued()) {
            return Reply::Proceed(false);
        }
        let metadata = self.change_metadata(now, decision);
        metadata
            .identity
            .kilo_session_id
            .clone_from(&workspace.kilo_session_id);
        metadata.workspace = Some(workspace);
        metadata.lifecycle.prepared_at.get_or_insert(now);
        if !self.has_accepted() {
            self.set_deadline(
                Deadline::ReadyOnly,
                now + self.profile.ready_only_timeout,
                decision,
            );
        }
        self.tell_preparing(now, &Step::WorkspaceReady, decision);
        Reply::Proceed(true)
    }

    /// A delivery is over.
    pub(super) fn delivered(
        &mut self,
        now: Timestamp,
        id: &MessageId,
        run: &WrapperRunId,
        result: Result<(), DeliveryFailure>,
        decision: &mut Decision,
    ) -> Reply {
        // A delivery that was called off with its run reports to nobody.
        let is_this = |delivery: &mut DeliveryInFlight| delivery.message == *id && delivery.run == *run;
        let Some(delivery) = self.volatile.delivery.take_if(is_this) else {
            return Reply::None;
        };
        let message = &self.messages[id];
        if message.is_terminal() && message.accepted_by.is_none() {
            // It ended while it was on its way, and the wrapper may have taken it without knowing of that.
            self.demand_stop(decision);
        }
        match result {
            Ok(()) => self.accept(now, id, run, decision),
            Err(failure) => self.delivery_failed(now, &delivery, &failure, decision),
        }
        self.ask_for_drain_if_pending(now, decision);
        Reply::None
    }

    /// A wrapper took the message. Also called on evidence that it did, before it said so.
    pub(super) fn accept(
        &mut self,
        now: Timestamp,
        id: &MessageId,
        run: &WrapperRunId,
        decision: &mut Decision,
    ) {
        if !self.messages[id].is_queued() {
            return;
        }
        self.change(id, decision, |message| message.accept(run));
        Row::TurnAccepted.reach();
        let data = events::sent(&self.messages[id]);
        self.tell(now, name::SENT, data, decision);
        if self.metadata.lifecycle.initiated_at.is_none() {
            self.change_metadata(now, decision).lifecycle.initiated_at = Some(now);
        }
        self.change_core(decision).idle_since = None;
        self.tell_ready(now, decision);
        self.supervise_accepted(now, decision);
        self.ask_for_drain_if_pending(now, decision);
    }

    fn delivery_failed(
        &mut self,
        now: Timestamp,
        delivery: &DeliveryInFlight,
        failure: &DeliveryFailure,
        decision: &mut Decision,
    ) {
        failure.code.row().reach();
        let id = &delivery.message;
        let was_taken = self.messages[id].accepted_by.as_ref() == Some(&delivery.run);
        if delivery.allocated && !was_taken {
            Row::RunGivenUp.reach();
            // It may have taken the message all the same, and nobody would be left to stop it.
            self.stop_wrapper(decision);
        }
        if !self.messages[id].is_queued() {
            Row::DeliveryMoot.reach();
            return; // It ended or was accepted by other evidence; how its delivery went is moot.
        }
        let mut delays = self.retry_delays().to_vec();
        if self.sabotage.exhausts_early() {
            delays.pop();
        }
        let failures = self.change(id, decision, |message| {
            message.failed_deliveries += 1;
            message.failed_deliveries as usize
        });
        match delays
            .get(failures - 1)
            .filter(|_| failure.is_retryable() && failures < delays.len())
        {
            Some(delay) => {
                self.warm_or_cold(Row::RetriedWarm, Row::RetriedCold).reach();
                let retry_at = now + *delay;
                self.change(id, decision, |message| message.retry_at = Some(retry_at));
            }
            None if self.sabotage.drops_exhausted() => {
                self.unfinished.remove(id);
            }
            None => {
                if failure.is_retryable() {
                    self.warm_or_cold(Row::ExhaustedWarm, Row::ExhaustedCold).reach();
                } else {
                    Row::ExhaustedAtOnce.reach();
                }
                let outcome = Outcome {
                    status: Status::Failed,
                    source: Source::DeliveryFailure,
                    reason: Some(Reason::Exhausted),
                    error: Some(failure.to_string()),
                    assistant_message_id: None,
                };
                self.end(now, id, outcome, decision);
                self.tell_ready(now, decision);
                self.finalize_batch_without_idle(decision);
            }
        }
    }

    fn warm_or_cold(&self, warm: Row, cold: Row) -> Row {
        if self.is_warm() { warm } else { cold }
    }

    fn retry_delays(&self) -> &[Duration] {
        if self.is_warm() {
            &self.profile.delivery_retry_delays_warm
        } else {
            &self.profile.delivery_retry_delays_cold
        }
    }
}
