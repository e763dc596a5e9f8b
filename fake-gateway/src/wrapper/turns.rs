//! Kilo's turns: one runs, the others wait in the order in which they were taken (protocol §11).
//!
//! Bookkeeping only: what a turn reports, and what follows when all are done, is the lifecycle's business.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::ask::Prompt;

/// The number of a turn. What a turn says after its end is known by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TurnId(u64);

/// The turn that runs.
#[derive(Debug)]
pub(super) struct Running {
    /// Its number.
    pub(super) id: TurnId,
    /// What it answers.
    pub(super) prompt: Prompt,
    /// The assistant's message, once there is one.
    pub(super) assistant: Option<Assistant>,
}

/// An assistant's message while it is written.
#[derive(Debug, Clone)]
pub(super) struct Assistant {
    /// Its identifier.
    pub(super) id: String,
    /// When it was begun.
    pub(super) created: Timestamp,
    /// Identifier and text of its part, once there is any text.
    pub(super) part: Option<(String, String)>,
}

/// All turns of one binding.
#[derive(Debug, Default)]
pub(super) struct Turns {
    taken: BTreeSet<String>,
    waiting: VecDeque<Prompt>,
    running: Option<Running>,
    last_id: u64,
}

impl Turns {
    /// Lets a prompt wait for its turn, unless its message was taken before.
    pub(super) fn take(&mut self, prompt: Prompt) {
        if self.taken.insert(prompt.message_id.clone()) {
            self.waiting.push_back(prompt);
        }
    }

    /// Begins the next turn, if one waits and none runs.
    pub(super) fn begin_next(&mut self) -> Option<&Running> {
        if self.running.is_some() {
            return None;
        }
        let prompt = self.waiting.pop_front()?;
        self.last_id += 1;
        Some(self.running.insert(Running {
            id: TurnId(self.last_id),
            prompt,
            assistant: None,
        }))
    }

    /// The turn `id`, if that is the one that runs.
    pub(super) fn running(&mut self, id: TurnId) -> Option<&mut Running> {
        self.running.as_mut().filter(|running| running.id == id)
    }

    /// The number of the turn that runs.
    #[cfg(test)]
    pub(super) fn running_id(&self) -> Option<TurnId> {
        self.running.as_ref().map(|running| running.id)
    }

    /// Ends the turn that runs.
    pub(super) fn end(&mut self) -> Option<Running> {
        self.running.take()
    }

    /// Drops the waiting turns and ends the running one.
    pub(super) fn end_all(&mut self) -> Option<Running> {
        self.waiting.clear();
        self.running.take()
    }

    /// Drops everything, also the memory of the messages that were taken.
    pub(super) fn forget(&mut self) -> Option<Running> {
        self.taken.clear();
        self.end_all()
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
