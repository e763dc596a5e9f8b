//! The events that a trace shows, by kind: which party sent, received or did what. Reads raw JSON, as the oracles do.

use serde_json::Value;
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_events::queue::{QueueAnswer, Submission};
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Place};
use turnstile_judge::parties::{GATEWAY, OBSERVER, RECEIVER, is_wrapper};
use turnstile_judge::trace::{Record, What};

use super::hash::Hash;

/// The limits of the classes of sizes of callback jobs, in bytes.
const SIZES: [usize; 3] = [2_000, 100_000, 127_000];

/// The index of the class of a value, given the limits between classes.
fn class<T: PartialOrd>(value: T, limits: &[T]) -> u32 {
    limits.iter().take_while(|limit| value >= **limit).count() as u32
}

/// An event that a record shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    /// The hash of its kind.
    pub(crate) hash: u32,
    /// Whether most turns have it, however they go.
    pub(crate) is_common: bool,
}

/// The event of a record; `None` for records that repeat others or that the harness itself causes.
pub(crate) fn event(record: &Record) -> Option<Event> {
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
        hash: hash.finish(),
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
        hash: hash.finish(),
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

fn submitted(submission: &Submission) -> u32 {
    let answer = match submission.answer {
        QueueAnswer::Accepted => "accepted",
        QueueAnswer::Refused => "refused",
        QueueAnswer::TooLarge => "too large",
    };
    let hash = Hash::new("submitted")
        .text(answer)
        .value(&submission.body["status"]);
    hash.number(class(submission.bytes, &SIZES)).finish()
}

fn world_event(event: &WorldEvent) -> Option<u32> {
    let hash = match event {
        WorldEvent::Began {
            fault, connections, ..
        } => {
            let hash = fault_hash(Hash::new("began"), fault);
            hash.number(u32::from(connections.is_some_and(|connections| connections > 0)))
        }
        WorldEvent::Ended { place } => place_hash(Hash::new("ended"), place)?,
    };
    Some(hash.finish())
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
