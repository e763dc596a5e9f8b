//! What is worth a line of a diagram, and how much is lost without it.
//!
//! What everybody is shown again, heartbeats and pieces of answers are worth none.

use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Place as Healed};
use turnstile_judge::parties::{GATEWAY, OBSERVER, RECEIVER, SERVER, WRAPPER};
use turnstile_judge::trace::What;
use turnstile_scenarios::Moment;

use super::syntax::wrapped;
use super::{Shape, Weight};
use crate::report::picture::{
    Arrow, ArrowKind, Event, EventKind, Fate, Message, Picture, Place, struck, words,
};

/// How far messages got with this record.
pub(super) fn moments(picture: &Picture, record: usize) -> Vec<(Weight, Shape, String)> {
    let Some(server) = picture.lanes.find(SERVER) else {
        return Vec::new();
    };
    // An acknowledgement says itself that the message is queued.
    let is_stream = matches!(
        picture.events[record].record.what,
        What::Observation(Observation::FrameReceived { .. })
    );
    let reached = |message: &Message| {
        let (moment, _) = message.moments.iter().find(|(_, first)| *first == record)?;
        let weight = if *moment == Moment::Queued {
            Weight::Fair
        } else {
            Weight::Much
        };
        Some((
            weight,
            Shape::Note(server, server),
            format!("{} {moment}", message.label),
        ))
    };
    picture
        .messages
        .iter()
        .filter(|_| is_stream)
        .filter_map(reached)
        .collect()
}

/// What is worth a line of a record, if anything is.
pub(super) fn essential(picture: &Picture, event: &Event) -> Option<(Weight, Shape, String)> {
    let words = || event.headline.clone();
    match (&event.record.what, &event.arrow) {
        (What::World(told), _) => {
            let (from, to) = place_of(picture, told)?;
            Some((Weight::Much, Shape::Note(from, to), words()))
        }
        (What::Step { step, .. }, _) => order(picture, step).map(|place| (Weight::Much, place, words())),
        (What::Observation(observation), Some(arrow)) => {
            let weight = weight(observation, &event.record.party, picture, arrow)?;
            let shape = Shape::Arrow(arrow.from, mermaid_arrow(arrow, event.kind), arrow.to);
            let lost = if arrow.fate == Fate::Lost && arrow.kind != ArrowKind::Open {
                " (lost)"
            } else {
                ""
            };
            Some((weight, shape, format!("{}{lost}", short(&event.headline))))
        }
        (What::Observation(Observation::NoReply { error, .. }), None) => {
            let lane = event.lane?;
            Some((
                Weight::Much,
                Shape::Note(lane, lane),
                wrapped(&format!("no answer: {error}")),
            ))
        }
        (
            What::Observation(Observation::SocketClosed {
                by: ClosedBy::Lost, ..
            }),
            None,
        ) if &*event.record.party != OBSERVER => {
            let lane = event.lane?;
            Some((Weight::Fair, Shape::Note(lane, lane), words()))
        }
        (What::Observation(_), None) | (What::Queue(_), _) => None,
    }
}

