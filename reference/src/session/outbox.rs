//! The idle batch and the callbacks that are owed (protocol §8).
//!
//! What a callback says is frozen here when its batch is finalized; how it gets to its receiver is the
//! business of `callbacks`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::supervision::Deadline;
use super::{CallbackJob, CallbackOwner, Decision, Effect, EnqueueError, Reply, Session};
use crate::coverage::Row;
use crate::identity::{MessageId, WrapperRunId};
use crate::legacy::model::execution::{self, Execution};
use crate::legacy::model::{name_execution, name_execution_after};
use crate::model::message::{Callback, GateResult, Message, Status};
use crate::model::metadata::CallbackTarget;

/// Messages that end between two idles share one callback: that of the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Batch {
    /// The message that the callback will tell of.
    representative: MessageId,
    /// No gate result will come for it.
    gate_waived: bool,
}

impl Session {
    /// A message with a callback ended: it speaks for the batch from now on.
    pub(super) fn represent_batch(&mut self, message: &MessageId, decision: &mut Decision) {
        if self.sabotage.calls_back_for_first() && self.core.batch.is_some() {
            return;
        }
        match self.core.batch {
            None => Row::BatchOpened.reach(),
            Some(_) => Row::BatchReplaced.reach(),
        }
        self.change_core(decision).batch = Some(Batch {
            representative: message.clone(),
            gate_waived: false,
        });
    }

    /// Finalizes the batch if nothing is left to wait for and the session is idle.
    pub(super) fn finalize_batch_if_due(&mut self, decision: &mut Decision) {
        if self.core.idle_since.is_some() {
            self.finalize_batch_without_idle(decision);
        }
    }

    /// Finalizes the batch if nothing is left to wait for, on a path that needs no idle.
    pub(super) fn finalize_batch_without_idle(&mut self, decision: &mut Decision) {
        let Some(batch) = &self.core.batch else { return };
        if !self.unfinished.is_empty() {
            return;
        }
        if self.awaits_gate_result(batch) {
            Row::GateAwaited.reach();
            return;
        }
        Row::BatchFinalized.reach();
        let id = batch.representative.clone();
        self.change_core(decision).batch = None;
        let message = &self.messages[&id];
        let target = message.callback_target.clone();
        let target = target.expect("only a message with a callback's target represents a batch");
        let body = self.callback_body(message);
        self.owe_callback(CallbackOwner::Message(id), target, body, decision);
    }

    /// From now on a callback is owed. What it says and where it goes to is frozen: a repeated job is the
    /// same job.
    pub(super) fn owe_callback(
        &mut self,
        owner: CallbackOwner,
        target: CallbackTarget,
        body: Value,
        decision: &mut Decision,
    ) {
        let callback = Callback {
            target,
            body,
            callback_attempts: 0,
            callback_last_error: None,
            callback_retry_at: None,
            callback_enqueued_at: None,
        };
        *self.change_callback(&owner, decision) = Some(callback);
        self.change_core(decision).outbox.insert(owner.clone());
        self.enqueue_callback(&owner, decision);
    }

    fn change_callback(&mut self, owner: &CallbackOwner, decision: &mut Decision) -> &mut Option<Callback> {
        match owner {
            CallbackOwner::Message(id) => {
                decision.writes.messages.insert(id.clone());
                let message = self.messages.get_mut(id);
                &mut message.expect("a message that owes a callback exists").callback
            }
            CallbackOwner::Imported(id) => &mut self.change_execution(id, decision).callback,
        }
    }

    fn callback(&self, owner: &CallbackOwner) -> Option<&Callback> {
        match owner {
            CallbackOwner::Message(id) => self.messages.get(id)?.callback.as_ref(),
            CallbackOwner::Imported(id) => self.executions.get(id)?.callback.as_ref(),
        }
    }

    /// Without a run there is nobody left to tell of an idle or of a gate result: whatever the way on which
    /// the wrapper was lost, a batch that waited for it waits no longer.
    pub(super) fn finalize_batch_without_run(&mut self, decision: &mut Decision) {
        if self.core.run.is_none() && self.core.batch.is_some() && self.unfinished.is_empty() {
            if let Some(batch) = &mut self.change_core(decision).batch {
                batch.gate_waived = true;
            }
            self.finalize_batch_without_idle(decision);
        }
    }

    fn awaits_gate_result(&self, batch: &Batch) -> bool {
        let message = &self.messages[&batch.representative];
        message.finalization.wants_gate_result()
            && message.is_completed()
            && message.gate_result.is_none()
            && !batch.gate_waived
    }

    /// The run has spoken its last word: that was the gate result, or there is none.
    pub(super) fn observe_gate(
        &mut self,
        run: &WrapperRunId,
        result: Option<GateResult>,
        decision: &mut Decision,
    ) {
        let Some(batch) = &self.core.batch else { return };
        let id = batch.representative.clone();
        if self.messages[&id].accepted_by.as_ref() != Some(run) {
            return;
        }
        if let Some(result) = result {
            match result {
                GateResult::Pass => Row::GatePassed.reach(),
                GateResult::Fail => Row::GateFailed.reach(),
            }
            self.change(&id, decision, |message| {
                message.gate_result.get_or_insert(result);
            });
        }
        self.waive_gate_of(run, decision);
    }

    /// No gate result will come from `run` any more.
    pub(super) fn waive_gate_of(&mut self, run: &WrapperRunId, decision: &mut Decision) {
        let Some(batch) = &self.core.batch else { return };
        let is_its_run = self.messages[&batch.representative].accepted_by.as_ref() == Some(run);
        if is_its_run && self.awaits_gate_result(batch) {
            Row::GateReleased.reach();
        }
        if (is_its_run || self.sabotage.releases_gate_for_any_run())
            && let Some(batch) = &mut self.change_core(decision).batch
        {
            batch.gate_waived = true;
        }
    }

