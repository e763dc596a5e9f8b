//! The trace of a run while it is being written, by all parties of a world.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use turnstile_events::observation::{Observation, Observer};
use turnstile_judge::trace::{Record, Trace, What};
use turnstile_seams::Clock;

/// Appends what happens to a shared [`Trace`], dated by a clock. Cheap to clone; clones write the same trace.
#[derive(Clone)]
pub struct Recorder {
    epoch: Timestamp,
    clock: Arc<dyn Clock>,
    trace: Arc<Mutex<Trace>>,
}

impl Recorder {
    /// Starts an empty trace that begins at `epoch` and takes the time from `clock`.
    pub fn new(epoch: Timestamp, clock: Arc<dyn Clock>) -> Self {
        Self {
            epoch,
            clock,
            trace: Arc::new(Mutex::new(Trace::new(epoch))),
        }
    }

    /// Adds what happens to `party` now.
    pub fn record(&self, party: &str, what: What) {
        self.lock(|trace| {
            // Parties may run on threads of their own; the lock decides their order.
            let at = trace
                .since_beginning(self.clock.now())
                .expect("time does not go back behind the beginning");
            let at = trace.records().last().map_or(at, |last| last.at.max(at));
            trace.push(Record {
                at,
                party: party.into(),
                what,
            });
        });
    }

    /// Takes the trace so far; later records begin an empty one.
    pub fn take(&self) -> Trace {
        self.lock(|trace| std::mem::replace(trace, Trace::new(self.epoch)))
    }

    /// Reads the trace so far.
    pub fn read<T>(&self, look: impl FnOnce(&Trace) -> T) -> T {
        self.lock(|trace| look(trace))
    }

    fn lock<T>(&self, change: impl FnOnce(&mut Trace) -> T) -> T {
        change(&mut self.trace.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Recorder {
    fn observe(&self, party: &str, observation: Observation) {
        self.record(party, What::Observation(observation));
    }
}
