//! Callbacks: their bodies, and their submission to the queue (protocol §8).
//!
//! The body is frozen when the batch is finalized. `callbacks` delivers jobs from the queue to receivers.

use serde_json::{Value, json};

use super::deadline::Deadline;
use super::job_size::fit;
use super::step::Step;
use super::{CallbackJob, CallbackOwner, Effect, EnqueueError, Reply, Session};
use crate::coverage::ServerMark;
use crate::identity::MessageId;
use crate::legacy::model::execution::{self, Execution};
use crate::legacy::model::{name_execution, name_execution_after};
use crate::model::message::{Callback, GateResult, Message, Status};
use crate::model::metadata::CallbackTarget;

impl Session {
    /// Creates a callback and submits it. Body and target are frozen, so repeated jobs are identical (R8.9). A job that
    /// no queue takes because of its size is given up (R8.38).
    pub(super) fn create_callback(
        &mut self,
        owner: CallbackOwner,
        target: CallbackTarget,
        body: Value,
        step: &mut Step,
    ) {
        let fitting = fit(&body, &target, step.profile.callback_job_limit);
        let too_large = fitting.as_ref().err().copied();
        let callback = Callback {
            target,
            body: fitting.unwrap_or(body),
            callback_attempts: 0,
            callback_last_error: too_large.as_ref().map(ToString::to_string),
            callback_retry_at: None,
            callback_enqueued_at: None,
        };
        self.change_callback(&owner, step, |owed| *owed = Some(callback));
        if let Some(too_large) = too_large {
            ServerMark::CallbackGivenUp.hit();
            step.effect(Effect::CallbackGivenUp(owner, too_large));
            return;
        }
        self.outbox.add(&owner, step);
        self.enqueue_callback(&owner, step);
    }

    fn change_callback(
        &mut self,
        owner: &CallbackOwner,
        step: &mut Step,
        change: impl FnOnce(&mut Option<Callback>),
    ) {
        match owner {
            CallbackOwner::Message(id) => self
                .queue
                .change(id, step, |message| change(&mut message.callback)),
            CallbackOwner::Imported(id) => change(&mut self.imported.change(id, step).callback),
        }
    }

    fn callback(&self, owner: &CallbackOwner) -> Option<&Callback> {
        match owner {
            CallbackOwner::Message(id) => self.queue.find(id)?.callback.as_ref(),
            CallbackOwner::Imported(id) => self.imported.find(id)?.callback.as_ref(),
        }
    }

    /// Submits pending callbacks that have no retry deadline: their submission may have been in progress when the
    /// server stopped (R8.22).
    pub(super) fn resume_outbox(&mut self, step: &mut Step) {
        let is_not_retried =
            |owner: &&CallbackOwner| !self.supervision.is_set(&Deadline::Callback((*owner).clone()));
        let owed: Vec<CallbackOwner> = self
            .outbox
            .pending()
            .iter()
            .filter(is_not_retried)
            .cloned()
            .collect();
        for owner in owed {
            ServerMark::EnqueueRepeated.hit();
            self.enqueue_callback(&owner, step);
        }
    }

    /// Submits a callback to the queue.
    pub(super) fn enqueue_callback(&mut self, owner: &CallbackOwner, step: &mut Step) {
        if !self.outbox.begin_enqueue(owner) {
            return;
        }
        let callback = self.callback(owner);
        let Callback { target, body, .. } = callback.expect("owners in the outbox have a callback");
        step.effect(Effect::Enqueue(Box::new(CallbackJob {
            owner: owner.clone(),
            target: target.clone(),
            body: body.clone(),
        })));
    }

    /// Records the answer of the queue (R8.19, R8.20).
    pub(super) fn enqueued(
        &mut self,
        owner: &CallbackOwner,
        result: Result<(), EnqueueError>,
        step: &mut Step,
    ) -> Reply {
        if !self.outbox.end_enqueue(owner) {
            return Reply::None;
        }
        let now = step.now;
        let is_retried = matches!(result, Err(EnqueueError::Rejected(_)));
        let retry_at = is_retried.then(|| now + step.profile.enqueue_retry_delay);
        if let Err(EnqueueError::TooLarge(too_large)) = &result {
            ServerMark::CallbackGivenUp.hit();
            step.effect(Effect::CallbackGivenUp(owner.clone(), *too_large));
        }
        self.change_callback(owner, step, |callback| {
            let Some(callback) = callback else { return };
            callback.callback_retry_at = retry_at;
            match result {
                Ok(()) => {
                    ServerMark::Enqueued.hit();
                    callback.callback_enqueued_at = Some(now);
                }
                Err(error) => {
                    ServerMark::EnqueueFailed.hit();
                    callback.callback_attempts += 1;
                    callback.callback_last_error = Some(error.to_string());
                }
            }
        });
        match retry_at {
            Some(at) => self.supervision.set(Deadline::Callback(owner.clone()), at, step),
            None => self.outbox.remove(owner, step),
        }
        Reply::None
    }

    /// The body of a message's callback (R8.10–R8.18).
    pub(super) fn callback_body(&self, message: &Message) -> Value {
        let outcome = message.outcome().expect("a representative has ended");
        let latest = self
            .transcript
            .latest_reply_where(|answered| *answered == message.id);
        let text = latest.map(|reply| self.transcript.text(&reply.assistant_message_id));
        let mut body = self.body(
            outcome.status,
            outcome.error.as_deref(),
            message.gate_result,
            text,
        );
        body["messageId"] = json!(message.id);
        body["idempotencyKey"] = json!(message.id);
        name_execution_after(&message.id, &mut body);
        body
    }

    /// The body of an execution's callback (R10.36–R10.40). Without a message it has no idempotency key.
    pub(super) fn imported_callback_body(&self, execution: &Execution) -> Value {
        let execution::State::Ended {
            status,
            error,
            gate_result,
        } = &execution.state
        else {
            unreachable!("only ended executions have a callback");
        };
        // An answer to another turn does not belong to this execution (R10.38).
        let is_others = |answered: &MessageId| {
            let mut others = self
                .imported
                .executions()
                .filter(|other| other.id() != execution.id());
            self.queue.find(answered).is_some()
                || others.any(|other| other.message_id.as_ref() == Some(answered))
        };
        let reply = self
            .transcript
            .latest_reply_where(|answered| !is_others(answered));
        let text = reply.map(|reply| self.transcript.text(&reply.assistant_message_id));
        let mut body = self.body(*status, error.as_deref(), *gate_result, text);
        if let Some(message) = &execution.message_id {
            body["messageId"] = json!(message);
            body["idempotencyKey"] = json!(message);
        }
        name_execution(execution, &mut body);
        body
    }

    /// The fields that all callbacks have.
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
        let branch = self.reported_branch.as_deref().or(self.metadata.branch());
        add("lastSeenBranch", json!(branch));
        add("kiloSessionId", json!(self.metadata.identity.kilo_session_id));
        add("gateResult", json!(gate_result));
        if status == Status::Completed {
            add("lastAssistantMessageText", json!(text));
        }
        body
    }
}
