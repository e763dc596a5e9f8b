//! Compares two masked payloads and classifies each change as breaking or compatible for existing clients.
//!
//! A change that is not known to be harmless is breaking: no value of a snapshot is volatile, so a client may depend on any
//! of them. This module does not know files or git.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::alignment::{self, Costs, Element};
use super::mask::{self, Mask};

/// The number of an event, which depends on the number of earlier events; 0 for an event that is not stored (protocol §1).
const EVENT_ID: &str = "eventId";
/// The type of a stream event (protocol §9).
const EVENT_TYPE: &str = "streamEventType";

/// A change of a payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The path, such as `body.result.data.messageId` or `shown[3 cloud.message.sent].data`: the old path of a removed
    /// value, and otherwise the new path.
    pub place: String,
    /// The kind of change.
    pub what: What,
}

/// A kind of change.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A new field. Clients ignore unknown fields.
    Added(Value),
    /// A removed field with its value.
    Removed(Value),
    /// A removed field whose value is now in a new field beside it.
    Renamed {
        /// The new name.
        to: String,
        /// The value.
        value: Value,
    },
    /// Another JSON type.
    Retyped {
        /// The old value.
        from: Value,
        /// The new value.
        to: Value,
    },
    /// Null in place of this value.
    NewlyNull(Value),
    /// This value in place of null. A client that accepts null also accepts the regular value.
    NoLongerNull(Value),
    /// Another value of the same type.
    Changed {
        /// The old value.
        from: Value,
        /// The new value.
        to: Value,
    },
    /// An earlier or later time.
    Moved {
        /// The old value.
        from: Value,
        /// The new value.
        to: Value,
    },
    /// One more element in a list.
    OneMore {
        /// The element.
        value: Value,
        /// Whether it is an event of a type that the list did not contain. Clients ignore unknown events.
        is_of_new_type: bool,
    },
    /// One element less in a list.
    OneLess(Value),
}

impl What {
    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Added(_) => "added",
            Self::Removed(_) => "removed",
            Self::Renamed { .. } => "renamed",
            Self::Retyped { .. } => "retyped",
            Self::NewlyNull(_) => "newly null",
            Self::NoLongerNull(_) => "not null",
            Self::Changed { .. } => "changed",
            Self::Moved { .. } => "moved",
            Self::OneMore { .. } => "one more",
            Self::OneLess(_) => "one less",
        }
    }

    /// Whether it can break an existing client.
    pub fn is_breaking(&self) -> bool {
        match self {
            Self::Added(_) | Self::NoLongerNull(_) | Self::Moved { .. } => false,
            Self::OneMore { is_of_new_type, .. } => !is_of_new_type,
            Self::Removed(_)
            | Self::Renamed { .. }
            | Self::Retyped { .. }
            | Self::NewlyNull(_)
            | Self::Changed { .. }
            | Self::OneLess(_) => true,
        }
    }
}

/// The changes in the order of the payloads. Different numbers in masked ids are a change only if the ids no longer
/// correspond one to one.
pub fn classify(before: &Value, after: &Value) -> Vec<Change> {
    differences(Names::default(), before, after)
}

fn differences(names: Names, before: &Value, after: &Value) -> Vec<Change> {
    let mut comparison = Comparison {
        names,
        changes: Vec::new(),
    };
    comparison.compare("", "", before, after);
    comparison.changes
}

/// The correspondence of masked ids in the two payloads.
#[derive(Clone)]
enum Names {
    /// Ids correspond one to one.
    OneToOne {
        forth: BTreeMap<String, String>,
        back: BTreeMap<String, String>,
    },
    /// Nothing is known yet: any two ids of one kind may correspond.
    Any,
}

impl Default for Names {
    fn default() -> Self {
        Self::OneToOne {
            forth: BTreeMap::new(),
            back: BTreeMap::new(),
        }
    }
}

impl Names {
    /// Whether two ids can correspond. If so, they do from now on.
    fn take(&mut self, before: &str, after: &str) -> bool {
        let Self::OneToOne { forth, back } = self else {
            return true;
        };
        let before_name = forth.entry(before.to_owned()).or_insert_with(|| after.to_owned());
        let after_name = back.entry(after.to_owned()).or_insert_with(|| before.to_owned());
        before_name == after && after_name == before
    }
}

struct Comparison {
    names: Names,
    changes: Vec<Change>,
}

impl Comparison {
    fn add(&mut self, place: String, what: What) {
        self.changes.push(Change { place, what });
    }

