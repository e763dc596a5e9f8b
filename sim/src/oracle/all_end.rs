//! Every message that a client was told is admitted comes to an end (protocol §3, §6), once everything
//! that was broken works again and time has passed.

use std::collections::BTreeSet;

use super::history::{History, StreamEvent};
use super::{Broken, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "every-acked-message-ends",
    rule: "Every message that was acknowledged has ended when the run is over.",
    check,
};

fn check(history: &History) -> Vec<Broken> {
    let events = history.kept_events();
    let ended: BTreeSet<&str> = events
        .iter()
        .filter(|event| event.is_end())
        .filter_map(|event| event.message())
        .collect();
    let acked = history.acked().into_keys();
    acked
        .filter(|message| !ended.contains(message))
        .map(|message| {
            let last = events.iter().rev().find(|event| event.message() == Some(message));
            let last = last.map_or("nothing was ever told of it".to_owned(), |event| {
                last_words(event)
            });
            Broken::new(history.end, message, format!("it has not ended; {last}"))
        })
        .collect()
}

fn last_words(event: &StreamEvent) -> String {
    format!(
        "the last that was told of it is event {} ({})",
        event.id, event.name
    )
}
