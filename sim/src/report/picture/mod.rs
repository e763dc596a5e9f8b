//! What of a run is drawn, whatever it is drawn on: who takes part, what travels between whom, what was
//! broken and for how long, how far each message was when.
//!
//! | file | what is in it |
//! |---|---|
//! | `lanes` | the parties, in the order in which they stand beside each other |
//! | `arrows` | which sending belongs to which receiving |
//! | `faults` | what was broken, from when to when |
//! | `messages` | the messages, how far each is, and which records are about which |
//! | `words` | a few words for each record |
//!
//! It is read off the trace alone and serialised for a page as it stands. How anything looks is not decided
//! here.

mod arrows;
mod faults;
mod lanes;
mod messages;
#[cfg(test)]
mod tests;
pub(super) mod words;

use std::time::Duration;

use serde::Serialize;
use turnstile_events::queue::QueueAnswer;
use turnstile_judge::trace::{Record, What};

pub(super) use self::arrows::{Arrow, ArrowKind, Fate};
pub(super) use self::faults::{FaultSpan, Place};
pub(super) use self::lanes::Lanes;
pub(super) use self::lanes::struck;
pub(super) use self::messages::{Message, Messages};
use crate::script::Verdict;

/// A run as it is drawn.
#[derive(Debug, Serialize)]
pub(super) struct Picture<'a> {
    /// The parties.
    pub lanes: Lanes,
    /// The messages, in order of appearance.
    pub messages: Vec<Message>,
    /// Every record, in order.
    pub events: Vec<Event<'a>>,
    /// What was broken, in order of beginning.
    pub faults: Vec<FaultSpan>,
}

/// A record as it is drawn.
#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    /// The lane of its party; none for the script and the world.
    pub lane: Option<usize>,
    /// What kind of thing it is.
    pub kind: EventKind,
    /// What happened, in a few words.
    pub headline: String,
    /// What it carries, as far as there is room.
    pub detail: String,
    /// The messages that it is about, as places in [`Picture::messages`].
    pub messages: Vec<usize>,
    /// What travels, if anything does. A record of an arrival that belongs to an earlier record has none: it
    /// is that record's arrow that ends here.
    pub arrow: Option<Arrow>,
    /// The record.
    pub record: &'a Record,
}

/// What kind of thing an event is, as far as it is drawn otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum EventKind {
    /// The script came to a step.
    Step,
    /// Something was done to the world.
    World,
    /// Something went as it should on a wire.
    Wire,
    /// Something did not: a refusal, a loss, no answer.
    Trouble,
}

impl<'a> Picture<'a> {
    /// The picture of what was played.
    pub fn of(verdict: &'a Verdict) -> Self {
        let trace = &verdict.trace;
        let lanes = Lanes::of(trace);
        let arrows = arrows::of(trace, &lanes);
        let faults = faults::of(trace, &lanes);
        let Messages { messages, mentions } = Messages::of(trace, &verdict.labels);
        let parts = trace.records().iter().zip(arrows).zip(mentions);
        let events = parts.map(|((record, arrow), messages)| Event {
            lane: lanes.find(&record.party),
            kind: kind_of(&record.what),
            headline: words::headline(&record.what, &verdict.labels),
            detail: words::detail(&record.what, &verdict.labels),
            messages,
            arrow,
            record,
        });
        Self {
            messages,
            events: events.collect(),
            faults,
            lanes,
        }
    }
}

fn kind_of(what: &What) -> EventKind {
    match what {
        What::Step { .. } => EventKind::Step,
        What::World(_) => EventKind::World,
        What::Observation(observation) if words::is_trouble(observation) => EventKind::Trouble,
        What::Queue(submission) if submission.answer != QueueAnswer::Accepted => EventKind::Trouble,
        What::Observation(_) | What::Queue(_) => EventKind::Wire,
    }
}

/// A moment of the run in microseconds; no run is so long that this is not exact.
pub(super) fn microseconds(at: Duration) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(u64::MAX)
}
