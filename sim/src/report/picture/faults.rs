//! What was broken, from when to when.
//!
//! Faults of links, machines and disks are told by the world as they begin and end. Orders to the callback
//! queue and to the wrapper leave no trace of their own: they are read off the script's steps.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use turnstile_events::world::WorldEvent;
use turnstile_fault::Link;
use turnstile_judge::parties::{SERVER, WRAPPER};
use turnstile_judge::trace::{Trace, What};
use turnstile_scenarios::Lapse;

use super::{Lanes, microseconds, words};

/// The word of an order that ends an order.
const WORKS: &str = "works";

/// Something that was broken for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::report) struct Fault {
    /// What it was, in a few words.
    pub text: String,
    /// What kind of fault it was: faults of one kind look alike.
    pub kind: FaultKind,
    /// Where.
    pub place: Place,
    /// The record that it began with.
    pub begins: usize,
    /// The record that it ended with; none if it ended by itself, or never did.
    pub ends: Option<usize>,
    /// When it ended, in microseconds since the beginning of the run; none if it never did.
    pub ends_at_us: Option<u64>,
}

/// Where something is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) enum Place {
    /// On the way from one lane to another, and back unless it is one way only.
    Between {
        /// The sender, if it is one way only.
        from: usize,
        /// The other end.
        to: usize,
        /// Whether the way back works.
        one_way: bool,
    },
    /// At a party.
    At {
        /// Its lane.
        lane: usize,
    },
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) enum FaultKind {
    /// What is sent is held back.
    Cut,
    /// What is sent is lost.
    BlackHole,
    /// What is sent arrives later.
    Delay,
    /// A machine is down.
    Down,
    /// A disk does not take what is written.
    Disk,
    /// The callback queue does not do what it should.
    Queue,
    /// The wrapper does not do what it should.
    Wrapper,
}

/// Everything that was broken in a trace, in order of beginning.
pub(super) fn of(trace: &Trace, lanes: &Lanes) -> Vec<Fault> {
    let mut book = Book {
        lanes,
        faults: Vec::new(),
        open: Vec::new(),
    };
    for (record, seen) in trace.records().iter().enumerate() {
        book.run_out(seen.at);
        match &seen.what {
            What::World(event) => book.take(record, seen.at, event),
            What::Step { line: 0, .. } => book.settle(record, seen.at),
            What::Step { step, .. } => book.order(record, seen.at, step),
            What::Observation(_) => {}
        }
    }
    book.run_out(Duration::MAX);
    book.faults
}

struct Book<'a> {
    lanes: &'a Lanes,
    faults: Vec<Fault>,
    open: Vec<Open>,
}

/// Something that is still broken.
struct Open {
    /// Its place among the faults.
    fault: usize,
    what: Broken,
    /// When it ends by itself.
    runs_out: Option<Duration>,
}

/// What is broken, as far as it matters for what ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Broken {
    /// One or both directions of a link: a blockade, or a delay.
    Link {
        link: Link,
        kind: FaultKind,
    },
    Machine(String),
    Disk(String),
    Order(FaultKind),
}