    /// What is owed and was not being retried is tried now: it may have been under way when the server
    /// stopped.
    pub(super) fn resume_outbox(&mut self, decision: &mut Decision) {
        if self.sabotage.forgets_callback_retry() {
            self.forget_retries(decision);
        }
        let owed: Vec<CallbackOwner> = self
            .core
            .outbox
            .iter()
            .filter(|owner| {
                let retry = Deadline::Callback((*owner).clone());
                self.core.deadlines.get(&retry).is_none()
            })
            .cloned()
            .collect();
        for owner in owed {
            Row::EnqueueRepeated.reach();
            self.enqueue_callback(&owner, decision);
        }
    }

    /// What a server does that keeps its retries in memory only.
    fn forget_retries(&mut self, decision: &mut Decision) {
        for owner in self.core.outbox.clone() {
            let retry = Deadline::Callback(owner.clone());
            if self.core.deadlines.get(&retry).is_some() {
                self.clear_deadline(&retry, decision);
                self.change_core(decision).outbox.remove(&owner);
            }
        }
    }

    /// Hands a callback to the queue.
    pub(super) fn enqueue_callback(&mut self, owner: &CallbackOwner, decision: &mut Decision) {
        if !self.core.outbox.contains(owner) || !self.volatile.enqueueing.insert(owner.clone()) {
            return;
        }
        let callback = self.callback(owner);
        let Callback { target, body, .. } = callback.expect("whoever is in the outbox owes a callback");
        decision.effects.push(Effect::Enqueue(Box::new(CallbackJob {
            owner: owner.clone(),
            target: target.clone(),
            body: body.clone(),
        })));
        if self.sabotage.counts_enqueue_before_it_is_answered() {
            self.change_core(decision).outbox.remove(owner);
        }
    }

    /// The queue answered.
    pub(super) fn enqueued(
        &mut self,
        now: Timestamp,
        owner: &CallbackOwner,
        result: Result<(), EnqueueError>,
        decision: &mut Decision,
    ) -> Reply {
        self.volatile.enqueueing.remove(owner);
        if !self.core.outbox.contains(owner) {
            return Reply::None;
        }
        let retry_at = result.is_err().then(|| now + self.profile.enqueue_retry_delay);
        if let Some(callback) = self.change_callback(owner, decision) {
            callback.callback_retry_at = retry_at;
            match result {
                Ok(()) => {
                    Row::Enqueued.reach();
                    callback.callback_enqueued_at = Some(now);
                }
                Err(error) => {
                    Row::EnqueueFailed.reach();
                    callback.callback_attempts += 1;
                    callback.callback_last_error = Some(error.to_string());
                }
            }
        }
        match retry_at {
            Some(at) => self.set_deadline(Deadline::Callback(owner.clone()), at, decision),
            None => {
                self.change_core(decision).outbox.remove(owner);
            }
        }
        Reply::None
    }

    /// What the callback of a message says.
    fn callback_body(&self, message: &Message) -> Value {
        let outcome = message
            .outcome()
            .expect("only a message that ended represents a batch");
        let text = outcome
            .assistant_message_id
            .as_deref()
            .and_then(|id| self.transcript.text(id));
        let mut body = self.body(
            outcome.status,
            outcome.error.as_deref(),
            message.gate_result,
            text,
        );
        body["messageId"] = json!(message.id);
        body["idempotencyKey"] = json!(message.id);
        if !self.sabotage.omits_execution_in_callback() {
            name_execution_after(&message.id, &mut body);
        }
        body
    }

    /// What the callback of an older service's execution says: it can be told from its repeats only if it
    /// has a message.
    pub(super) fn imported_callback_body(&self, execution: &Execution) -> Value {
        let execution::State::Ended {
            status,
            error,
            gate_result,
        } = &execution.state
        else {
            unreachable!("only an execution that ended owes a callback");
        };
        // What answers somebody else's turn is not what this execution said.
        let is_others = |answered: &MessageId| {
            let mut others = self
                .executions
                .values()
                .filter(|other| other.id() != execution.id());
            self.messages.contains_key(answered)
                || others.any(|other| other.message_id.as_ref() == Some(answered))
        };
        let reply = self
            .transcript
            .latest_reply_where(|answered| !is_others(answered));
        let text = reply.and_then(|reply| self.transcript.text(&reply.assistant_message_id));
        let mut body = self.body(*status, error.as_deref(), *gate_result, text);
        if let Some(message) = &execution.message_id {
            body["messageId"] = json!(message);
            body["idempotencyKey"] = json!(message);
        }
        name_execution(execution, &mut body);
        body
    }

    /// What every callback says.
    fn body(
        &self,
        status: Status,
        error: Option<&str>,
        gate_result: Option<GateResult>,
        text: Option<String>,
    ) -> Value {
        let session = &self.metadata.identity.session_id;
        let mut body = json!({
            "sessionId": session,
            "cloudAgentSessionId": session,
            "status": status,
        });
        let mut add = |key: &str, value: Value| {
            if !value.is_null() {
                body[key] = value;
            }
        };
        add("errorMessage", json!(error));
        let branch = self.core.reported_branch.as_deref().or(self.metadata.branch());
        add("lastSeenBranch", json!(branch));
        add("kiloSessionId", json!(self.metadata.identity.kilo_session_id));
        add("gateResult", json!(gate_result));
        if status == Status::Completed {
            add("lastAssistantMessageText", json!(text));
        }
        body
    }
}
