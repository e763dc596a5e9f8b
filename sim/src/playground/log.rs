//! What happens in a playground: observations of its parties and faults, in order, with the session that they belong to.
//!
//! The page shows the log as it grows. A trace of one session is a recording that can be judged and made a script.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_events::observation::{Observation, Observer, Probe};
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Place};
use turnstile_judge::parties::{GATEWAY, RECEIVER, SERVER};
use turnstile_judge::trace::{Record, Trace, WORLD, What};
use turnstile_seams::Clock;
use turnstile_seams::latest::{Follower, Latest};

/// The number of entries that are kept.
const MOST_ENTRIES: usize = 100_000;
/// The largest number of entries that are read at once.
const MOST_AT_ONCE: usize = 1_000;
/// Path of the gateway's completions, which tells its host from the server.
const GATEWAY_PATH: &str = "/api/";

/// A log. Clones share it.
#[derive(Clone)]
pub(super) struct Log {
    clock: Arc<dyn Clock>,
    epoch: Timestamp,
    entries: Latest<Entries>,
}

/// The kept entries.
#[derive(Default)]
pub(super) struct Entries {
    /// The number of the oldest kept entry.
    first: u64,
    kept: VecDeque<Entry>,
}

struct Entry {
    /// `None` for what concerns every session.
    session: Option<String>,
    record: Record,
}

impl Log {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            epoch: clock.now(),
            clock,
            entries: Latest::new(Entries::default()),
        }
    }

    /// Adds an entry and returns its number. Times are in whole milliseconds, so that a script with them can be read.
    fn push(&self, session: Option<&str>, party: &str, what: What) -> u64 {
        let now = self.clock.now();
        self.entries.update(|entries| {
            let since = now.duration_since(self.epoch).as_millis();
            let since = Duration::from_millis(since.try_into().unwrap_or_default());
            // The clock of the machine may be set back.
            let last = entries.kept.back().map(|entry| entry.record.at);
            let at = last.map_or(since, |last| last.max(since));
            if entries.kept.len() == MOST_ENTRIES {
                entries.kept.pop_front();
                entries.first += 1;
            }
            entries.kept.push_back(Entry {
                session: session.map(str::to_owned),
                record: Record {
                    at,
                    party: party.into(),
                    what,
                },
            });
            entries.first + entries.kept.len() as u64 - 1
        })
    }

    /// Adds an observation of a party in a session and returns its number.
    pub(super) fn observed(&self, session: Option<&str>, party: &str, observation: Observation) -> u64 {
        self.push(session, party, What::Observation(observation))
    }

    /// Adds the beginning or the end of a fault.
    pub(super) fn world(&self, session: Option<&str>, event: WorldEvent) {
        self.push(session, WORLD, What::World(event));
    }

    /// Adds a fault.
    pub(super) fn fault(&self, session: Option<&str>, fault: &Fault) {
        self.world(session, WorldEvent::of(fault));
    }

    /// Adds an entry to a session that was not known when it was made.
    pub(super) fn assign(&self, number: u64, session: &str) {
        self.entries.update(|entries| {
            let index = number
                .checked_sub(entries.first)
                .and_then(|index| usize::try_from(index).ok());
            if let Some(entry) = index.and_then(|index| entries.kept.get_mut(index)) {
                entry.session = Some(session.to_owned());
            }
        });
    }

    /// A probe of a party that belongs to one session.
    pub(super) fn probe(&self, session: &str, party: &str) -> Probe {
        let log = self.clone();
        let session = session.to_owned();
        Probe::new(party, Arc::new(OfSession { log, session }))
    }

    /// The probe of the receiver, which all sessions share. `print` gets the path and the body of each callback.
    pub(super) fn receiver_probe(&self, print: OnCallback) -> Probe {
        let observer = OfReceiver {
            log: self.clone(),
            print,
            sessions: Mutex::default(),
        };
        Probe::new(RECEIVER, Arc::new(observer))
    }

    /// Follows additions to the log.
    pub(super) fn follow(&self) -> Follower<Entries> {
        self.entries.follow()
    }

    /// Entries from number `from` on as JSON, and the number after the last of them. A number that no entry has had yet is
    /// of an earlier process, so everything is new.
    pub(super) fn since(&self, from: u64) -> (Vec<Value>, u64) {
        self.entries.read(|entries| {
            let end = entries.first + entries.kept.len() as u64;
            let from = if from > end { 0 } else { from }.max(entries.first);
            let skipped = usize::try_from(from - entries.first).unwrap_or(usize::MAX);
            let numbered = (entries.first..).zip(&entries.kept);
            let shown = numbered.skip(skipped).take(MOST_AT_ONCE);
            let shown = shown.map(|(number, entry)| {
                json!({
                    "number": number,
                    "session": entry.session,
                    "text": text_of(&entry.record.what),
                    "record": entry.record,
                })
            });
            let shown: Vec<Value> = shown.collect();
            let next = from + shown.len() as u64;
            (shown, next)
        })
    }

    /// What happened in a session and to all of them.
    pub(super) fn trace_of(&self, session: &str) -> Trace {
        let mut trace = Trace::new(self.epoch);
        self.entries.read(|entries| {
            for entry in &entries.kept {
                if entry.session.as_deref().is_none_or(|of| of == session) {
                    trace.push(entry.record.clone());
                }
            }
        });
        trace
    }

    /// Whether entries were dropped because there were too many.
    pub(super) fn is_complete(&self) -> bool {
        self.entries.read(|entries| entries.first == 0)
    }
}

/// An entry in words.
fn text_of(what: &What) -> String {
    match what {
        What::World(WorldEvent::Began { fault, .. }) => fault.to_string(),
        What::World(WorldEvent::Ended {
            place: Place::Link(link),
        }) => format!("heal {link}"),
        What::World(WorldEvent::Ended {
            place: Place::Host(host),
        }) => format!("{host} restarts"),
        other => other.to_string(),
    }
}

/// Logs what a party of one session observes.
struct OfSession {
    log: Log,
    session: String,
}

impl Observer for OfSession {
    fn observe(&self, party: &str, mut observation: Observation) {
        name_peer(&mut observation);
        self.log.observed(Some(&self.session), party, observation);
    }
}

/// Replaces the loopback address of a party's peer by its name.
fn name_peer(observation: &mut Observation) {
    match observation {
        Observation::RequestSent { to, path, .. } if path.starts_with(GATEWAY_PATH) => {
            GATEWAY.clone_into(to);
        }
        Observation::SocketOpened { to, .. } | Observation::SocketRefused { to, .. } => SERVER.clone_into(to),
        _ => {}
    }
}

/// Gets the path and the body of each callback.
pub type OnCallback = Box<dyn Fn(&str, &Value) + Send + Sync>;

/// Logs what the receiver observes, with the session that the body of a callback names, and prints callbacks.
struct OfReceiver {
    log: Log,
    print: OnCallback,
    /// The sessions of exchanges that are not over.
    sessions: Mutex<BTreeMap<u64, String>>,
}

impl Observer for OfReceiver {
    fn observe(&self, party: &str, observation: Observation) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = match &observation {
            Observation::RequestReceived {
                exchange, path, body, ..
            } => {
                (self.print)(path, body);
                let session = body["cloudAgentSessionId"].as_str().map(str::to_lowercase);
                sessions.extend(session.clone().map(|session| (*exchange, session)));
                session
            }
            Observation::ReplySent { exchange, .. } | Observation::PeerGone { exchange } => {
                sessions.remove(exchange)
            }
            _ => None,
        };
        self.log.observed(session.as_deref(), party, observation);
    }
}
