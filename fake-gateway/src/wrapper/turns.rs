//! Kilo's turns: one runs, the others wait in the order in which they were taken (protocol §11).
//!
//! Bookkeeping only: what a turn reports, and what follows when all are done, is the lifecycle's business.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::ask::Prompt;
use crate::coverage::Deed;

/// The number of a turn. What a turn says after its end is known by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TurnId(u64);

/// A turn that was begun.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    /// Its number.
    pub(super) id: TurnId,
    /// What it answers.
    pub(super) prompt: Prompt,
    /// When it was begun.
    pub(super) begun: Timestamp,
    /// The assistant's message, once there is one.
    pub(super) assistant: Option<Assistant>,
}

/// An assistant's message.
#[derive(Debug, Clone)]
pub(super) struct Assistant {
    /// Its identifier.
    pub(super) id: String,
    /// When it was begun.
    pub(super) created: Timestamp,
    /// Identifier and text of its part, once there is any text.
    pub(super) part: Option<(String, String)>,
    /// When it was done.
    pub(super) completed: Option<Timestamp>,
    /// What the gateway said against it.
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
    /// Lets a prompt wait for its turn, unless its message was taken before.
    pub(super) fn take(&mut self, prompt: Prompt) {
        if !self.taken.insert(prompt.message_id.clone()) {
            Deed::TurnTakenOnce.reach();
            return;
        }
        Deed::TurnTaken.reach();
        if self.running.is_some() {
            Deed::TurnWaits.reach();
        }
        self.waiting.push_back(prompt);
    }

    /// Begins the next turn, if one waits and none runs.
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

    /// The turn `id`, if that is the one that runs.
    pub(super) fn running(&mut self, id: TurnId) -> Option<&mut Turn> {
        self.running.as_mut().filter(|running| running.id == id)
    }

    /// The turn that runs, or else the one that ended last.
    pub(super) fn latest(&self) -> Option<&Turn> {
        self.running.as_ref().or(self.ended.as_ref())
    }

    /// The number of the turn that runs.
    #[cfg(test)]
    pub(super) fn running_id(&self) -> Option<TurnId> {
        self.running.as_ref().map(|running| running.id)
    }

    /// Ends the turn that runs.
    pub(super) fn end(&mut self) -> Option<&Turn> {
        let ended = self.running.take()?;
        Some(self.ended.insert(ended))
    }

    /// Drops the waiting turns and ends the running one.
    pub(super) fn end_all(&mut self) -> Option<TurnId> {
        self.waiting.clear();
        self.end().map(|turn| turn.id)
    }

    /// Drops everything, also the memory of the messages that were taken and of the turn that ended last.
    pub(super) fn forget(&mut self) -> Option<TurnId> {
        self.taken.clear();
        let ended = self.end_all();
        self.ended = None;
        ended
    }

    /// Whether nothing runs or waits.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    /// The message whose turn runs.
    pub(super) fn running_message(&self) -> Option<&str> {
        self.running
            .as_ref()
            .map(|running| running.prompt.message_id.as_str())
    }

    /// The messages whose turns wait, in order.
    pub(super) fn waiting_messages(&self) -> Vec<&str> {
        self.waiting
            .iter()
            .map(|prompt| prompt.message_id.as_str())
            .collect()
    }
}
