//! The idle batch and the callbacks that are owed (protocol §8).
//!
//! What a callback says is frozen here when its batch is finalized; how it gets to its receiver is the
//! business of `callbacks`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::message::{Callback, GateResult, Message, Status};
use super::supervision::Deadline;
use super::{CallbackJob, Decision, Effect, Reply, Session};
use crate::identity::{MessageId, WrapperRunId};
use crate::legacy;
use crate::limits::ENQUEUE_RETRY_DELAY;

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
        self.change_core(decision).batch = Some(Batch {
            representative: message.clone(),
            gate_waived: false,
        });
    }

    /// Finalizes the batch if nothing is left to wait for and the session is idle.
    pub(super) fn finalize_batch_if_due(&mut self, now: Timestamp, decision: &mut Decision) {
        if self.core.idle_since.is_some() {
            self.finalize_batch_without_idle(now, decision);
        }
    }

    /// Finalizes the batch if nothing is left to wait for, on a path that needs no idle.
    pub(super) fn finalize_batch_without_idle(&mut self, now: Timestamp, decision: &mut Decision) {
        let Some(batch) = &self.core.batch else { return };
        if !self.unfinished.is_empty() || self.awaits_gate_result(batch) {
            return;
        }
        let id = batch.representative.clone();
        let body = self.callback_body(&self.messages[&id]);
        self.change(&id, decision, |message| {
            message.callback = Some(Callback {
                body,
                callback_attempts: 0,
                callback_last_error: None,
                callback_retry_at: None,
                callback_enqueued_at: None,
            });
        });
        let core = self.change_core(decision);
        core.batch = None;
        core.outbox.insert(id.clone());
        core.metadata.lifecycle.updated_at = now;
        self.enqueue_callback(&id, decision);
    }

    /// Without a run there is nobody left to tell of an idle or of a gate result: whatever the way on which
    /// the wrapper was lost, a batch that waited for it waits no longer.
    pub(super) fn finalize_batch_without_run(&mut self, now: Timestamp, decision: &mut Decision) {
        if self.core.run.is_none() && self.core.batch.is_some() && self.unfinished.is_empty() {
            if let Some(batch) = &mut self.change_core(decision).batch {
                batch.gate_waived = true;
            }
            self.finalize_batch_without_idle(now, decision);
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
            self.change(&id, decision, |message| {
                message.gate_result.get_or_insert(result);
            });
        }
        self.waive_gate_of(run, decision);
    }

    /// No gate result will come from `run` any more.
    pub(super) fn waive_gate_of(&mut self, run: &WrapperRunId, decision: &mut Decision) {
        let Some(batch) = &self.core.batch else { return };
        if self.messages[&batch.representative].accepted_by.as_ref() == Some(run)
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
        let owed: Vec<MessageId> = self
            .core
            .outbox
            .iter()
            .filter(|id| {
                self.core
                    .deadlines
                    .get(&Deadline::Callback((*id).clone()))
                    .is_none()
            })
            .cloned()
            .collect();
        for id in owed {
            self.enqueue_callback(&id, decision);
        }
    }

    /// What a server does that keeps its retries in memory only.
    fn forget_retries(&mut self, decision: &mut Decision) {
        for id in self.core.outbox.clone() {
            let retry = Deadline::Callback(id.clone());
            if self.core.deadlines.get(&retry).is_some() {
                self.clear_deadline(&retry, decision);
                self.change_core(decision).outbox.remove(&id);
            }
        }
    }

    /// Hands a callback to the queue.
    pub(super) fn enqueue_callback(&mut self, id: &MessageId, decision: &mut Decision) {
        if !self.core.outbox.contains(id) || !self.volatile.enqueueing.insert(id.clone()) {
            return;
        }
        let message = &self.messages[id];
        let (Some(target), Some(callback)) = (&message.callback_target, &message.callback) else {
            unreachable!("a message is in the outbox with its target and its callback, or not at all");
        };
        decision.effects.push(Effect::Enqueue(Box::new(CallbackJob {
            message: id.clone(),
            target: target.clone(),
            body: callback.body.clone(),
        })));
    }

    /// The queue answered.
    pub(super) fn enqueued(
        &mut self,
        now: Timestamp,
        id: &MessageId,
        result: Result<(), String>,
        decision: &mut Decision,
    ) -> Reply {
        self.volatile.enqueueing.remove(id);
        if !self.core.outbox.contains(id) {
            return Reply::None;
        }
        let retry_at = result.is_err().then(|| now + ENQUEUE_RETRY_DELAY);
        self.change(id, decision, |message| {
            let Some(callback) = &mut message.callback else {
                return;
            };
            callback.callback_retry_at = retry_at;
            match result {
                Ok(()) => callback.callback_enqueued_at = Some(now),
                Err(error) => {
                    callback.callback_attempts += 1;
                    callback.callback_last_error = Some(error);
                }
            }
        });
        match retry_at {
            Some(at) => self.set_deadline(Deadline::Callback(id.clone()), at, decision),
            None => {
                self.change_core(decision).outbox.remove(id);
            }
        }
        Reply::None
    }

    /// What the callback of a message says.
    fn callback_body(&self, message: &Message) -> Value {
        let outcome = message
            .outcome()
            .expect("only a message that ended represents a batch");
        let metadata = &self.core.metadata;
        let session = &metadata.identity.session_id;
        let mut body = json!({
            "sessionId": session,
            "cloudAgentSessionId": session,
            "messageId": message.id,
            "status": outcome.status,
            "idempotencyKey": message.id,
        });
        let mut add = |key: &str, value: Value| {
            if !value.is_null() {
                body[key] = value;
            }
        };
        add("errorMessage", json!(outcome.error));
        let branch = self
            .core
            .reported_branch
            .as_deref()
            .or(metadata.repository.branch());
        add("lastSeenBranch", json!(branch));
        add("kiloSessionId", json!(metadata.identity.kilo_session_id));
        add("gateResult", json!(message.gate_result));
        if outcome.status == Status::Completed {
            let reply = outcome.assistant_message_id.as_deref();
            add(
                "lastAssistantMessageText",
                json!(reply.and_then(|id| self.transcript.text(id))),
            );
        }
        legacy::name_execution_after(&message.id, &mut body);
        body
    }
}
