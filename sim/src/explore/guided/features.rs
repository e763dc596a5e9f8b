//! Features of a play: what its trace shows, as small numbers that two plays share if they showed the same.
//!
//! A feature is an event together with the state in which it happened: the states of the messages, the state of the
//! wrapper's link, the faults that are in effect, the length of the queue. Another kind is two events in a row with the
//! time between them. The marks that the server and the fakes hit are features too. Reads raw JSON, as the oracles do,
//! and knows no type of the server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_events::queue::{QueueAnswer, Submission};
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Place};
use turnstile_judge::parties::{GATEWAY, OBSERVER, RECEIVER, is_wrapper};
use turnstile_judge::trace::{Record, Trace, What};

use crate::coverage::Mark;

/// A feature, as a hash.
pub(super) type Feature = u32;

/// Kinds of features, so that different kinds have different hashes.
const EVENT: &str = "event";
const PAIR: &str = "pair";
const MARK: &str = "mark";

/// The limits of the classes of pauses, in milliseconds: around the deadlines of the protocol (§4, §5, §7, §8).
const PAUSES_MS: [u128; 11] = [
    10, 200, 900, 1_900, 4_500, 9_000, 14_000, 29_000, 59_000, 119_000, 299_000,
];
/// The limits of the classes of sizes of callback jobs, in bytes.
const SIZES: [usize; 3] = [2_000, 100_000, 127_000];

/// The features of a trace, of which only the records before `end` count, and of the marks that were hit.
pub(super) fn features(trace: &Trace, end: usize, marks: &BTreeSet<Mark>) -> BTreeSet<Feature> {
    let mut found = BTreeSet::new();
    let mut state = State::default();
    let mut last: Option<(Feature, Duration)> = None;
    for record in trace.records().iter().take(end) {
        let Some(event) = event(record) else { continue };
        state.take(record);
        found.insert(state.digest(event.hash));
        if event.is_common {
            continue;
        }
        if let Some((before, at)) = last {
            let pause = class(record.at.saturating_sub(at).as_millis(), &PAUSES_MS);
            found.insert(Hash::new(PAIR).number(before).number(event.hash).number(pause).0);
        }
        last = Some((event.hash, record.at));
    }
    for mark in marks {
        found.insert(Hash::new(MARK).text(mark.list()).text(mark.text()).0);
    }
    found
}

/// The index of the class of a value, given the limits between classes.
fn class<T: PartialOrd>(value: T, limits: &[T]) -> u32 {
    limits.iter().take_while(|limit| value >= **limit).count() as u32
}

/// An event that features are made of.
struct Event {
    hash: Feature,
    /// Whether it is part of all turns, so that pairs with it show nothing.
    is_common: bool,
}

/// The event of a record; `None` for records that repeat others or that the harness itself causes.
fn event(record: &Record) -> Option<Event> {
    let (hash, is_common) = match &record.what {
        What::World(event) => (world_event(event)?, false),
        What::Queue(submission) => (submitted(submission), false),
        What::Step { .. } => return None,
        What::Observation(observation) => {
            let party = match &*record.party {
                OBSERVER => return shown(observation),
                GATEWAY => GATEWAY,
                RECEIVER => RECEIVER,
                party if is_wrapper(party) => "wrapper",
                party if party.starts_with("ingest:") => "ingest",
                _ => "client",
            };
            return observed(party, observation);
        }
    };
    Some(Event { hash, is_common })
}

/// The event of a frame of the stream that the harness keeps open. Frames that come from the wrapper are left out,
/// because the wrapper's own observations show them.
fn shown(observation: &Observation) -> Option<Event> {
    let Observation::FrameReceived { frame, .. } = observation else {
        return None;
    };
    let name = frame["streamEventType"].as_str()?;
    let data = &frame["data"];
    let hash = Hash::new("shown").text(name);
    let is_common = !name.starts_with("cloud.message.");
    match name {
        "cloud.message.queued" | "cloud.message.sent" => Some(hash),
        "cloud.message.completed" | "cloud.message.failed" => Some(
            hash.value(&data["status"])
                .value(&data["completionSource"])
                .value(&data["accepted"])
                .value(&data["reason"]),
        ),
        "cloud.status" => Some(hash.value(&data["cloudStatus"]["type"])),
        "error" => Some(hash.value(&data["code"])),
        _ => None,
    }
    .map(|hash| Event {
        hash: hash.0,
        is_common,
    })
}

