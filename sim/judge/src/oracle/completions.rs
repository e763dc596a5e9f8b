//! The events `complete` of a session that ended a run, in order of id. This module judges nothing.

use super::frames::RunEnd;
use super::history::{SessionHistory, StreamEvent};

/// A `complete` that ended a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Completion<'a> {
    /// The event.
    pub(super) event: &'a StreamEvent,
    /// The branch that it reports.
    pub(super) branch: Option<&'a str>,
    /// The gate result that it reports.
    pub(super) gate_result: Option<&'a str>,
}

/// All of a session.
pub(super) struct Completions<'a>(Vec<Completion<'a>>);

impl<'a> Completions<'a> {
    pub(super) fn of(session: &SessionHistory<'a>) -> Self {
        let completions = session
            .kept
            .iter()
            .filter_map(|event| match RunEnd::of_event(event)? {
                RunEnd::Complete { branch, gate_result } => Some(Completion {
                    event,
                    branch,
                    gate_result,
                }),
                RunEnd::Interrupted | RunEnd::FatalError => None,
            });
        Self(completions.collect())
    }

    /// Those before an event, and those after it.
    pub(super) fn around(&self, id: u64) -> (&[Completion<'a>], &[Completion<'a>]) {
        let place = self.0.partition_point(|completion| completion.event.id < id);
        let (before, rest) = self.0.split_at(place);
        let is_it = rest.first().is_some_and(|first| first.event.id == id);
        (before, &rest[usize::from(is_it)..])
    }
}