    /// Compares the values at `place`, in a field with this name.
    fn compare(&mut self, place: &str, name: &str, before: &Value, after: &Value) {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => {
                return self.compare_objects(place, before, after);
            }
            (Value::Array(before), Value::Array(after)) => return self.compare_lists(place, before, after),
            _ => {}
        }
        if self.is_same(name, before, after) {
            return;
        }
        let (from, to) = (before.clone(), after.clone());
        let what = match (before, after) {
            (_, Value::Null) => What::NewlyNull(from),
            (Value::Null, _) => What::NoLongerNull(to),
            _ if type_on_the_wire(before) != type_on_the_wire(after) => What::Retyped { from, to },
            (Value::String(one), Value::String(other))
                if Mask::of(one).is_some() && Mask::of(other).is_some() =>
            {
                What::Moved { from, to }
            }
            _ => What::Changed { from, to },
        };
        self.add(place.to_owned(), what);
    }

    /// Whether two scalar values are equal.
    fn is_same(&mut self, name: &str, before: &Value, after: &Value) -> bool {
        match (before, after) {
            (Value::String(before), Value::String(after)) => self.is_same_text(before, after),
            (Value::Number(before), Value::Number(after)) if name == EVENT_ID => {
                let is_kept = |number: &serde_json::Number| number.as_u64().is_some_and(|number| number > 0);
                if is_kept(before) && is_kept(after) {
                    self.names.take(&before.to_string(), &after.to_string())
                } else {
                    before == after
                }
            }
            _ => before == after,
        }
    }

    fn is_same_text(&mut self, before: &str, after: &str) -> bool {
        let (before, after): (Vec<&str>, Vec<&str>) =
            (mask::words(before).collect(), mask::words(after).collect());
        if before.len() != after.len() {
            return false;
        }
        let mut names = self.names.clone();
        let is_same = before.iter().zip(&after).all(|(before, after)| {
            match (mask::masked_identity(before), mask::masked_identity(after)) {
                (Some(kind), Some(other)) => kind == other && names.take(before, after),
                _ => before == after,
            }
        });
        if is_same {
            self.names = names;
        }
        is_same
    }

    fn compare_objects(&mut self, place: &str, before: &Map<String, Value>, after: &Map<String, Value>) {
        let mut new: Vec<(&String, &Value)> = after
            .iter()
            .filter(|(name, _)| !before.contains_key(*name))
            .collect();
        // Unchanged fields determine the correspondence of ids before renamed fields are searched.
        for (name, value) in before {
            if let Some(now) = after.get(name) {
                self.compare(&below(place, name), name, value, now);
            }
        }
        for (name, value) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
            let renamed = new.iter().position(|(_, now)| self.would_be_same(value, now));
            let value = value.clone();
            let what = match renamed {
                Some(index) => {
                    let to = below(place, new.remove(index).0);
                    What::Renamed { to, value }
                }
                None => What::Removed(value),
            };
            self.add(below(place, name), what);
        }
        for (name, value) in new {
            self.add(below(place, name), What::Added(value.clone()));
        }
    }

    fn would_be_same(&self, before: &Value, after: &Value) -> bool {
        differences(self.names.clone(), before, after).is_empty()
    }

    fn compare_lists(&mut self, place: &str, before: &[Value], after: &[Value]) {
        let elements = alignment::align(before.len(), after.len(), &Lists { before, after });
        for element in elements {
            match element {
                Element::Kept(one, other) => {
                    let (before, after) = (&before[one], &after[other]);
                    self.compare(&element_of(place, other, after), "", before, after);
                }
                Element::Gone(one) => {
                    let gone = &before[one];
                    self.add(element_of(place, one, gone), What::OneLess(gone.clone()));
                }
                Element::New(other) => {
                    let new = &after[other];
                    let event_type = event_type(new);
                    let is_known = |known: &Value| self::event_type(known) == event_type;
                    let what = What::OneMore {
                        is_of_new_type: event_type.is_some() && !before.iter().any(is_known),
                        value: new.clone(),
                    };
                    self.add(element_of(place, other, new), what);
                }
            }
        }
    }
}

/// The costs of edits between two lists.
struct Lists<'a> {
    before: &'a [Value],
    after: &'a [Value],
}

impl Costs for Lists<'_> {
    /// Events of different types never match.
    fn change(&self, before: usize, after: usize) -> Option<usize> {
        let (before, after) = (&self.before[before], &self.after[after]);
        let differences = || differences(Names::Any, before, after).len();
        (event_type(before) == event_type(after)).then(|| 2 * differences())
    }

    fn removal(&self, before: usize) -> usize {
        size(&self.before[before])
    }

    fn insertion(&self, after: usize) -> usize {
        size(&self.after[after])
    }
}

/// The size of a value's description.
fn size(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(size).sum::<usize>(),
        Value::Array(values) => 1 + values.iter().map(size).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

/// The type of an event, and the name of the kilo event in it (protocol §9, §11).
fn event_type(value: &Value) -> Option<(&str, Option<&str>)> {
    let name = value.get(EVENT_TYPE)?.as_str()?;
    Some((name, value["data"]["event"].as_str()))
}

/// The type of a masked value on the wire.
fn type_on_the_wire(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(text) => match Mask::of(text) {
            Some(Mask::UnixMilliseconds(_)) => "number",
            Some(Mask::Time(_)) | None => "string",
        },
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn below(place: &str, name: &str) -> String {
    if place.is_empty() {
        name.to_owned()
    } else {
        format!("{place}.{name}")
    }
}

fn element_of(place: &str, index: usize, element: &Value) -> String {
    match event_type(element) {
        Some((name, Some(kilo))) => format!("{place}[{index} {name} {kilo}]"),
        Some((name, None)) => format!("{place}[{index} {name}]"),
        None => format!("{place}[{index}]"),
    }
}

#[cfg(test)]
mod tests;
