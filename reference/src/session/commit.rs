//! The rows that a decision writes.
//!
//! A decision only names what changed ([`Writes`]). A [`Commit`] has the values, so that the store
//! does not depend on sessions, and a host can inspect the rows before they are written.

use std::borrow::Cow;

use super::events::EventRow;
use super::{CalendarMove, Core, Session, Writes};
use crate::legacy::model::execution::Execution;
use crate::model::message::Message;
use crate::model::metadata::Metadata;

/// The rows of one decision, written in one transaction.
#[derive(Debug, Clone)]
pub struct Commit<'a> {
    /// The metadata, if changed.
    pub metadata: Option<Cow<'a, Metadata>>,
    /// The core, if changed.
    pub core: Option<Core>,
    /// Whether the server must load the session when it starts. Written with the core.
    pub needs_resuming: bool,
    /// The changed messages.
    pub messages: Vec<Cow<'a, Message>>,
    /// The changed executions.
    pub executions: Vec<Cow<'a, Execution>>,
    /// New events, and events that overwrite the row with their id.
    pub events: Cow<'a, [EventRow]>,
    /// Entities whose rows are removed: their next event gets a new row (R9.30).
    pub forgotten_entities: &'a [String],
    /// The change of the day of expiry.
    pub calendar: Option<CalendarMove>,
    /// Whether the session is removed completely.
    pub removal: bool,
}

impl Commit<'_> {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        let Self {
            metadata,
            core,
            needs_resuming: _,
            messages,
            executions,
            events,
            forgotten_entities,
            calendar,
            removal,
        } = self;
        let nothing_changed =
            metadata.is_none() && core.is_none() && messages.is_empty() && executions.is_empty();
        nothing_changed
            && events.is_empty()
            && forgotten_entities.is_empty()
            && calendar.is_none()
            && !removal
    }
}

impl Session {
    /// The rows that a decision of this session writes.
    pub fn commit<'a>(&'a self, writes: &'a Writes) -> Commit<'a> {
        let messages = writes.messages.iter().filter_map(|id| self.message(id));
        let executions = writes.executions.iter().filter_map(|id| self.execution(id));
        Commit {
            metadata: writes.metadata.then_some(Cow::Borrowed(&self.metadata)),
            core: writes.core.then(|| self.core()),
            needs_resuming: self.needs_resuming(),
            messages: messages.map(Cow::Borrowed).collect(),
            executions: executions.map(Cow::Borrowed).collect(),
            events: Cow::Borrowed(&writes.events),
            forgotten_entities: &writes.forgotten_entities,
            calendar: writes.calendar,
            removal: writes.removal,
        }
    }
}