impl Book<'_> {
    fn take(&mut self, record: usize, at: Duration, event: &WorldEvent) {
        match event {
            WorldEvent::Cut { link } => self.strike(record, at, link, FaultKind::Cut, "cut".to_owned()),
            WorldEvent::BlackHoled { link } => {
                self.strike(record, at, link, FaultKind::BlackHole, "black hole".to_owned());
            }
            WorldEvent::Delayed { link, extra } => {
                let text = format!("delay {}", Lapse::from(*extra));
                self.strike(record, at, link, FaultKind::Delay, text);
            }
            WorldEvent::Healed { link } => self.heal(record, at, link, |_| true),
            WorldEvent::HealedEverything => {
                self.end(record, at, |what| matches!(what, Broken::Link { .. }));
            }
            WorldEvent::Crashed { host, silently, .. } => {
                let text = if *silently { "no power" } else { "down" };
                self.begin_at(record, host, FaultKind::Down, text, Broken::Machine(host.clone()));
            }
            WorldEvent::Restarted { host } => {
                self.end(record, at, |what| *what == Broken::Machine(host.clone()));
            }
            WorldEvent::DiskFailed { host, fault } => {
                let disk = Broken::Disk(host.clone());
                self.end(record, at, |what| *what == disk);
                self.begin_at(record, host, FaultKind::Disk, words::disk_fault(*fault), disk);
            }
            WorldEvent::DiskHealed { host } => {
                self.end(record, at, |what| *what == Broken::Disk(host.clone()));
            }
            WorldEvent::Reset { .. } | WorldEvent::Finished { .. } | WorldEvent::Silenced { .. } => {}
        }
    }

    /// A link is struck. A blockade takes the place of another one; a delay that of another delay.
    fn strike(&mut self, record: usize, at: Duration, link: &Link, kind: FaultKind, text: String) {
        let is_delay = kind == FaultKind::Delay;
        self.heal(record, at, link, |kind| (kind == FaultKind::Delay) == is_delay);
        self.begin_on(record, link, kind, text);
    }

    fn begin_on(&mut self, record: usize, link: &Link, kind: FaultKind, text: String) {
        let (Some(from), Some(to)) = (self.lanes.find(&link.from), self.lanes.find(&link.to)) else {
            return;
        };
        let one_way = link.one_way;
        let place = Place::Between { from, to, one_way };
        let link = link.clone();
        self.begin(record, kind, text, place, Broken::Link { link, kind });
    }

    fn begin_at(&mut self, record: usize, host: &str, kind: FaultKind, text: &str, what: Broken) {
        if let Some(lane) = self.lanes.find(host) {
            self.begin(record, kind, text.to_owned(), Place::At { lane }, what);
        }
    }

    fn begin(&mut self, record: usize, kind: FaultKind, text: String, place: Place, what: Broken) {
        self.open.push(Open {
            fault: self.faults.len(),
            what,
            runs_out: None,
        });
        self.faults.push(Fault {
            text,
            kind,
            place,
            begins: record,
            ends: None,
            ends_at_us: None,
        });
    }

    /// Ends faults of these kinds in the directions that `healed` has. Where one direction of two goes on, a
    /// fault of its own goes on for it.
    fn heal(&mut self, record: usize, at: Duration, healed: &Link, is_meant: impl Fn(FaultKind) -> bool) {
        let mut rest = Vec::new();
        for open in &self.open {
            let Broken::Link { link, kind } = &open.what else {
                continue;
            };
            if !is_meant(*kind) {
                continue;
            }
            let left: Vec<Link> = directions(link)
                .into_iter()
                .filter(|direction| !directions(healed).contains(direction))
                .collect();
            if let [left] = &left[..]
                && !link.one_way
            {
                rest.push((left.clone(), *kind, self.faults[open.fault].text.clone()));
            }
        }
        self.end(record, at, |what| {
            let Broken::Link { link, kind } = what else {
                return false;
            };
            is_meant(*kind)
                && directions(link)
                    .iter()
                    .any(|direction| directions(healed).contains(direction))
        });
        for (link, kind, text) in rest {
            self.begin_on(record, &link, kind, text);
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

    /// Ends what has run out by `now`.
    fn run_out(&mut self, now: Duration) {
        let faults = &mut self.faults;
        self.open.retain(|open| match open.runs_out {
            Some(end) if end <= now => {
                faults[open.fault].ends_at_us = Some(microseconds(end));
                false
            }
            _ => true,
        });
    }

    /// A step orders the queue or the wrapper to behave somehow, from now on or for a while.
    fn order(&mut self, record: usize, at: Duration, step: &str) {
        let Ok(Value::Object(step)) = serde_json::from_str(step) else {
            return;
        };
        for (name, host, kind) in [
            ("queue", SERVER, FaultKind::Queue),
            ("wrapper", WRAPPER, FaultKind::Wrapper),
        ] {
            let Some(order) = step.get(name) else { continue };
            let what = Broken::Order(kind);
            self.end(record, at, |open| *open == what);
            let behaviour = order.get("is").unwrap_or(order);
            let text = match behaviour {
                Value::String(word) if word == WORKS => continue,
                Value::String(word) => format!("{name} {}", word.replace('-', " ")),
                Value::Object(words) if words.is_empty() => continue,
                Value::Object(words) => {
                    let words: Vec<String> = words.keys().map(|word| word.replace('-', " ")).collect();
                    words.join(", ")
                }
                _ => continue,
            };
            self.begin_at(record, host, kind, &text, what.clone());
            let lasts: Option<Lapse> = order.get("for").and_then(|lapse| lapse.as_str()?.parse().ok());
            if let (Some(lasts), Some(open)) = (lasts, self.open.last_mut())
                && open.what == what
            {
                open.runs_out = Some(at + *lasts);
            }
        }
    }

    /// All orders are withdrawn when the steps are over.
    fn settle(&mut self, record: usize, at: Duration) {
        self.end(record, at, |what| matches!(what, Broken::Order(_)));
    }
}

/// The directions of a link, each a link of one way.
fn directions(link: &Link) -> Vec<Link> {
    let mut directions = vec![Link::one_way(&link.from, &link.to)];
    if !link.one_way {
        directions.push(Link::one_way(&link.to, &link.from));
    }
    directions
}
