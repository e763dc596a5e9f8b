//! The rows of a commit as units.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use turnstile_reference::legacy::model::execution::Execution;
use turnstile_reference::model::message::Message;
use turnstile_reference::model::metadata::Metadata;
use turnstile_reference::session::Core;
use turnstile_reference::session::commit::Commit;
use turnstile_reference::session::events::EventRow;

use super::kinds::kind_of_event;
use super::planted::{Fate, Planted, Unit};
use super::{Operation, Place};

/// The operations on whole rows. A row that is written twice is no different.
const WHOLE: [Operation; 2] = [Operation::Drop, Operation::Delay];

/// Rows that a mutation delays to the next decision of their session.
#[derive(Default)]
pub struct Delayed {
    metadata: Option<Metadata>,
    core: Option<Core>,
    messages: Vec<Message>,
    executions: Vec<Execution>,
    events: Vec<EventRow>,
}

/// Rewrites the rows of one commit.
pub struct Rows<'a> {
    /// What is planted.
    pub planted: &'a Planted,
    /// The rows in the store, or those that the session continues with.
    pub place: Place,
    /// The session.
    pub session: &'a str,
    /// Receives delayed rows.
    pub delayed: &'a mut Delayed,
}

impl Rows<'_> {
    /// Rewrites all rows. Returns whether one is different or missing.
    pub fn rewrite(&mut self, commit: &mut Commit<'_>) -> bool {
        // Parts that are added to commits must be added here.
        let Commit {
            metadata,
            core,
            needs_resuming,
            messages,
            executions,
            events,
            forgotten_entities,
            calendar,
            removal,
        } = commit;
        let mut changed = self.rewrite_metadata(metadata) | self.rewrite_core(core);
        changed |= self.rewrite_list("message", messages, |delayed| &mut delayed.messages);
        changed |= self.rewrite_list("execution", executions, |delayed| &mut delayed.executions);
        if self.place == Place::State {
            // The rest is not read by a session that is at work.
            return changed;
        }
        changed |= self.rewrite_events(events);
        changed |= self.rewrite_flag("needs-resuming", needs_resuming);
        if *removal {
            changed |= self.rewrite_flag("removal", removal);
        }
        if !forgotten_entities.is_empty() && self.is_dropped("forgotten-entities") {
            *forgotten_entities = &[];
            changed = true;
        }
        if calendar.is_some() && self.is_dropped("calendar") {
            *calendar = None;
            changed = true;
        }
        changed
    }

    fn rewrite_metadata(&mut self, row: &mut Option<Cow<'_, Metadata>>) -> bool {
        let Some(metadata) = row.as_deref() else {
            return false;
        };
        let fate = self.fate_of("metadata", metadata, &WHOLE);
        match fate {
            Fate::Unchanged => return false,
            Fate::Changed(value) => *row = read(value).map(Cow::Owned),
            Fate::Whole(operation) => {
                let taken = row.take().map(Cow::into_owned);
                self.delayed.metadata = taken.filter(|_| operation == Operation::Delay);
            }
        }
        true
    }

    fn rewrite_core(&mut self, row: &mut Option<Core>) -> bool {
        let Some(core) = row.as_ref() else { return false };
        match self.fate_of("core", core, &WHOLE) {
            Fate::Unchanged => return false,
            Fate::Changed(value) => *row = read(value),
            Fate::Whole(operation) => {
                self.delayed.core = row.take().filter(|_| operation == Operation::Delay);
            }
        }
        true
    }

    fn rewrite_list<T: Clone + Serialize + DeserializeOwned>(
        &mut self,
        kind: &str,
        rows: &mut Vec<Cow<'_, T>>,
        delayed: impl Fn(&mut Delayed) -> &mut Vec<T>,
    ) -> bool {
        let mut changed = false;
        rows.retain_mut(|row| {
            match self.fate_of(kind, row.as_ref(), &WHOLE) {
                Fate::Unchanged => return true,
                Fate::Changed(value) => {
                    if let Some(other) = read(value) {
                        *row = Cow::Owned(other);
                    }
                }
                Fate::Whole(operation) => {
                    if operation == Operation::Delay {
                        delayed(self.delayed).push(row.clone().into_owned());
                    }
                    changed = true;
                    return false;
                }
            }
            changed = true;
            true
        });
        changed
    }

    fn rewrite_events(&mut self, rows: &mut Cow<'_, [EventRow]>) -> bool {
        let mut changed = false;
        let mut kept = Vec::new();
        for mut row in rows.iter().cloned() {
            let kind = format!(
                "event/{}",
                kind_of_event(&row.event.stream_event_type, &row.event.data)
            );
            match self.fate_of(&kind, &row.event, &WHOLE) {
                Fate::Unchanged => {}
                Fate::Changed(value) => {
                    row.event = read(value).unwrap_or(row.event);
                    changed = true;
                }
                Fate::Whole(operation) => {
                    changed = true;
                    if operation == Operation::Delay {
                        self.delayed.events.push(row);
                    }
                    continue;
                }
            }
            kept.push(row);
        }
        if changed {
            *rows = Cow::Owned(kept);
        }
        changed
    }

    fn rewrite_flag(&self, kind: &str, flag: &mut bool) -> bool {
        let value = json!({"value": *flag});
        let is_possible = |value: &Value| value["value"].is_boolean();
        match self.fate(kind, &[], &value, &is_possible) {
            Fate::Changed(value) => {
                *flag = value["value"] == true;
                true
            }
            Fate::Unchanged | Fate::Whole(_) => false,
        }
    }

    fn is_dropped(&self, kind: &str) -> bool {
        let fate = self.fate(kind, &[Operation::Drop], &Value::Null, &|_| false);
        fate == Fate::Whole(Operation::Drop)
    }

    fn fate_of<T: Serialize + DeserializeOwned>(&self, kind: &str, row: &T, whole: &[Operation]) -> Fate {
        if !self.planted.affects(self.place, kind) {
            return Fate::Unchanged;
        }
        let is_possible = |value: &Value| read::<T>(value.clone()).is_some();
        self.fate(kind, whole, &json!(row), &is_possible)
    }

    fn fate(
        &self,
        kind: &str,
        whole: &[Operation],
        value: &Value,
        is_possible: &dyn Fn(&Value) -> bool,
    ) -> Fate {
        let unit = Unit {
            place: self.place,
            kind,
            whole,
            value,
            is_possible,
        };
        self.planted.fate(self.session, &unit)
    }
}

impl Delayed {
    /// Adds the delayed rows to a later commit, unless that has newer rows. Returns whether there are any.
    pub fn write_with(self, commit: &mut Commit<'_>) -> bool {
        let Self {
            metadata,
            core,
            messages,
            executions,
            events,
        } = self;
        let is_any = metadata.is_some()
            || core.is_some()
            || !(messages.is_empty() && executions.is_empty() && events.is_empty());
        if let Some(metadata) = metadata {
            commit.metadata.get_or_insert(Cow::Owned(metadata));
        }
        if let Some(core) = core {
            commit.core.get_or_insert(core);
        }
        for message in messages {
            if commit.messages.iter().all(|row| row.id != message.id) {
                commit.messages.push(Cow::Owned(message));
            }
        }
        for execution in executions {
            if commit.executions.iter().all(|row| row.id() != execution.id()) {
                commit.executions.push(Cow::Owned(execution));
            }
        }
        if !events.is_empty() {
            commit.events.to_mut().splice(0..0, events);
        }
        is_any
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}
