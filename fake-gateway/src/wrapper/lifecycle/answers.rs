//! What kilo reports of the gateway's answers: one message of the assistant for each, with text and tool parts
//! (R11.21, R11.50).
//!
//! The misbehaviours that change, add or suppress such reports are here.

use jiff::Timestamp;
use turnstile_fault::PartChange;

use super::Lifecycle;
use crate::coverage::FakeEvent;
use crate::wrapper::events::{self, Event, Kilo};
use crate::wrapper::turns::{Assistant, TextPart, ToolCall, ToolPart, Turn, TurnId};

/// Content of the misbehaviour `babble`; 1 KiB per repetition.
const BABBLE: &str = "babbles ";
const BABBLE_TIMES: usize = 128;

/// Error of the misbehaviour `late`.
const LATE: &str = "late";

/// Content of the misbehaviour `long-text`.
const FILLER: &str = "long text ";

/// Texts of the misbehaviour `parts`.
const EARLIER_TEXT: &str = "earlier ";
const LONGER_TEXT: &str = " and more";
const REMOVED_TEXT: &str = "removed";

impl Lifecycle {
    /// Handles the start of the first answer, including the misbehaviours that send events at that time.
    pub(super) fn begin_reply(&mut self, now: Timestamp, turn: TurnId) {
        let (assistant, _) = self.begin_assistant(now, turn);
        if self.behaviour.babble > 0 {
            FakeEvent::Babble.hit();
            let (part, text) = (self.identifiers.part(now), BABBLE.repeat(BABBLE_TIMES));
            for _ in 0..self.behaviour.babble {
                self.emit_kilo(now, |kilo| kilo.part_delta(&assistant.id, &part, &text));
            }
        }
        if self.behaviour.child_idle {
            FakeEvent::ChildIdle.hit();
            let session_id = &self.identifiers.kilo_session();
            self.emit(now, Kilo { session_id }.idle());
        }
    }

    /// Returns the assistant's message of the current answer, which begins now if needed, and the user message that it
    /// answers.
    fn begin_assistant(&mut self, now: Timestamp, turn: TurnId) -> (Assistant, String) {
        let running = self.turns.running(turn).expect("the turn is running");
        let parent = running.prompt.message_id.clone();
        if let Some(assistant) = &running.assistant {
            return (assistant.clone(), parent);
        }
        if !running.earlier.is_empty() {
            FakeEvent::AnswerContinued.hit();
        }
        let assistant = Assistant {
            id: self.identifiers.message(now),
            created: now,
            part: None,
            tools: Vec::new(),
            completed: None,
            error: None,
        };
        running.assistant = Some(assistant.clone());
        self.emit_reply(now, |kilo| kilo.assistant_message(&assistant, &parent));
        (assistant, parent)
    }

    fn set_assistant(&mut self, turn: TurnId, assistant: Assistant) {
        if let Some(running) = self.turns.running(turn) {
            running.assistant = Some(assistant);
        }
    }

    pub(super) fn add_text(&mut self, now: Timestamp, turn: TurnId, more: &str) {
        let (mut assistant, _) = self.begin_assistant(now, turn);
        let mut part = assistant.part.unwrap_or_else(|| self.new_part(now));
        part.text.push_str(more);
        self.emit_reply(now, |kilo| kilo.part_delta(&assistant.id, &part.id, more));
        self.emit_reply(now, |kilo| kilo.part_updated(&assistant.id, &part.id, &part.text));
        assistant.part = Some(part);
        self.set_assistant(turn, assistant);
    }

    fn new_part(&self, now: Timestamp) -> TextPart {
        let mut id = self.identifiers.part(now);
        let mut smaller_id = None;
        if self.behaviour.parts == Some(PartChange::Reordered) {
            let mut other = self.identifiers.part(now);
            if other > id {
                std::mem::swap(&mut other, &mut id);
            }
            smaller_id = Some(other);
        }
        TextPart {
            id,
            smaller_id,
            text: String::new(),
        }
    }

    pub(super) fn add_tool(&mut self, now: Timestamp, turn: TurnId, call: ToolCall) {
        FakeEvent::ToolCalled.hit();
        let (mut assistant, _) = self.begin_assistant(now, turn);
        let id = self.identifiers.part(now);
        let tool = ToolPart { id, call };
        self.emit_reply(now, |kilo| kilo.tool_updated(&assistant.id, &tool));
        assistant.tools.push(tool);
        self.set_assistant(turn, assistant);
    }

