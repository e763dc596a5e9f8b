//! Counts events that a client has received, for waits.

use serde_json::Value;
use turnstile_events::observation::Observation;
use turnstile_judge::trace::{Record, Trace, What};

/// Whether the data of an event matches.
pub(super) type DataMatcher = Box<dyn Fn(&Value) -> bool>;

/// The events of a client's streams that have a name and match a pattern. Reads each record once.
pub(super) struct EventCount {
    party: String,
    /// A stream event type or the name of a kilo event; any if absent.
    event: Option<String>,
    /// Whether the data of an event matches; any if absent.
    matches: Option<DataMatcher>,
    read: usize,
    count: u32,
}

impl EventCount {
    pub fn new(party: &str, event: Option<String>, matches: Option<DataMatcher>) -> Self {
        Self {
            party: party.to_owned(),
            event,
            matches,
            read: 0,
            count: 0,
        }
    }

    /// Number of such events in the trace.
    pub fn count(&mut self, trace: &Trace) -> u32 {
        let new = &trace.records()[self.read..];
        self.read += new.len();
        let found = new.iter().filter(|record| self.is_one(record)).count();
        self.count += u32::try_from(found).unwrap_or(u32::MAX);
        self.count
    }

    fn is_one(&self, record: &Record) -> bool {
        let What::Observation(Observation::FrameReceived { frame, .. }) = &record.what else {
            return false;
        };
        let (name, data) = (&frame["streamEventType"], &frame["data"]);
        let is_named = self
            .event
            .as_deref()
            .is_none_or(|event| *name == event || data["event"] == event);
        *record.party == *self.party && is_named && self.matches.as_ref().is_none_or(|matches| matches(data))
    }
}
