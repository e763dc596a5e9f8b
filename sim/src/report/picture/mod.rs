//! The content of a drawing of a run, independent of its format: parties, messages between them, faults with their
//! durations, and the states of the session's messages over time.
//!
//! | file | content |
//! |---|---|
//! | `lanes` | the parties, in display order |
//! | `arrows` | matches sent and received records |
//! | `faults` | faults with their start and end |
//! | `messages` | the messages, their states, and which records mention them |
//! | `words` | a short text for each record |
//!
//! It is derived from the trace alone and serialised for the page. The appearance is not decided here.

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
pub(super) use self::lanes::affected;
pub(super) use self::messages::{Message, Messages};
use crate::script::Verdict;

/// The content of a drawing of a run.
#[derive(Debug, Serialize)]
pub(super) struct Picture<'a> {
    /// The parties.
    pub lanes: Lanes,
    /// The messages, in order of appearance.
    pub messages: Vec<Message>,
    /// Every record, in order.
    pub events: Vec<Event<'a>>,
    /// The faults, in order of their start.
    pub faults: Vec<FaultSpan>,
}

/// A record in a drawing.
#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    /// The lane of its party; `None` for the script and the world.
    pub lane: Option<usize>,
    /// Its kind.
    pub kind: EventKind,
    /// A short description.
    pub headline: String,
    /// Its payload, shortened.
    pub detail: String,
    /// Indices into [`Picture::messages`] of the messages that it mentions.
    pub messages: Vec<usize>,
    /// The arrow that starts here. A record of an arrival whose sending was recorded has none: the arrow of that
    /// record ends here.
    pub arrow: Option<Arrow>,
    /// The record. Pages have it elsewhere.
    pub record: &'a Record,
}

/// The kinds of events that are drawn differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum EventKind {
    /// A step of the script.
    Step,
    /// A fault or its end.
    World,
    /// Successful communication.
    Wire,
    /// Failed communication: a refusal, a loss, no response.
    Trouble,
}

impl<'a> Picture<'a> {
    /// The content of the drawing of a play.
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

/// Time since the start of the run in microseconds. Exact for any run shorter than half a million years.
pub(super) fn microseconds(at: Duration) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(u64::MAX)
}