/// The event of an observation of a party other than the harness itself.
fn observed(party: &str, observation: &Observation) -> Option<Event> {
    let hash = Hash::new(party);
    let (hash, is_common) = match observation {
        Observation::RequestSent { path, .. } => (hash.text("asks").text(last_part(path)), party != "client"),
        Observation::ReplyReceived { status, .. } => {
            (hash.text("answered").number(u32::from(*status)), *status == 200)
        }
        Observation::NoReply { .. } => (hash.text("unanswered"), false),
        Observation::RequestReceived { path, .. } => {
            (hash.text("asked").text(last_part(path)), party == GATEWAY)
        }
        Observation::ReplySent { status, .. } => {
            (hash.text("answers").number(u32::from(*status)), *status == 200)
        }
        Observation::ChunkSent { .. } => return None,
        Observation::PeerGone { .. } => (hash.text("peer gone"), false),
        Observation::SocketOpened { path, .. } => (hash.text("opens").text(last_part(path)), false),
        Observation::SocketRefused { status, .. } => {
            (hash.text("refused").number(u32::from(status.unwrap_or(0))), false)
        }
        Observation::FrameSent { frame, .. } => {
            let is_common = frame["streamEventType"] == "kilocode";
            (frame_hash(hash.text("says"), frame), is_common)
        }
        // What clients are shown, the harness's own stream shows too.
        Observation::FrameReceived { .. } if party == "client" => return None,
        Observation::FrameReceived { frame, .. } => (hash.text("receives").value(&frame["type"]), false),
        Observation::SocketClosed { code, by, .. } => {
            let by = match by {
                ClosedBy::Itself => "itself",
                ClosedBy::Peer => "peer",
                ClosedBy::Lost => "lost",
            };
            (
                hash.text("closed").number(u32::from(code.unwrap_or(0))).text(by),
                false,
            )
        }
    };
    Some(Event {
        hash: hash.0,
        is_common,
    })
}

/// Adds what distinguishes the frames of a wrapper.
fn frame_hash(hash: Hash, frame: &Value) -> Hash {
    let data = &frame["data"];
    hash.value(&frame["streamEventType"])
        .value(&data["event"])
        .value(&data["status"]["type"])
        .value(&data["gateResult"])
        .value(&data["fatal"])
        .value(&data["properties"]["info"]["role"])
}

fn submitted(submission: &Submission) -> Feature {
    let answer = match submission.answer {
        QueueAnswer::Accepted => "accepted",
        QueueAnswer::Refused => "refused",
        QueueAnswer::TooLarge => "too large",
    };
    let hash = Hash::new("submitted")
        .text(answer)
        .value(&submission.body["status"]);
    hash.number(class(submission.bytes, &SIZES)).0
}

fn world_event(event: &WorldEvent) -> Option<Feature> {
    let hash = match event {
        WorldEvent::Began {
            fault, connections, ..
        } => {
            let hash = fault_hash(Hash::new("began"), fault);
            hash.number(u32::from(connections.is_some_and(|connections| connections > 0)))
        }
        WorldEvent::Ended { place } => place_hash(Hash::new("ended"), place)?,
    };
    Some(hash.0)
}

fn fault_hash(hash: Hash, fault: &Fault) -> Hash {
    let hash = hash.text(fault.kind().name());
    match fault {
        Fault::Link { .. } | Fault::Connections { .. } => {
            let ends = fault.ends().unwrap_or_default();
            hash.text(ends[0]).text(ends[1])
        }
        Fault::Host { host, power_loss, at } => {
            let hash = hash.text(host).number(u32::from(*power_loss));
            hash.number(u32::from(at.is_some()))
        }
        Fault::Wrapper(behaviour) => {
            // The names of what it does, without the values.
            let behaviour = serde_json::to_value(behaviour).unwrap_or_default();
            let names = behaviour.as_object().into_iter().flatten();
            names.fold(hash, |hash, (name, _)| hash.text(name))
        }
        _ => hash,
    }
}

fn place_hash(hash: Hash, place: &Place) -> Option<Hash> {
    match place {
        Place::Host(host) => Some(hash.text("host").text(host)),
        Place::Link(link) => Some(hash.text("link").text(&link.from).text(&link.to)),
        _ => None,
    }
}

