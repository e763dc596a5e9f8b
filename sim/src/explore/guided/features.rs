//! Features of a play, as numbers that two plays share if they showed the same.
//!
//! A feature is an event together with the state of the run, or two successive events with the time between them, or a
//! coverage mark that the server or a fake hit.

use std::collections::BTreeSet;
use std::time::Duration;

use turnstile_judge::trace::Trace;

use crate::coverage::Mark;
use crate::shown::{Hash, State, class, event};

/// A feature, as a hash.
pub(super) type Feature = u32;

/// Kinds of features, so that different kinds have different hashes.
const EVENT: &str = "event";
const PAIR: &str = "pair";
const MARK: &str = "mark";

/// The limits of the classes of pauses, in milliseconds: around the deadlines of the protocol (§4, §5, §7, §8).
const PAUSES_MS: [u128; 11] = [
    10, 200, 900, 1_900, 4_500, 9_000, 14_000, 29_000, 59_000, 119_000, 299_000,
];

/// The features of a trace, of which only the records before `end` count, and of the marks that were hit.
pub(super) fn features(trace: &Trace, end: usize, marks: &BTreeSet<Mark>) -> BTreeSet<Feature> {
    let mut found = BTreeSet::new();
    let mut state = State::default();
    let mut last: Option<(u32, Duration)> = None;
    for record in trace.records().iter().take(end) {
        state.take(record);
        let Some(event) = event(record) else { continue };
        let in_state = Hash::new(EVENT).number(event.hash).number(state.digest());
        found.insert(in_state.finish());
        if event.is_common {
            continue;
        }
        if let Some((before, at)) = last {
            let pause = class(record.at.saturating_sub(at).as_millis(), &PAUSES_MS);
            let pair = Hash::new(PAIR).number(before).number(event.hash).number(pause);
            found.insert(pair.finish());
        }
        last = Some((event.hash, record.at));
    }
    let marks = marks
        .iter()
        .map(|mark| Hash::new(MARK).text(mark.list()).text(mark.text()));
    found.extend(marks.map(Hash::finish));
    found
}
