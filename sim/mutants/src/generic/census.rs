//! Collects which generic mutants a play can have: for each unit that it contains, the operations that fit the unit and its
//! fields.
//!
//! A census is taken on the thread of the play. Without a census on the thread, nothing is collected.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::tree::{self, Change};
use super::{Operation, Place, Rewrite, Target};

thread_local! {
    static CENSUS: RefCell<Option<Counted>> = const { RefCell::new(None) };
}

/// What a census has collected.
#[derive(Debug, Default)]
struct Counted {
    rewrites: BTreeSet<Rewrite>,
    /// The last unit of each kind.
    last: BTreeMap<(Place, String), Value>,
    /// Whether a session was restored from the store.
    is_restored: bool,
}

/// Runs `play` and returns the mutants that its server can have.
pub fn take<T>(play: impl FnOnce() -> T) -> (T, BTreeSet<Rewrite>) {
    CENSUS.set(Some(Counted::default()));
    let played = play();
    let Counted {
        mut rewrites,
        is_restored,
        ..
    } = CENSUS.take().unwrap_or_default();
    // A row that is not read again makes no difference. Events are also read by replays.
    rewrites.retain(|rewrite| {
        let Target { place, kind, .. } = &rewrite.target;
        is_restored || *place != Place::Row || kind.starts_with("event/")
    });
    (played, rewrites)
}

/// Notes that a session was restored.
pub(super) fn note_restored() {
    with(|counted| counted.is_restored = true);
}

/// Notes a unit: the operations on it as a whole, and those on its fields that leave it possible.
pub(super) fn note(
    place: Place,
    kind: &str,
    whole: &[Operation],
    value: &Value,
    is_possible: &dyn Fn(&Value) -> bool,
) {
    with(|counted| {
        let target = |path: Option<&str>| Target {
            place,
            kind: kind.to_owned(),
            path: path.map(str::to_owned),
        };
        for &operation in whole {
            let target = target(None);
            counted.rewrites.insert(Rewrite { target, operation });
        }
        let last = counted.last.insert((place, kind.to_owned()), value.clone());
        tree::visit_fields(value, &mut |path, field| {
            let mut add = |operation, change: Option<Change>| {
                let target = target(Some(path));
                let rewrite = Rewrite { target, operation };
                let Some(change) = change.filter(|_| !counted.rewrites.contains(&rewrite)) else {
                    return;
                };
                let mut changed = value.clone();
                let is_different = tree::change_at(&mut changed, path, &|_| change.clone());
                if is_different && is_possible(&changed) {
                    counted.rewrites.insert(rewrite);
                }
            };
            add(Operation::Remove, Some(Change::Removed));
            for operation in Operation::OF_VALUES {
                add(operation, operation.applied_to(field).map(Change::To));
            }
            let before = last.as_ref().and_then(|last| tree::at(last, path));
            add(Operation::Repeat, before.cloned().map(Change::To));
        });
    });
}

fn with(note: impl FnOnce(&mut Counted)) {
    CENSUS.with_borrow_mut(|counted| {
        if let Some(counted) = counted {
            note(counted);
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_census_has_the_operations_that_fit_each_unit() {
        let ((), rewrites) = take(|| {
            let is_possible = |value: &Value| value["status"].is_u64();
            let note = |value| {
                note(
                    Place::Reply,
                    "getSession/200",
                    &[Operation::Drop],
                    &value,
                    &is_possible,
                );
            };
            note(json!({"status": 200, "version": 1}));
            note(json!({"status": 200, "version": 2}));
        });
        let names: Vec<String> = rewrites.iter().map(ToString::to_string).collect();
        let expected = [
            "drop:reply:getSession/200",
            "raise:reply:getSession/200:status",
            "lower:reply:getSession/200:status",
            "remove:reply:getSession/200:version",
            "null:reply:getSession/200:version",
            "raise:reply:getSession/200:version",
            "lower:reply:getSession/200:version",
            "repeat:reply:getSession/200:version",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn rows_count_only_if_a_session_is_restored() {
        let note_row = || note(Place::Row, "message", &[Operation::Drop], &json!({}), &|_| true);
        assert!(take(note_row).1.is_empty());
        let ((), rewrites) = take(|| {
            note_row();
            note_restored();
        });
        assert_eq!(rewrites.len(), 1);
    }
}
