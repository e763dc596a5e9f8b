//! Faults with their start and end, derived from the events of the world.

use std::time::Duration;

use serde::Serialize;
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, FaultKind, Link, LinkEffect, Place as Healed};
use turnstile_judge::parties::{SERVER, WRAPPER};
use turnstile_judge::trace::{Trace, What};

use super::{Lanes, microseconds};

/// A fault with its duration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::report) struct FaultSpan {
    /// A short description.
    pub text: String,
    /// Its kind. Faults of one kind look the same.
    pub kind: FaultKind,
    /// The affected party or link.
    pub place: Place,
    /// The index of the record of its start.
    pub begins: usize,
    /// The index of the record of its end; `None` if it did not end.
    pub ends: Option<usize>,
    /// The time of its end, in microseconds since the start of the run; `None` if it did not end.
    pub ends_at_us: Option<u64>,
}

/// The place of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) enum Place {
    /// A link between two lanes, in both directions unless it is one way.
    Between {
        /// The sender, if it is one way.
        from: usize,
        /// The other end.
        to: usize,
        /// Whether the other direction works.
        one_way: bool,
    },
    /// A party.
    At {
        /// Its lane.
        lane: usize,
    },
}

/// The faults of a trace, in order of their start.
pub(super) fn of(trace: &Trace, lanes: &Lanes) -> Vec<FaultSpan> {
    let mut spans = Spans {
        lanes,
        faults: Vec::new(),
        open: Vec::new(),
    };
    for (record, seen) in trace.records().iter().enumerate() {
        match &seen.what {
            What::World(event) => spans.take(record, seen.at, event),
            What::Step { .. } | What::Queue(_) | What::Observation(_) => {}
        }
    }
    spans.faults
}

struct Spans<'a> {
    lanes: &'a Lanes,
    faults: Vec<FaultSpan>,
    open: Vec<Open>,
}

/// A fault that has not ended.
struct Open {
    /// Its index among the faults.
    fault: usize,
    what: Broken,
}

/// The identity of a fault for finding its end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Broken {
    /// One or both directions of a link.
    Link { link: Link, effect: LinkEffect },
    /// Any other place.
    Place(Healed),
}

impl Spans<'_> {
    fn take(&mut self, record: usize, at: Duration, event: &WorldEvent) {
        match event {
            WorldEvent::Began { fault, .. } => self.take_fault(record, at, fault),
            WorldEvent::Ended { place } => match place {
                Healed::Link(link) => self.heal(record, at, link, |_| true),
                Healed::EveryLink => self.end(record, at, |what| matches!(what, Broken::Link { .. })),
                other => self.end(record, at, |what| *what == Broken::Place(other.clone())),
            },
            WorldEvent::Stalled { .. } => {}
        }
    }

    fn take_fault(&mut self, record: usize, at: Duration, fault: &Fault) {
        if let Fault::Link { link, effect } = fault {
            self.heal(record, at, link, |earlier| effect.replaces(earlier));
            self.begin_on(record, link, *effect);
            return;
        }
        let host = match fault {
            Fault::Host { host, .. } | Fault::Disk { host, .. } => host,
            Fault::Queue { .. } => SERVER,
            Fault::Wrapper(_) => WRAPPER,
            Fault::Link { .. } | Fault::Connections { .. } | Fault::Clock { .. } | Fault::Receiver { .. } => {
                return;
            }
        };
        if let (Some(lane), Some(place)) = (self.lanes.find(host), fault.place()) {
            let what = Broken::Place(place);
            self.end(record, at, |open| *open == what);
            self.begin(record, fault.kind(), fault.label(), Place::At { lane }, what);
        }
    }

    fn begin_on(&mut self, record: usize, link: &Link, effect: LinkEffect) {
        let (Some(from), Some(to)) = (self.lanes.find(&link.from), self.lanes.find(&link.to)) else {
            return;
        };
        let one_way = link.one_way;
        let place = Place::Between { from, to, one_way };
        let link = link.clone();
        let what = Broken::Link { link, effect };
        self.begin(record, effect.kind(), effect.to_string(), place, what);
    }

    fn begin(&mut self, record: usize, kind: FaultKind, text: String, place: Place, what: Broken) {
        self.open.push(Open {
            fault: self.faults.len(),
            what,
        });
        self.faults.push(FaultSpan {
            text,
            kind,
            place,
            begins: record,
            ends: None,
            ends_at_us: None,
        });
    }

    /// Ends effects in the directions of `healed`. If only one direction of a two-way effect ends, a one-way fault starts
    /// for the other.
    fn heal(&mut self, record: usize, at: Duration, healed: &Link, is_meant: impl Fn(LinkEffect) -> bool) {
        let is_healed = |direction: &(&str, &str)| healed.directions().any(|other| other == *direction);
        let mut rest = Vec::new();
        for open in &self.open {
            let Broken::Link { link, effect } = &open.what else {
                continue;
            };
            let mut left = link.directions().filter(|direction| !is_healed(direction));
            if let (Some((from, to)), None, false) = (left.next(), left.next(), link.one_way)
                && is_meant(*effect)
            {
                rest.push((Link::one_way(from, to), *effect));
            }
        }
        self.end(record, at, |what| match what {
            Broken::Link { link, effect } => {
                is_meant(*effect) && link.directions().any(|direction| is_healed(&direction))
            }
            Broken::Place(_) => false,
        });
        for (link, effect) in rest {
            self.begin_on(record, &link, effect);
        }
    }

    fn end(&mut self, record: usize, at: Duration, is_over: impl Fn(&Broken) -> bool) {
        let faults = &mut self.faults;
        self.open.retain(|open| {
            let over = is_over(&open.what);
            if over {
                let fault = &mut faults[open.fault];
                (fault.ends, fault.ends_at_us) = (Some(record), Some(microseconds(at)));
            }
            !over
        });
    }
}
