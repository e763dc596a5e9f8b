//! Selects the events that get a line of a sequence, with their importance.
//!
//! Events that other clients get again, heartbeats and chunks of replies get none.

use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Place as Healed};
use turnstile_judge::parties::{GATEWAY, OBSERVER, RECEIVER, SERVER, WRAPPER};
use turnstile_judge::trace::What;
use turnstile_scenarios::Moment;

use super::{Look, Shape, Weight};
use crate::report::picture::{
    Arrow, ArrowKind, Event, EventKind, Fate, Message, Picture, Place, affected, words,
};

/// Lines for the states of messages that this record shows first.
pub(super) fn moments(picture: &Picture, record: usize) -> Vec<(Weight, Shape, String)> {
    let Some(server) = picture.lanes.find(SERVER) else {
        return Vec::new();
    };
    // The line of an acknowledgement already contains `queued`.
    let is_stream = matches!(
        picture.events[record].record.what,
        What::Observation(Observation::FrameReceived { .. })
    );
    let reached = |message: &Message| {
        let (moment, _) = message.moments.iter().find(|(_, first)| *first == record)?;
        let weight = if *moment == Moment::Queued {
            Weight::Medium
        } else {
            Weight::High
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

/// The line of a record, if it gets one.
pub(super) fn essential(picture: &Picture, event: &Event) -> Option<(Weight, Shape, String)> {
    let words = || event.headline.clone();
    match (&event.record.what, &event.arrow) {
        (What::World(event), _) => {
            let (from, to) = place_of(picture, event)?;
            Some((Weight::High, Shape::Note(from, to), words()))
        }
        (What::Step { step, .. }, _) => order(picture, step).map(|place| (Weight::High, place, words())),
        (What::Observation(observation), Some(arrow)) => {
            let weight = weight(observation, &event.record.party, picture, arrow)?;
            let shape = Shape::Arrow(arrow.from, look_of(arrow, event.kind), arrow.to);
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
                Weight::High,
                Shape::Note(lane, lane),
                format!("no answer: {error}"),
            ))
        }
        (
            What::Observation(Observation::SocketClosed {
                by: ClosedBy::Lost, ..
            }),
            None,
        ) if &*event.record.party != OBSERVER => {
            let lane = event.lane?;
            Some((Weight::Medium, Shape::Note(lane, lane), words()))
        }
        (What::Observation(_), None) | (What::Queue(_), _) => None,
    }
}

/// The importance of a communication; `None` if it gets no line.
fn weight(observation: &Observation, party: &str, picture: &Picture, arrow: &Arrow) -> Option<Weight> {
    let is_between = |one: &str, other: &str| {
        let ends = [picture.lanes.find(one), picture.lanes.find(other)];
        ends.contains(&Some(arrow.from)) && ends.contains(&Some(arrow.to))
    };
    let refusal = |status: &u16, otherwise| {
        if words::is_refusal(*status) {
            Weight::Medium
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
            path.ends_with("/chat/completions").then_some(Weight::Low)
        }
        Observation::ReplySent { status, .. } | Observation::ReplyReceived { status, .. }
            if is_between(WRAPPER, GATEWAY) =>
        {
            words::is_refusal(*status).then_some(Weight::Medium)
        }
        Observation::RequestReceived { .. } if party == RECEIVER => Some(Weight::High),
        Observation::ReplySent { status, .. } if party == RECEIVER => Some(refusal(status, Weight::Low)),
        Observation::RequestReceived { .. } | Observation::SocketRefused { .. } => Some(Weight::Medium),
        Observation::ReplySent { status, .. } => Some(refusal(status, Weight::Low)),
        Observation::RequestSent { .. } | Observation::ReplyReceived { .. } => Some(Weight::High),
        Observation::SocketOpened { .. } => Some(Weight::Low),
        Observation::SocketClosed { code, .. } => Some(match code {
            Some(1000) => Weight::Low,
            _ => Weight::Medium,
        }),
        Observation::FrameSent { frame, .. } => match frame["streamEventType"].as_str()? {
            "complete" => Some(Weight::Low),
            "interrupted" | "error" | "wrapper_resumed" => Some(Weight::Medium),
            _ => None,
        },
        Observation::FrameReceived { frame, .. } => (frame["type"] == "kill").then_some(Weight::Medium),
        Observation::NoReply { .. } | Observation::ChunkSent { .. } | Observation::PeerGone { .. } => None,
    }
}

pub(super) fn look_of(arrow: &Arrow, kind: EventKind) -> Look {
    let is_trouble =
        arrow.fate == Fate::Lost || (kind == EventKind::Trouble && arrow.kind == ArrowKind::Open);
    match (arrow.kind, is_trouble) {
        (ArrowKind::Request | ArrowKind::Open, true) => Look::LostRequest,
        (_, true) => Look::Lost,
        (ArrowKind::Request | ArrowKind::Open, false) => Look::Request,
        (ArrowKind::Reply | ArrowKind::Close, false) => Look::Reply,
        (ArrowKind::Frame | ArrowKind::Chunk, false) => Look::Frame,
    }
}

/// The lanes of a fault or its end; `None` if it changed nothing, or if its step is shown.
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
    match affected(event)[..] {
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
                matches!(healing, Some(What::World(healing)) if affected(healing).is_empty())
            };
            let mut ended = faults.filter(|fault| fault.ends.is_some_and(is_it));
            ended.find_map(|fault| healed(&fault.place))
        }
    }
}

/// The lane of a step that affects a party without an event of the world.
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

/// A headline without the words that the arrow already shows.
pub(super) fn short(headline: &str) -> &str {
    ["POST /", "GET /", "POST "]
        .into_iter()
        .find_map(|start| headline.strip_prefix(start))
        .unwrap_or(headline)
}
