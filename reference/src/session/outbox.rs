//! The idle batch, and the owners of callbacks that the queue has not accepted yet (protocol §8).
//!
//! The callbacks themselves are in messages and executions. `batch` and `calling_back` decide about their bodies and
//! the finalizing of batches.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::CallbackOwner;
use super::step::Step;
use crate::coverage::ServerMark;
use crate::identity::MessageId;

/// An open batch: messages that end between two idles share the callback of the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Batch {
    /// The last message with a callback that ended (R8.1).
    representative: MessageId,
    /// Whether the wait for its gate result has ended.
    gate_waived: bool,
}

/// The pending callbacks of a session.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    /// The open batch.
    batch: Option<Batch>,
    /// The owners of callbacks that the queue has not accepted yet.
    pending: BTreeSet<CallbackOwner>,
    /// The owners whose submission is in progress. Not stored.
    enqueueing: BTreeSet<CallbackOwner>,
}

impl Outbox {
    /// The outbox as stored.
    pub fn restore(batch: Option<Batch>, pending: BTreeSet<CallbackOwner>) -> Self {
        Self {
            batch,
            pending,
            enqueueing: BTreeSet::new(),
        }
    }

    /// The open batch.
    pub fn batch(&self) -> Option<&Batch> {
        self.batch.as_ref()
    }

    /// The owners of callbacks that the queue has not accepted yet.
    pub fn pending(&self) -> &BTreeSet<CallbackOwner> {
        &self.pending
    }

    /// The owners whose submission is in progress.
    pub fn enqueueing(&self) -> &BTreeSet<CallbackOwner> {
        &self.enqueueing
    }

    /// Restores the submissions in progress, which are not stored.
    pub fn keep_enqueueing(&mut self, enqueueing: BTreeSet<CallbackOwner>) {
        self.enqueueing = enqueueing;
    }

    /// The representative of the open batch.
    pub fn representative(&self) -> Option<&MessageId> {
        self.batch.as_ref().map(|batch| &batch.representative)
    }

    /// Whether the wait for the gate result of the open batch has ended.
    pub fn is_gate_waived(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.gate_waived)
    }

    /// Makes a message the representative of the batch (R8.1).
    pub fn represent_batch(&mut self, message: &MessageId, step: &mut Step) {
        match self.batch {
            None => ServerMark::BatchOpened.hit(),
            Some(_) => ServerMark::BatchReplaced.hit(),
        }
        step.write_core();
        self.batch = Some(Batch {
            representative: message.clone(),
            gate_waived: false,
        });
    }

    /// Ends the wait for the gate result of the open batch.
    pub fn waive_gate(&mut self, step: &mut Step) {
        if let Some(batch) = &mut self.batch {
            step.write_core();
            batch.gate_waived = true;
        }
    }

    /// Closes the open batch and returns its representative.
    pub fn close_batch(&mut self, step: &mut Step) -> Option<MessageId> {
        let batch = self.batch.take()?;
        step.write_core();
        Some(batch.representative)
    }

    /// Adds the owner of a pending callback.
    pub fn add(&mut self, owner: &CallbackOwner, step: &mut Step) {
        step.write_core();
        self.pending.insert(owner.clone());
    }

    /// Removes the owner of a callback that the queue has accepted.
    pub fn remove(&mut self, owner: &CallbackOwner, step: &mut Step) {
        step.write_core();
        self.pending.remove(owner);
    }

    /// Drops all pending callbacks, also those whose submission this step has begun (R2.122).
    pub fn drop_pending(&mut self, step: &mut Step) {
        step.write_core();
        self.pending.clear();
        self.enqueueing.clear();
        step.cancel_submissions();
    }

    /// Begins a submission. Returns false if the callback is not pending, or its submission is in progress.
    pub fn begin_enqueue(&mut self, owner: &CallbackOwner) -> bool {
        self.pending.contains(owner) && self.enqueueing.insert(owner.clone())
    }

    /// Ends a submission. Returns false if the callback is not pending any more.
    pub fn end_enqueue(&mut self, owner: &CallbackOwner) -> bool {
        self.enqueueing.remove(owner);
        self.pending.contains(owner)
    }
}