/// How much what travels matters; none if it never does.
fn weight(observation: &Observation, party: &str, picture: &Picture, arrow: &Arrow) -> Option<Weight> {
    let is_between = |one: &str, other: &str| {
        let ends = [picture.lanes.find(one), picture.lanes.find(other)];
        ends.contains(&Some(arrow.from)) && ends.contains(&Some(arrow.to))
    };
    let refusal = |status: &u16, otherwise| {
        if words::is_refusal(*status) {
            Weight::Fair
        } else {
            otherwise
        }
    };
    if party == OBSERVER {
        return None;
    }
    match observation {
        Observation::RequestSent { path, .. } | Observation::RequestReceived { path, .. }
            if is_between(WRAPPER, GATEWAY) =>
        {
            path.ends_with("/chat/completions").then_some(Weight::Little)
        }
        Observation::ReplySent { status, .. } | Observation::ReplyReceived { status, .. }
            if is_between(WRAPPER, GATEWAY) =>
        {
            words::is_refusal(*status).then_some(Weight::Fair)
        }
        Observation::RequestReceived { .. } if party == RECEIVER => Some(Weight::Much),
        Observation::ReplySent { status, .. } if party == RECEIVER => Some(refusal(status, Weight::Little)),
        Observation::RequestReceived { .. } | Observation::SocketRefused { .. } => Some(Weight::Fair),
        Observation::ReplySent { status, .. } => Some(refusal(status, Weight::Little)),
        Observation::RequestSent { .. } | Observation::ReplyReceived { .. } => Some(Weight::Much),
        Observation::SocketOpened { .. } => Some(Weight::Little),
        Observation::SocketClosed { code, .. } => Some(match code {
            Some(1000) => Weight::Little,
            _ => Weight::Fair,
        }),
        Observation::FrameSent { frame, .. } => match frame["streamEventType"].as_str()? {
            "complete" => Some(Weight::Little),
            "interrupted" | "error" | "wrapper_resumed" => Some(Weight::Fair),
            _ => None,
        },
        Observation::FrameReceived { frame, .. } => (frame["type"] == "kill").then_some(Weight::Fair),
        Observation::NoReply { .. } | Observation::ChunkSent { .. } | Observation::PeerGone { .. } => None,
    }
}

fn mermaid_arrow(arrow: &Arrow, kind: EventKind) -> &'static str {
    let is_trouble =
        arrow.fate == Fate::Lost || (kind == EventKind::Trouble && arrow.kind == ArrowKind::Open);
    match (arrow.kind, is_trouble) {
        (ArrowKind::Request | ArrowKind::Open, true) => "-x",
        (_, true) => "--x",
        (ArrowKind::Request | ArrowKind::Open, false) => "->>",
        (ArrowKind::Reply | ArrowKind::Close, false) => "-->>",
        (ArrowKind::Frame | ArrowKind::Chunk, false) => "-)",
    }
}

/// Where something was done to the world; `None` if it changed nothing there, or if the step itself is shown.
fn place_of(picture: &Picture, event: &WorldEvent) -> Option<(usize, usize)> {
    let lane = |name: &str| picture.lanes.find(name);
    let is_of_party = match event {
        WorldEvent::Began { fault, .. } => {
            matches!(
                fault,
                Fault::Queue { .. } | Fault::Receiver { .. } | Fault::Wrapper(_)
            )
        }
        WorldEvent::Ended { place } => matches!(place, Healed::Queue | Healed::Wrapper),
    };
    if is_of_party {
        return None;
    }
    match struck(event)[..] {
        [one, other] => Some((lane(one)?, lane(other)?)),
        [host] => Some((lane(host)?, lane(host)?)),
        _ => {
            let faults = picture.faults.iter();
            let healed = |place: &Place| match place {
                Place::Between { from, to, .. } => Some((*from, *to)),
                Place::At { .. } => None,
            };
            let is_it = |at: usize| {
                let healing = picture.events.get(at).map(|event| &event.record.what);
                matches!(healing, Some(What::World(healing)) if struck(healing).is_empty())
            };
            let mut ended = faults.filter(|fault| fault.ends.is_some_and(is_it));
            ended.find_map(|fault| healed(&fault.place))
        }
    }
}

/// Where a step's order strikes that the world tells nothing of.
fn order(picture: &Picture, step: &str) -> Option<Shape> {
    let step: serde_json::Value = serde_json::from_str(step).ok()?;
    let (word, _) = step.as_object()?.iter().next()?;
    let party = match word.as_str() {
        "queue" => SERVER,
        "wrapper" => WRAPPER,
        "receiver" => RECEIVER,
        "release" => GATEWAY,
        _ => return None,
    };
    let lane = picture.lanes.find(party)?;
    Some(Shape::Note(lane, lane))
}

/// A headline without the words that the arrow says already.
fn short(headline: &str) -> &str {
    ["POST /", "GET /", "POST "]
        .into_iter()
        .find_map(|start| headline.strip_prefix(start))
        .unwrap_or(headline)
}
