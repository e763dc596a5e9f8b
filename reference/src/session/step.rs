//! One step of a session: what an input is decided with, and the decision as far as it has come.
//!
//! Rooms change themselves and record in the step what has to be written and done.

use std::sync::Arc;

use jiff::Timestamp;
use turnstile_profile::Profile;
use turnstile_seams::Randomness;

use super::events::EventRow;
use super::{CalendarMove, Decision, Effect, Reply, Writes};
use crate::identity::MessageId;
use crate::legacy::model::execution;
use crate::sabotage::Sabotage;

/// One step of a session.
pub(super) struct Step {
    /// The time of the input.
    pub now: Timestamp,
    /// Durations, limits and numbers of attempts.
    pub profile: Arc<Profile>,
    /// Where new identifiers come from.
    pub identifiers: Randomness,
    /// Which rules are broken, in a test of the harness.
    pub sabotage: Sabotage,
    decision: Decision,
}

impl Step {
    /// A step at which nothing is decided yet.
    pub fn new(now: Timestamp, profile: Arc<Profile>, identifiers: Randomness, sabotage: Sabotage) -> Self {
        Self {
            now,
            profile,
            identifiers,
            sabotage,
            decision: Decision::default(),
        }
    }

    /// The decision, with the answer to the input.
    pub fn finish(self, reply: Reply) -> Decision {
        Decision {
            reply,
            ..self.decision
        }
    }

    /// The effects alone, with a refusal: nothing is written.
    pub fn finish_unwritten(self, reply: Reply) -> Decision {
        Decision {
            reply,
            writes: Writes::default(),
            effects: self.decision.effects,
        }
    }

    /// Whether anything has to be written.
    pub fn writes_anything(&self) -> bool {
        !self.decision.writes.is_empty()
    }

    /// Whether the core has to be written.
    pub fn writes_core(&self) -> bool {
        self.decision.writes.core
    }

    /// Has the core written.
    pub fn write_core(&mut self) {
        self.decision.writes.core = true;
    }

    /// Has the metadata written, and the core with it.
    pub fn write_metadata(&mut self) {
        self.decision.writes.metadata = true;
        self.decision.writes.core = true;
    }

    /// Has a message written.
    pub fn write_message(&mut self, message: &MessageId) {
        self.decision.writes.messages.insert(message.clone());
    }

    /// Has an execution written.
    pub fn write_execution(&mut self, execution: &execution::Id) {
        self.decision.writes.executions.insert(execution.clone());
    }

    /// Has an event written.
    pub fn write_event(&mut self, row: EventRow) {
        self.decision.writes.events.push(row);
    }

    /// Has the row of an entity forgotten: the next event about it gets a row of its own.
    pub fn forget_entity(&mut self, entity: String) {
        self.decision.writes.forgotten_entities.push(entity);
    }

    /// Has the session moved in the calendar of expiry.
    pub fn move_in_calendar(&mut self, calendar: CalendarMove) {
        self.decision.writes.calendar = Some(calendar);
    }

    /// Has the session removed, with everything that belongs to it.
    pub fn remove_session(&mut self) {
        self.decision.writes.removal = true;
    }

    /// Has something done after the commit, after what is to be done already.
    pub fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }
}