/// The last part of a path, without the query.
fn last_part(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

/// The state of a run as far as the trace shows it.
#[derive(Default)]
struct State {
    /// Whether each message that has not ended was accepted.
    messages: BTreeMap<String, bool>,
    /// Open ingest sockets of wrappers.
    sockets: BTreeSet<(String, u64)>,
    /// Faulty places of the network, and hosts that are down.
    faulty: BTreeSet<String>,
    down: BTreeSet<String>,
    /// Whether a ping has no pong.
    is_pinged: bool,
    /// What a wrapper last said of its work.
    work: Work,
    /// Callback jobs that the queue has taken and the receiver has not.
    jobs: u32,
    is_queue_refusing: bool,
}

/// What a wrapper last said of its work.
#[derive(Default, Clone, Copy)]
enum Work {
    #[default]
    None,
    Busy,
    Idle,
    Complete,
}

impl State {
    fn take(&mut self, record: &Record) {
        match &record.what {
            What::World(event) => self.take_world_event(event),
            What::Queue(submission) => {
                let is_accepted = submission.answer == QueueAnswer::Accepted;
                self.is_queue_refusing = !is_accepted;
                self.jobs += u32::from(is_accepted);
            }
            What::Observation(observation) if *record.party == *OBSERVER => self.take_shown(observation),
            What::Observation(observation) if is_wrapper(&record.party) => {
                self.take_of_wrapper(&record.party, observation);
            }
            What::Observation(Observation::ReplySent { status: 200, .. }) if *record.party == *RECEIVER => {
                self.jobs = self.jobs.saturating_sub(1);
            }
            What::Observation(_) | What::Step { .. } => {}
        }
    }

    fn take_world_event(&mut self, event: &WorldEvent) {
        match event {
            WorldEvent::Began { fault, .. } => match (fault, fault.ends()) {
                (Fault::Link { .. }, Some([one, other])) => {
                    self.faulty.insert(format!("{one} {other}"));
                }
                (Fault::Host { host, at: None, .. }, _) => {
                    self.down.insert(host.clone());
                }
                _ => {}
            },
            WorldEvent::Ended { place } => match place {
                Place::Host(host) => {
                    self.down.remove(host);
                }
                Place::Link(link) => {
                    self.faulty.remove(&format!("{} {}", link.from, link.to));
                }
                Place::EveryLink => self.faulty.clear(),
                _ => {}
            },
        }
    }

    fn take_shown(&mut self, observation: &Observation) {
        let Observation::FrameReceived { frame, .. } = observation else {
            return;
        };
        let (Some(name), Some(message)) = (
            frame["streamEventType"].as_str(),
            frame["data"]["messageId"].as_str(),
        ) else {
            return;
        };
        match name {
            "cloud.message.queued" => {
                self.messages.entry(message.to_owned()).or_insert(false);
            }
            "cloud.message.sent" => {
                self.messages.insert(message.to_owned(), true);
            }
            "cloud.message.completed" | "cloud.message.failed" => {
                self.messages.remove(message);
            }
            _ => {}
        }
    }

    fn take_of_wrapper(&mut self, party: &str, observation: &Observation) {
        match observation {
            Observation::SocketOpened { socket, .. } => {
                self.sockets.insert((party.to_owned(), *socket));
            }
            Observation::SocketClosed { socket, .. } => {
                self.sockets.remove(&(party.to_owned(), *socket));
            }
            Observation::FrameReceived { frame, .. } if frame["type"] == "ping" => self.is_pinged = true,
            Observation::FrameSent { frame, .. } => {
                let data = &frame["data"];
                match frame["streamEventType"].as_str() {
                    Some("pong") => self.is_pinged = false,
                    Some("complete") => self.work = Work::Complete,
                    Some("kilocode") if data["event"] == "session.idle" => self.work = Work::Idle,
                    Some("kilocode") if data["status"]["type"] == "busy" => self.work = Work::Busy,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The feature of an event in this state.
    fn digest(&self, event: Feature) -> Feature {
        let accepted = self.messages.values().filter(|accepted| **accepted).count();
        let queued = self.messages.len() - accepted;
        let is_at_wrapper = |place: &String| place.contains("wrapper");
        Hash::new(EVENT)
            .number(event)
            .number(accepted.min(2) as u32)
            .number(queued.min(3) as u32)
            .number(self.sockets.len().min(2) as u32)
            .number(u32::from(self.faulty.iter().any(is_at_wrapper)))
            .number(u32::from(self.down.iter().any(is_at_wrapper)))
            .number(u32::from(self.is_pinged))
            .number(self.work as u32)
            .number(self.jobs.min(2))
            .number(u32::from(self.is_queue_refusing))
            .0
    }
}

/// An FNV-1a hash: the same in every process and on every machine, as results are merged.
#[derive(Clone, Copy)]
struct Hash(u32);

impl Hash {
    const BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;

    fn new(kind: &str) -> Self {
        Self(Self::BASIS).text(kind)
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        let add = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(Self::PRIME);
        Self(bytes.iter().fold(self.0, add))
    }

    /// Adds a text, with an end that no text contains.
    fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes()).bytes(&[0xff])
    }

    fn number(self, number: u32) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// Adds a value that is a short word; others count as their kind only.
    fn value(self, value: &Value) -> Self {
        match value {
            Value::Null => self.number(0),
            Value::Bool(is_true) => self.number(1 + u32::from(*is_true)),
            Value::String(text) if text.len() <= 40 => self.text(text),
            _ => self.number(3),
        }
    }
}
