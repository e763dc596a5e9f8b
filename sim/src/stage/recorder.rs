//! Records the trace of a run.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use turnstile_events::observation::{Observation, Observer};
use turnstile_events::world::WorldEvent;
use turnstile_fault::Place;
use turnstile_judge::trace::{Record, Trace, What};
use turnstile_seams::Clock;

/// Appends records to a shared [`Trace`] with times of a clock. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    epoch: Timestamp,
    clock: Arc<dyn Clock>,
    recorded: Arc<Mutex<Recorded>>,
}

struct Recorded {
    trace: Trace,
    /// The hosts that are down.
    down: BTreeSet<String>,
}

impl Recorded {
    /// Notes which hosts are down.
    fn note(&mut self, event: &WorldEvent) {
        if let Some(host) = event.crashed() {
            self.down.insert(host.to_owned());
        }
        if let WorldEvent::Ended {
            place: Place::Host(host),
        } = event
        {
            self.down.remove(host);
        }
    }

    /// Whether an observation only says that its own party crashed, which drops the handlers of open requests. They are dropped
    /// in an order that differs between plays of the same seed.
    fn is_by_crash(&self, party: &str, observation: &Observation) -> bool {
        matches!(observation, Observation::PeerGone { .. }) && self.down.contains(party)
    }
}

impl Recorder {
    /// Creates an empty trace that starts at `epoch` and takes times from `clock`.
    pub fn new(epoch: Timestamp, clock: Arc<dyn Clock>) -> Self {
        Self {
            epoch,
            clock,
            recorded: Arc::new(Mutex::new(Recorded {
                trace: Trace::new(epoch),
                down: BTreeSet::new(),
            })),
        }
    }

    /// Records an event of `party` at the current time.
    pub fn record(&self, party: &str, what: What) {
        self.lock(|recorded| {
            match &what {
                What::World(event) => recorded.note(event),
                What::Observation(observation) if recorded.is_by_crash(party, observation) => return,
                _ => {}
            }
            // Parties may run on several threads; the lock determines the order.
            let trace = &mut recorded.trace;
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
        self.lock(|recorded| std::mem::replace(&mut recorded.trace, Trace::new(self.epoch)))
    }

    /// Reads the trace so far.
    pub fn read<T>(&self, look: impl FnOnce(&Trace) -> T) -> T {
        self.lock(|recorded| look(&recorded.trace))
    }

    fn lock<T>(&self, change: impl FnOnce(&mut Recorded) -> T) -> T {
        change(&mut self.recorded.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Recorder {
    fn observe(&self, party: &str, observation: Observation) {
        self.record(party, What::Observation(observation));
    }
}
