//! Decides what happens to one unit: an effect, a row, a frame, a reply or a request.
//!
//! How a unit is dropped, doubled, delayed or swapped belongs to the edges.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;

use super::tree::{self, Change};
use super::{Operation, Place, Rewrite, Target, census};
use crate::lock;

/// A mutation or a census, planted in a server.
pub struct Planted {
    /// `None` for a census.
    mutation: Option<Rewrite>,
    /// The value of the mutation's field in the last unit, by a key of the edge: its session or its connection.
    last: Mutex<BTreeMap<String, Value>>,
}

/// What happens to a unit.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// Nothing.
    Unchanged,
    /// It is different.
    Changed(Value),
    /// An operation on the whole unit.
    Whole(Operation),
}

/// A unit, as an edge describes it.
pub struct Unit<'a> {
    /// The part of the server.
    pub place: Place,
    /// The kind in that part.
    pub kind: &'a str,
    /// The operations on the whole unit that its edge can perform.
    pub whole: &'a [Operation],
    /// The content.
    pub value: &'a Value,
    /// Whether the edge can carry the changed content.
    pub is_possible: &'a dyn Fn(&Value) -> bool,
}

impl Planted {
    /// A mutation.
    pub fn mutation(rewrite: Rewrite) -> Self {
        Self {
            mutation: Some(rewrite),
            last: Mutex::default(),
        }
    }

    /// A census, which changes nothing.
    pub fn census() -> Self {
        Self {
            mutation: None,
            last: Mutex::default(),
        }
    }

    /// Whether units of that kind can be affected, so that their content is needed.
    pub fn affects(&self, place: Place, kind: &str) -> bool {
        self.mutation
            .as_ref()
            .is_none_or(|Rewrite { target, .. }| target.place == place && target.kind == kind)
    }

    /// Notes that a session was restored.
    pub fn note_restored(&self) {
        if self.mutation.is_none() {
            census::note_restored();
        }
    }

    /// Notes a unit in the census, or decides what the mutation does to it. Units with the same `series` follow each other.
    pub fn fate(&self, series: &str, unit: &Unit<'_>) -> Fate {
        let Some(Rewrite { target, operation }) = &self.mutation else {
            census::note(unit.place, unit.kind, unit.whole, unit.value, unit.is_possible);
            return Fate::Unchanged;
        };
        if !self.affects(unit.place, unit.kind) {
            return Fate::Unchanged;
        }
        let Target { path: Some(path), .. } = target else {
            return Fate::Whole(*operation);
        };
        let before = self.replace_last(series, unit.value, path);
        let mut changed = unit.value.clone();
        let change = |field: &Value| match operation {
            Operation::Remove => Change::Removed,
            Operation::Repeat => before.clone().map_or(Change::None, Change::To),
            _ => operation.applied_to(field).map_or(Change::None, Change::To),
        };
        if tree::change_at(&mut changed, path, &change) && (unit.is_possible)(&changed) {
            Fate::Changed(changed)
        } else {
            Fate::Unchanged
        }
    }

    /// Remembers the unit's value at `path`, and returns that of the unit before.
    fn replace_last(&self, series: &str, value: &Value, path: &str) -> Option<Value> {
        let value = tree::at(value, path)?.clone();
        lock(&self.last).insert(series.to_owned(), value)
    }
}
