//! Messages are delivered in the order in which they were admitted (protocol §4): the head blocks the
//! queue, and nothing overtakes it.

use std::collections::BTreeSet;

use super::history::History;
use super::{Broken, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "first-in-first-out",
    rule: "No message reaches the wrapper before one that was queued earlier was sent or has ended.",
    check,
};

fn check(history: &History) -> Vec<Broken> {
    let events = history.kept_events();
    let order: Vec<&str> = events
        .iter()
        .filter(|event| event.name == "cloud.message.queued")
        .filter_map(|event| event.message())
        .collect();
    // A message is out of the way when the wrapper has said that it took it, or when it has ended.
    let ended_at = |message: &str| {
        events
            .iter()
            .find(|event| event.is_end() && event.message() == Some(message))
            .map(|event| event.at)
    };
    let mut broken = Vec::new();
    let mut taken = BTreeSet::new();
    for delivery in &history.deliveries {
        let Some(place) = order.iter().position(|message| *message == delivery.message) else {
            continue;
        };
        let overtaken = order[..place].iter().find(|earlier| {
            !taken.contains(**earlier) && ended_at(earlier).is_none_or(|ended| ended > delivery.at)
        });
        if let Some(overtaken) = overtaken {
            broken.push(Broken::new(
                delivery.at,
                &delivery.message,
                format!("it reached the wrapper while {overtaken}, queued before it, still waited"),
            ));
        }
        if delivery.taken {
            taken.insert(delivery.message.as_str());
        }
    }
    broken
}
