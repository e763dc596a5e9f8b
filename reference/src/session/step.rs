//! One step of a session: the context of an input, and the decision in progress.
//!
//! The parts of a session change themselves, and record writes and effects in the step.

use std::sync::Arc;

use jiff::Timestamp;
use turnstile_profile::Profile;
use turnstile_seams::Randomness;

use super::events::EventRow;
use super::{CalendarMove, Decision, Effect, Reply, Writes};
use crate::identity::MessageId;
use crate::legacy::model::execution;

/// One step of a session.
pub(super) struct Step {
    /// The time of the input.
    pub now: Timestamp,
    /// The durations, limits and numbers of attempts.
    pub profile: Arc<Profile>,
    /// The source of new ids.
    pub identifiers: Randomness,
    decision: Decision,
}

impl Step {
    /// Starts a step with an empty decision.
    pub fn new(now: Timestamp, profile: Arc<Profile>, identifiers: Randomness) -> Self {
        Self {
            now,
            profile,
            identifiers,
            decision: Decision::default(),
        }
    }

    /// Finishes the decision.
    pub fn finish(self, reply: Reply) -> Decision {
        Decision {
            reply,
            ..self.decision
        }
    }

    /// Finishes a refusal: effects and reply, without writes.
    pub fn finish_unwritten(self, reply: Reply) -> Decision {
        Decision {
            reply,
            writes: Writes::default(),
            effects: self.decision.effects,
        }
    }

    /// Whether anything is to be written.
    pub fn writes_anything(&self) -> bool {
        !self.decision.writes.is_empty()
    }

    /// Whether the core is to be written.
    pub fn writes_core(&self) -> bool {
        self.decision.writes.core
    }

    /// Writes the core.
    pub fn write_core(&mut self) {
        self.decision.writes.core = true;
    }

    /// Writes the metadata and the core.
    pub fn write_metadata(&mut self) {
        self.decision.writes.metadata = true;
        self.decision.writes.core = true;
    }

    /// Writes a message.
    pub fn write_message(&mut self, message: &MessageId) {
        self.decision.writes.messages.insert(message.clone());
    }

    /// Writes an execution.
    pub fn write_execution(&mut self, execution: &execution::Id) {
        self.decision.writes.executions.insert(execution.clone());
    }

    /// Writes an event.
    pub fn write_event(&mut self, row: EventRow) {
        self.decision.writes.events.push(row);
    }

    /// Removes the row of an entity: its next event gets a new row.
    pub fn forget_entity(&mut self, entity: String) {
        self.decision.writes.forgotten_entities.push(entity);
    }

    /// Moves the session in the calendar of expiry.
    pub fn move_in_calendar(&mut self, calendar: CalendarMove) {
        self.decision.writes.calendar = Some(calendar);
    }

    /// Removes the session with all its rows.
    pub fn remove_session(&mut self) {
        self.decision.writes.removal = true;
    }

    /// Removes the submissions of callbacks from the effects.
    pub fn cancel_submissions(&mut self) {
        let effects = &mut self.decision.effects;
        effects.retain(|effect| !matches!(effect, Effect::Enqueue(_)));
    }

    /// Adds an effect, after the previous ones.
    pub fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }
}
