//! Queue of kilo's turns: one runs at a time, in the order of acceptance (R11.19).
//!
//! State only: the lifecycle decides what is reported and what follows the last turn.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::request::Prompt;
use crate::coverage::FakeEvent;

/// Identifies a turn, so that late reports of an ended turn can be ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TurnId(u64);

/// A turn that has begun.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) id: TurnId,
    pub(super) prompt: Prompt,
    pub(super) begun: Timestamp,
    /// The assistant's message, once it exists.
    pub(super) assistant: Option<Assistant>,
}

#[derive(Debug, Clone)]
pub(super) struct Assistant {
    pub(super) id: String,
    pub(super) created: Timestamp,
    /// Id and text of its part, once it has text.
    pub(super) part: Option<(String, String)>,
    pub(super) completed: Option<Timestamp>,
    /// Error of the gateway.
    pub(super) error: Option<String>,
}

/// All turns of one binding.
#[derive(Debug, Default)]
pub(super) struct Turns {
    taken: BTreeSet<String>,
    waiting: VecDeque<Prompt>,
    running: Option<Turn>,
    /// The turn that ended last.
    ended: Option<Turn>,
    last_id: u64,
}

impl Turns {
    /// Queues a prompt. A message id that was accepted before is ignored (R11.20).
    pub(super) fn take(&mut self, prompt: Prompt) {
        if !self.taken.insert(prompt.message_id.clone()) {
            FakeEvent::TurnRepeated.reach();
            return;
        }
        FakeEvent::TurnAccepted.reach();
        if self.running.is_some() {
            FakeEvent::TurnWaits.reach();
        }
        self.waiting.push_back(prompt);
    }

    /// Begins the next turn if no turn runs and one waits.
    pub(super) fn begin_next(&mut self, now: Timestamp) -> Option<&Turn> {
        if self.running.is_some() {
            return None;
        }
        let prompt = self.waiting.pop_front()?;
        self.last_id += 1;
        Some(self.running.insert(Turn {
            id: TurnId(self.last_id),
            prompt,
            begun: now,
            assistant: None,
        }))
    }

    /// The turn `id`, if it is running.
    pub(super) fn running(&mut self, id: TurnId) -> Option<&mut Turn> {
        self.running.as_mut().filter(|running| running.id == id)
    }

    /// The running turn, otherwise the turn that ended last.
    pub(super) fn latest(&self) -> Option<&Turn> {
        self.running.as_ref().or(self.ended.as_ref())
    }

    #[cfg(test)]
    pub(super) fn running_id(&self) -> Option<TurnId> {
        self.running.as_ref().map(|running| running.id)
    }

    /// Ends the running turn.
    pub(super) fn end(&mut self) -> Option<&Turn> {
        let ended = self.running.take()?;
        Some(self.ended.insert(ended))
    }

    /// Drops the waiting turns and ends the running one.
    pub(super) fn end_all(&mut self) -> Option<TurnId> {
        self.waiting.clear();
        self.end().map(|turn| turn.id)
    }

    /// Clears everything, including accepted message ids and the last turn.
    pub(super) fn forget(&mut self) -> Option<TurnId> {
        self.taken.clear();
        let ended = self.end_all();
        self.ended = None;
        ended
    }

    /// Whether no turn runs or waits.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    /// The message of the running turn and those of the waiting ones, in order.
    pub(super) fn pending(&self) -> impl Iterator<Item = &str> {
        let running = self.running.as_ref().map(|running| &running.prompt);
        running
            .into_iter()
            .chain(&self.waiting)
            .map(|prompt| prompt.message_id.as_str())
    }
}
