//! Features of a play, as numbers that two plays share if they showed the same.
//!
//! A feature is an event together with the state of the run, or a coverage mark that the server or a fake hit. Events that
//! most turns have are left out: with them nearly every play would show something new.

use std::collections::BTreeSet;

use turnstile_judge::trace::Trace;

use crate::coverage::Mark;
use crate::shown::{Hash, State, event};

/// A feature, as a hash.
pub(super) type Feature = u32;

/// Kinds of features, so that different kinds have different hashes.
const EVENT: &str = "event";
const MARK: &str = "mark";

/// The features of a trace, of which only the records before `end` count, and of the marks that were hit.
pub(super) fn features(trace: &Trace, end: usize, marks: &BTreeSet<Mark>) -> BTreeSet<Feature> {
    let mut found = BTreeSet::new();
    let mut state = State::default();
    for record in trace.records().iter().take(end) {
        let before = state.digest();
        state.take(record);
        if let Some(event) = event(record).filter(|event| !event.is_common) {
            found.insert(Hash::new(EVENT).number(event.hash).number(before).finish());
        }
    }
    let marks = marks
        .iter()
        .map(|mark| Hash::new(MARK).text(mark.list()).text(mark.text()));
    found.extend(marks.map(Hash::finish));
    found
}
