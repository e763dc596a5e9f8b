//! The times from which each fence of a session is not current any more (protocol §5, §6).
//!
//! This module judges nothing. Where the wire leaves open whether a run has ended, it is assumed to go on.

use std::collections::BTreeMap;
use std::time::Duration;

use super::frames::RunEnd;
use super::history::{SessionHistory, StreamEvent, WrapperFrame};

/// The latest time at which each fence stopped being current.
pub(super) struct Fences {
    /// Time at which the wrapper first received a fence of each generation or of a later one.
    given_from: Vec<(u64, Duration)>,
    /// Time at which the run of each generation ended, as the server reports it.
    ended_at: BTreeMap<u64, Duration>,
    time_error: Duration,
    leeway_of_work: Duration,
}

impl Fences {
    pub(super) fn of(session: &SessionHistory) -> Self {
        let mut given_at = BTreeMap::new();
        for binding in &session.bindings {
            given_at.entry(binding.fence.generation).or_insert(binding.at);
        }
        // From the last one on: a request that was held up may arrive after one of a later generation.
        let mut earliest = Duration::MAX;
        for at in given_at.values_mut().rev() {
            earliest = earliest.min(*at);
            *at = earliest;
        }
        let mut fences = Self {
            given_from: given_at.into_iter().collect(),
            ended_at: BTreeMap::new(),
            time_error: session.run.time_error(),
            leeway_of_work: session.run.leeway_of_work(),
        };
        let queue = Queue::of(session);
        let mut run_ends: RunEnds = BTreeMap::new();
        for (ingest, frame) in session.wrapper_frames() {
            if RunEnd::of_frame(frame).is_some() {
                run_ends.entry(ingest.fence.generation).or_default().push(frame);
            }
        }
        for event in &session.kept {
            if let Some(generation) = fences.ended_by(session, (&queue, &run_ends), event) {
                fences.ended_at.entry(generation).or_insert(event.at);
            }
        }
        fences
    }

    /// Whether any fence stopped being current.
    pub(super) fn have_changed(&self) -> bool {
        self.given_from.len() > 1 || !self.ended_at.is_empty()
    }

    /// The time at which the wrapper received a newer fence, which the server allocated before; the maximum if none is
    /// newer.
    pub(super) fn replaced_at(&self, generation: u64) -> Duration {
        let newer = self.given_from.partition_point(|(given, _)| *given <= generation);
        self.given_from.get(newer).map_or(Duration::MAX, |(_, at)| *at)
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
            .min(self.acts_replaced_from(generation))
    }

    /// The time from which the server certainly acts by a newer fence.
    pub(super) fn acts_replaced_from(&self, generation: u64) -> Duration {
        self.replaced_at(generation).saturating_add(self.leeway_of_work)
    }

    /// The generation whose run an event of the log ends.
    fn ended_by(
        &self,
        session: &SessionHistory,
        (queue, run_ends): (&Queue, &RunEnds),
        event: &StreamEvent,
    ) -> Option<u64> {
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
        self.sender(run_ends, event)
    }

    /// The generation under which an event was sent; `None` if that is not certain.
    fn sender(&self, run_ends: &RunEnds, event: &StreamEvent) -> Option<u64> {
        let is_it =
            |frame: &&WrapperFrame| frame.at <= event.at + self.time_error && frame.content == event.content;
        // Later generations began later, and earlier ones were replaced earlier.
        let begun = self
            .given_from
            .partition_point(|(_, at)| *at <= event.at + self.time_error);
        let newest = begun
            .checked_sub(1)
            .map_or(u64::MAX, |place| self.given_from[place].0);
        let mut current = run_ends
            .range(..=newest)
            .rev()
            .take_while(|(generation, _)| self.replaced_at(**generation) > event.at)
            .filter(|(generation, frames)| {
                self.stale_from(**generation) > event.at && frames.iter().any(is_it)
            });
        let (generation, _) = current.next()?;
        current.next().is_none().then_some(*generation)
    }
}

/// The frames that end a run, by generation.
type RunEnds<'a> = BTreeMap<u64, Vec<&'a WrapperFrame>>;

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