    /// Ends an answer that another one follows in the same turn.
    pub(super) fn finish_answer(&mut self, now: Timestamp, turn: TurnId) {
        self.change_parts(now, turn);
        self.end_answer(now, turn, None);
        let running = self.turns.running(turn).expect("the turn is running").clone();
        self.report_answer(now, &running);
        if let Some(running) = self.turns.running(turn) {
            running.earlier.extend(running.assistant.take());
        }
    }

    /// Marks the current answer as ended, unless misbehaviour never ends it.
    pub(super) fn end_answer(&mut self, now: Timestamp, turn: TurnId, error: Option<&str>) {
        let (mut assistant, _) = self.begin_assistant(now, turn);
        assistant.completed = (!self.behaviour.unfinished_reply).then_some(now);
        assistant.error = error.map(str::to_owned);
        self.set_assistant(turn, assistant);
    }

    /// Makes the text of the last answer as long as configured.
    pub(super) fn lengthen(&mut self, now: Timestamp, turn: TurnId) {
        let wanted = self.behaviour.long_text as usize;
        let (assistant, _) = self.begin_assistant(now, turn);
        let length = assistant.part.map_or(0, |part| part.text.chars().count());
        if wanted > length {
            FakeEvent::LongText.hit();
            let filler: String = FILLER.chars().cycle().take(wanted - length).collect();
            self.add_text(now, turn, &filler);
        }
    }

    /// Changes the parts of the current answer as configured.
    pub(super) fn change_parts(&mut self, now: Timestamp, turn: TurnId) {
        if self.behaviour.lone_surrogate {
            FakeEvent::LoneSurrogate.hit();
            self.add_text(now, turn, &events::cut_in_the_middle_of_a_character());
        }
        let (mut assistant, _) = self.begin_assistant(now, turn);
        let id = assistant.id.clone();
        match (self.behaviour.parts, &mut assistant.part) {
            (Some(PartChange::Reordered), Some(part)) => {
                if let Some(earlier) = &part.smaller_id {
                    FakeEvent::PartReordered.hit();
                    self.emit_reply(now, |kilo| kilo.part_updated(&id, earlier, EARLIER_TEXT));
                }
            }
            (Some(PartChange::Updated), Some(part)) => {
                FakeEvent::PartUpdated.hit();
                part.text.push_str(LONGER_TEXT);
                self.emit_reply(now, |kilo| kilo.part_updated(&id, &part.id, &part.text));
            }
            (Some(PartChange::Removed), _) => {
                FakeEvent::PartRemoved.hit();
                let part = self.identifiers.part(now);
                self.emit_reply(now, |kilo| kilo.part_updated(&id, &part, REMOVED_TEXT));
                self.emit_reply(now, |kilo| kilo.part_removed(&id, &part));
            }
            (Some(PartChange::Reordered | PartChange::Updated), None) | (None, _) => {}
        }
        self.set_assistant(turn, assistant);
    }

    /// Reports the assistant's message of the current answer.
    pub(super) fn report_answer(&mut self, now: Timestamp, turn: &Turn) {
        if let Some(assistant) = &turn.assistant {
            let parent = &turn.prompt.message_id;
            self.emit_reply(now, |kilo| kilo.assistant_message(assistant, parent));
        }
    }

    /// Reports all messages of the assistant in a turn, with their parts.
    pub(super) fn report_all_answers(&mut self, now: Timestamp, turn: &Turn) {
        let parent = &turn.prompt.message_id;
        for assistant in turn.assistants() {
            let id = &assistant.id;
            self.emit_reply(now, |kilo| kilo.assistant_message(assistant, parent));
            if let Some(part) = &assistant.part {
                self.emit_reply(now, |kilo| kilo.part_updated(id, &part.id, &part.text));
            }
            for tool in &assistant.tools {
                self.emit_reply(now, |kilo| kilo.tool_updated(id, tool));
            }
        }
    }

    pub(super) fn repeat_answer_late(&mut self, now: Timestamp, ended: &Turn) {
        let mut ended = ended.clone();
        if let Some(assistant) = &mut ended.assistant {
            assistant.error = Some(LATE.to_owned());
        }
        for _ in 0..self.behaviour.late {
            FakeEvent::LateReply.hit();
            self.report_answer(now, &ended);
        }
    }

    /// Reports an event of the assistant's message, unless misbehaviour suppresses it.
    fn emit_reply(&mut self, now: Timestamp, event: impl FnOnce(Kilo<'_>) -> Event) {
        if self.behaviour.no_reply {
            FakeEvent::NoReply.hit();
            return;
        }
        self.emit_kilo(now, event);
    }
}
