//! Records the trace of a run.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use turnstile_events::observation::{Observation, Observer};
use turnstile_judge::trace::{Record, Trace, What};
use turnstile_seams::Clock;

/// Appends records to a shared [`Trace`] with times of a clock. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    epoch: Timestamp,
    clock: Arc<dyn Clock>,
    trace: Arc<Mutex<Trace>>,
}

impl Recorder {
    /// Creates an empty trace that starts at `epoch` and takes times from `clock`.
    pub fn new(epoch: Timestamp, clock: Arc<dyn Clock>) -> Self {
        Self {
            epoch,
            clock,
            trace: Arc::new(Mutex::new(Trace::new(epoch))),
        }
    }

    /// Records an event of `party` at the current time.
    pub fn record(&self, party: &str, what: What) {
        self.lock(|trace| {
            // Parties may run on several threads; the lock determines the order.
            let at = trace
                .since_beginning(self.clock.now())
                .expect("time does not go back behind the beginning");
            let at = trace.end().max(at);
            trace.push(Record {
                at,
                party: party.into(),
                what,
            });
        });
    }

    /// Takes the trace so far. Later records start an empty one.
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
