//! Queue of kilo's turns: one runs at a time, in the order of acceptance (R11.19).
//!
//! State only: the lifecycle decides what is reported and what follows the last turn.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

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
    /// The assistant's messages that are over: one for each answer with tool calls (R11.50).
    pub(super) earlier: Vec<Assistant>,
    /// The assistant's message of the current answer, once it exists.
    pub(super) assistant: Option<Assistant>,
}

impl Turn {
    /// The assistant's messages, in order.
    pub(super) fn assistants(&self) -> impl Iterator<Item = &Assistant> {
        self.earlier.iter().chain(&self.assistant)
    }
}

/// A message of the assistant.
#[derive(Debug, Clone)]
pub(super) struct Assistant {
    pub(super) id: String,
    pub(super) created: Timestamp,
    /// Its text part, once it has text.
    pub(super) part: Option<TextPart>,
    pub(super) tools: Vec<ToolPart>,
    pub(super) completed: Option<Timestamp>,
    /// Error of the gateway.
    pub(super) error: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct TextPart {
    pub(super) id: String,
    /// An id that is smaller, for the misbehaviour that adds a part in front.
    pub(super) smaller_id: Option<String>,
    pub(super) text: String,
}

#[derive(Debug, Clone)]
pub(super) struct ToolPart {
    pub(super) id: String,
    pub(super) call: ToolCall,
}

/// A tool call of the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ToolCall {
    pub(super) id: String,
    /// Name of the tool.
    pub(super) tool: String,
    /// Arguments, as JSON text.
    pub(super) arguments: String,
}

/// All turns of one binding.
#[derive(Debug, Default)]
pub(super) struct Turns {
    taken: BTreeSet<String>,
    /// Prompts that wait, with the times of their acceptance.
    waiting: VecDeque<(Timestamp, Prompt)>,
    running: Option<Turn>,
    /// The turn that ended last.
    ended: Option<Turn>,
    last_id: u64,
}

impl Turns {
    /// Whether a message id was accepted before.
    pub(super) fn has_taken(&self, message_id: &str) -> bool {
        self.taken.contains(message_id)
    }

    /// Queues a prompt. A message id that was accepted before is ignored (R11.20).
    pub(super) fn take(&mut self, now: Timestamp, prompt: Prompt) {
        if !self.taken.insert(prompt.message_id.clone()) {
            FakeEvent::TurnRepeated.hit();
            return;
        }
        FakeEvent::TurnAccepted.hit();
        if self.running.is_some() {
            FakeEvent::TurnWaits.hit();
        }
        self.waiting.push_back((now, prompt));
    }

    /// When the next turn begins: after the agent's latency from its acceptance on (R11.51). `None` if a turn runs or
    /// none waits.
    pub(super) fn next_begins_at(&self, latency: Duration) -> Option<Timestamp> {
        let next = self.waiting.front().filter(|_| self.running.is_none());
        next.map(|(accepted, _)| *accepted + latency)
    }

    /// Begins the next turn if no turn runs and one waits.
    pub(super) fn begin_next(&mut self, now: Timestamp) -> Option<&Turn> {
        if self.running.is_some() {
            return None;
        }
        let (_, prompt) = self.waiting.pop_front()?;
        self.last_id += 1;
        Some(self.running.insert(Turn {
            id: TurnId(self.last_id),
            prompt,
            begun: now,
            earlier: Vec::new(),
            assistant: None,
        }))
    }

    /// Whether a turn runs.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
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
            .chain(self.waiting.iter().map(|(_, prompt)| prompt))
            .map(|prompt| prompt.message_id.as_str())
    }
}
