//! The times from which each fence of a session is not current any more (protocol §5, §6).
//!
//! This module judges nothing. Where the wire leaves open whether a run has ended, it is assumed to go on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::frames::RunEnd;
use super::history::{SessionHistory, StreamEvent};

/// The latest time at which each fence stopped being current.
pub(super) struct Fences {
    /// Time at which the wrapper first received a fence of each generation.
    given_at: BTreeMap<u64, Duration>,
    /// Time at which the run of each generation ended, as the server reports it.
    ended_at: BTreeMap<u64, Duration>,
    time_error: Duration,
}

impl Fences {
    pub(super) fn of(session: &SessionHistory) -> Self {
        let mut given_at = BTreeMap::new();
        for binding in &session.bindings {
            given_at.entry(binding.fence.generation).or_insert(binding.at);
        }
        let mut fences = Self {
            given_at,
            ended_at: BTreeMap::new(),
            time_error: session.run.time_error(),
        };
        let queue = Queue::of(session);
        for event in &session.kept {
            if let Some(generation) = fences.ended_by(session, &queue, event) {
                fences.ended_at.entry(generation).or_insert(event.at);
            }
        }
        fences
    }

    /// Whether any fence stopped being current.
    pub(super) fn have_changed(&self) -> bool {
        self.given_at.len() > 1 || !self.ended_at.is_empty()
    }

    /// The time at which the wrapper received a newer fence, which the server allocated before; the maximum if none is
    /// newer.
    pub(super) fn replaced_at(&self, generation: u64) -> Duration {
        let newer = self.given_at.range(generation.saturating_add(1)..);
        newer.map(|(_, at)| *at).min().unwrap_or(Duration::MAX)
    }

    /// The time at which the run of a generation ended, as the server reports it; `None` if the wire does not show it.
    pub(super) fn ended_at(&self, generation: u64) -> Option<Duration> {
        self.ended_at.get(&generation).copied()
    }

    /// The time from which a generation is certainly not current; the maximum if it always is.
    pub(super) fn stale_from(&self, generation: u64) -> Duration {
        let ended = self.ended_at(generation).map(|at| at + self.time_error);
        ended
            .map_or(Duration::MAX, |at| at)
            .min(self.replaced_at(generation))
    }

    /// The generation whose run an event of the log ends.
    fn ended_by(&self, session: &SessionHistory, queue: &Queue, event: &StreamEvent) -> Option<u64> {
        if event.is_end() {
            // These ends of an accepted message also end its run (R6.25, R6.34, R7.1, R7.12).
            let source = event.data["completionSource"].as_str();
            let ends_run = matches!(source, Some("interrupt" | "wrapper_failure"));
            let is_accepted = event.data["accepted"] == true;
            return (ends_run && is_accepted).then(|| {
                let run = session.run_of(event.message()?, event.at + self.time_error);
                run.map(|fence| fence.generation)
            })?;
        }
        let end = RunEnd::of_event(event)?;
        if end.is_complete() && queue.may_be_pending(event, self.time_error) {
            // The run goes on if a delivery to it is in progress (R6.21).
            return None;
        }
        self.sender(session, event)
    }

    /// The generation under which an event was sent; `None` if that is not certain.
    fn sender(&self, session: &SessionHistory, event: &StreamEvent) -> Option<u64> {
        let sent = session.wrapper_frames().filter(|(_, frame)| {
            frame.name == event.name && frame.data == event.data && frame.at <= event.at + self.time_error
        });
        let generations: BTreeSet<u64> = sent
            .map(|(ingest, _)| ingest.fence.generation)
            .filter(|generation| self.stale_from(*generation) > event.at)
            .collect();
        match generations.len() {
            1 => generations.first().copied(),
            _ => None,
        }
    }
}

/// The messages that were queued, each with the time of that and the id of the event with which it left the queue. Found
/// in one pass: a long run has many of them.
struct Queue(Vec<(Duration, u64)>);

impl Queue {
    fn of(session: &SessionHistory) -> Self {
        let mut left = BTreeMap::new();
        for event in session.kept.iter().filter(|event| !event.is_queued()) {
            left.entry(event.message()).or_insert(event.id);
        }
        let queued = session.kept.iter().filter(|event| event.is_queued());
        let times = queued.map(|queued| {
            let left_by = left.get(&queued.message()).copied();
            (queued.at, left_by.unwrap_or(u64::MAX))
        });
        Self(times.collect())
    }

    /// Whether a message may have been pending at the time of an event.
    fn may_be_pending(&self, event: &StreamEvent, time_error: Duration) -> bool {
        let queued_by = event.at + time_error;
        let mut queued = self.0.iter().filter(|(at, _)| *at <= queued_by);
        queued.any(|(_, left_by)| *left_by >= event.id)
    }
}
