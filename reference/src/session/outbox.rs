//! The idle batch, and whose callbacks the queue has not taken yet (protocol §8).
//!
//! The callbacks themselves are in messages and executions. What a callback says, and when a batch is finalized, is
//! decided in `batch` and `calling_back`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::CallbackOwner;
use super::step::Step;
use crate::coverage::Row;
use crate::identity::MessageId;

/// Messages that end between two idles share one callback: that of the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Batch {
    /// The message that the callback will tell of.
    representative: MessageId,
    /// No gate result will come for it.
    gate_waived: bool,
}

/// The callbacks that a session owes.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    /// The idle batch that is open.
    batch: Option<Batch>,
    /// Whose callback the queue has not taken yet.
    owed: BTreeSet<CallbackOwner>,
    /// Those of them that are being handed to the queue right now. No store has it.
    enqueueing: BTreeSet<CallbackOwner>,
}

impl Outbox {
    /// The outbox as the store has it.
    pub fn restore(batch: Option<Batch>, owed: BTreeSet<CallbackOwner>) -> Self {
        Self {
            batch,
            owed,
            enqueueing: BTreeSet::new(),
        }
    }

    /// The idle batch that is open.
    pub fn batch(&self) -> Option<&Batch> {
        self.batch.as_ref()
    }

    /// Whose callback the queue has not taken yet.
    pub fn owed(&self) -> &BTreeSet<CallbackOwner> {
        &self.owed
    }

    /// Those of them that are being handed to the queue right now.
    pub fn enqueueing(&self) -> &BTreeSet<CallbackOwner> {
        &self.enqueueing
    }

    /// Takes over what is being handed to the queue, which no store has.
    pub fn keep_enqueueing(&mut self, enqueueing: BTreeSet<CallbackOwner>) {
        self.enqueueing = enqueueing;
    }

    /// The message that the open batch's callback will tell of.
    pub fn representative(&self) -> Option<&MessageId> {
        self.batch.as_ref().map(|batch| &batch.representative)
    }

    /// Whether the open batch need not wait for a gate result any more.
    pub fn is_gate_waived(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.gate_waived)
    }

    /// A message with a callback ended: it represents the batch from now on.
    pub fn represent_batch(&mut self, message: &MessageId, step: &mut Step) {
        if step.sabotage.calls_back_for_first() && self.batch.is_some() {
            return;
        }
        match self.batch {
            None => Row::BatchOpened.reach(),
            Some(_) => Row::BatchReplaced.reach(),
        }
        step.write_core();
        self.batch = Some(Batch {
            representative: message.clone(),
            gate_waived: false,
        });
    }

    /// No gate result will come for the open batch.
    pub fn waive_gate(&mut self, step: &mut Step) {
        if let Some(batch) = &mut self.batch {
            step.write_core();
            batch.gate_waived = true;
        }
    }

    /// Takes out the open batch. Returns the message that represents it.
    pub fn close_batch(&mut self, step: &mut Step) -> Option<MessageId> {
        let batch = self.batch.take()?;
        step.write_core();
        Some(batch.representative)
    }

    /// From now on a callback is owed.
    pub fn owe(&mut self, owner: &CallbackOwner, step: &mut Step) {
        step.write_core();
        self.owed.insert(owner.clone());
    }

    /// A callback is not owed any more.
    pub fn settle(&mut self, owner: &CallbackOwner, step: &mut Step) {
        step.write_core();
        self.owed.remove(owner);
    }

    /// Begins to hand a callback to the queue. False if it is not owed, or if this is under way already.
    pub fn begin_enqueue(&mut self, owner: &CallbackOwner) -> bool {
        self.owed.contains(owner) && self.enqueueing.insert(owner.clone())
    }

    /// The queue answered. False if the callback is not owed any more.
    pub fn end_enqueue(&mut self, owner: &CallbackOwner) -> bool {
        self.enqueueing.remove(owner);
        self.owed.contains(owner)
    }
}
