//! Mutants of the rules of batches and callbacks (protocol §8).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use turnstile_reference::callbacks::CallbackQueue;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::model::message::Message;
use turnstile_reference::server::Hooks;
use turnstile_reference::session::wrapper::IngestRefusal;
use turnstile_reference::session::{
    CallbackJob, CallbackOwner, Effect, EnqueueError, Input, Reply, Session, Stored,
};
use turnstile_seams::BoxFuture;

use crate::core_row::{CoreRow, change_core};
use crate::lock;

/// Records a callback as enqueued before the queue has answered; violates R8.20.
pub struct CountsEnqueueAtOnce;

impl Interceptor for CountsEnqueueAtOnce {
    fn before(&self, _: &Session, input: &mut Input) -> Memory {
        if let Input::Enqueued { result, .. } = input {
            *result = Ok(());
        }
        Memory::Stays
    }

    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        if decided.commit.core.is_some() {
            change_core(decided, |core| core.0["outbox"] = json!([]));
        }
        Memory::Stays
    }
}

/// Keeps the next attempt of a callback in memory only; violates R8.21.
pub struct ForgetsRetry;

impl Interceptor for ForgetsRetry {
    fn read(&self, stored: &mut Stored) {
        let mut core = CoreRow::from(&stored.core);
        let mut retried: Vec<Value> = Vec::new();
        if let Some(deadlines) = core.0["deadlines"].as_array_mut() {
            deadlines.retain(|deadline| match deadline[0].get("callback") {
                Some(owner) => {
                    retried.push(owner.clone());
                    false
                }
                None => true,
            });
        }
        if let Some(outbox) = core.0["outbox"].as_array_mut() {
            outbox.retain(|owner| !retried.contains(owner));
        }
        stored.core = core.into_core();
    }
}

/// Makes the first message of a batch its representative; violates R8.1.
pub struct CallsBackForFirst;

impl Interceptor for CallsBackForFirst {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let representative = |session| CoreRow::of(session).0["batch"]["representative"].take();
        let (first, latest) = (representative(moment.before), representative(decided.session));
        if first.is_null() || latest.is_null() || first == latest {
            return Memory::Stays;
        }
        change_core(decided, |core| core.0["batch"]["representative"] = first);
        Memory::IsReread
    }
}

/// Lets any run end the wait for a gate result, here a wrapper of an ended run that reconnects; violates R8.6.
pub struct AnyRunReleasesGate;

impl Interceptor for AnyRunReleasesGate {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is_of_another_run = matches!(decided.reply, Reply::Ingest(Err(IngestRefusal::StaleRun)));
        let waits = CoreRow::of(decided.session).0["batch"]["gateWaived"] == false;
        if !is_of_another_run || !waits {
            return Memory::Stays;
        }
        let has_accepted = decided.session.messages().any(Message::is_accepted);
        let now = json!(moment.now);
        change_core(decided, |core| {
            core.0["batch"]["gateWaived"] = json!(true);
            // Without accepted messages, reconciliation only closes the batch.
            if !has_accepted && core.deadline("reconciliation").is_null() {
                core.add_deadline("reconciliation", &now);
            }
        });
        Memory::IsReread
    }
}

/// Omits a field from the callbacks of messages: `executionId` violates R8.12, `kiloSessionId` R8.16.
pub fn omit(field: &'static str, hooks: &mut Hooks) {
    let wrap = std::mem::replace(&mut hooks.queue, Box::new(|queue| queue));
    hooks.queue = Box::new(move |queue| wrap(Arc::new(Omits { field, queue })));
}

struct Omits {
    field: &'static str,
    queue: Arc<dyn CallbackQueue>,
}

impl CallbackQueue for Omits {
    fn enqueue(&self, mut job: CallbackJob) -> BoxFuture<'static, Result<(), EnqueueError>> {
        if let (Some(_), Some(body)) = (job.owner.message(), job.body.as_object_mut()) {
            body.remove(self.field);
        }
        self.queue.enqueue(job)
    }
}

/// Submits every job of a message twice; violates R8.8 and R8.19.
pub struct SubmitsTwice;

impl Interceptor for SubmitsTwice {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let twice = |effect: &Effect| match effect {
            Effect::Enqueue(job) => Some(Effect::Enqueue(job.clone())),
            _ => None,
        };
        let again: Vec<Effect> = decided.effects.iter().filter_map(twice).collect();
        decided.effects.extend(again);
        Memory::Stays
    }
}

/// Submits a job again after the queue has accepted it; violates R8.19.
#[derive(Default)]
pub struct SubmitsAgain {
    submitted: Mutex<BTreeMap<CallbackOwner, CallbackJob>>,
}

impl Interceptor for SubmitsAgain {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut submitted = lock(&self.submitted);
        for effect in &decided.effects {
            if let Effect::Enqueue(job) = effect {
                submitted.insert(job.owner.clone(), (**job).clone());
            }
        }
        if let Input::Enqueued {
            owner,
            result: Ok(()),
        } = moment.input
            && let Some(job) = submitted.remove(owner)
        {
            decided.effects.push(Effect::Enqueue(Box::new(job)));
        }
        Memory::Stays
    }
}
