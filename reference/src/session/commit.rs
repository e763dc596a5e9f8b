//! What one decision has written, as values: the rows that a store replaces.
//!
//! A decision only names what changed ([`Writes`](super::Writes)). Here the names become values, so that a store
//! needs no session, and so that a host can still look at what is about to be written.

use std::borrow::Cow;

use super::events::EventRow;
use super::{CalendarMove, Core, Session, Writes};
use crate::legacy::model::execution::Execution;
use crate::model::message::Message;
use crate::model::metadata::Metadata;

/// The rows that one decision writes, all in one transaction.
#[derive(Debug, Clone)]
pub struct Commit<'a> {
    /// What the session is about, if that changed.
    pub metadata: Option<Cow<'a, Metadata>>,
    /// The core, if it changed.
    pub core: Option<Core>,
    /// Whether a restart of the server must take the session up without being asked. Written with the core.
    pub needs_resuming: bool,
    /// The messages that changed.
    pub messages: Vec<Cow<'a, Message>>,
    /// The executions of an older service that changed.
    pub executions: Vec<Cow<'a, Execution>>,
    /// Events that are new, or replace the row with their id.
    pub events: Cow<'a, [EventRow]>,
    /// Entities that are gone: the next event about one of them gets a row of its own.
    pub forgotten_entities: &'a [String],
    /// The session expires on another day than before.
    pub calendar: Option<CalendarMove>,
    /// The session is removed, with everything that belongs to it.
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
    /// The values of what a decision of this session writes.
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
