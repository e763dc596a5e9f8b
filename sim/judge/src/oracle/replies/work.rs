//! The current message work at each moment, by the log (R9.61): the oldest accepted message, else the first pending one.
//!
//! This module judges nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Reply;

/// The current work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work<'a> {
    /// The message.
    pub message: &'a str,
    /// Whether it is accepted. Otherwise it is pending.
    pub is_running: bool,
    /// The time of its acceptance, or of its admission while it is pending.
    pub since: Duration,
}

/// A message that has not ended: its admission and its acceptance.
#[derive(Clone, Copy)]
struct Unfinished {
    /// Its place in the order of admission.
    place: usize,
    queued_at: Duration,
    accepted_at: Option<Duration>,
}

/// The current work at each moment at which a reply may have been decided, in order. Of two messages that were admitted in the
/// same millisecond, the first may be the one that was admitted first (R4.25) or the one whose id comes first (R4.1).
pub(super) fn moments<'a>(reply: &Reply<'_, 'a>) -> Vec<Option<Work<'a>>> {
    let (from, until) = (reply.surely_before(), reply.possibly_until());
    let events: Vec<_> = reply
        .log
        .iter()
        .filter_map(|event| Some((event.message()?, *event)))
        .collect();
    let mut unfinished: BTreeMap<&str, Unfinished> = BTreeMap::new();
    let mut moments = Vec::new();
    for place in 0..=events.len() {
        let next_at = events.get(place).map_or(Duration::MAX, |(_, event)| event.at);
        // The state after the events so far lasts until the next one.
        if next_at >= from {
            let by_admission = current(&unfinished, |_, message| message.place);
            let by_id = current(&unfinished, |id, message| (message.queued_at, id));
            moments.push(by_admission);
            moments.extend((by_id != by_admission).then_some(by_id));
        }
        let Some((message, event)) = events.get(place).filter(|(_, event)| event.at <= until) else {
            break;
        };
        if event.is_queued() {
            unfinished.entry(message).or_insert(Unfinished {
                place,
                queued_at: event.at,
                accepted_at: None,
            });
        } else if event.is_sent() {
            if let Some(message) = unfinished.get_mut(message) {
                message.accepted_at.get_or_insert(event.at);
            }
        } else {
            unfinished.remove(message);
        }
    }
    moments
}

fn current<'a, K: Ord>(
    unfinished: &BTreeMap<&'a str, Unfinished>,
    order: impl Fn(&'a str, &Unfinished) -> K,
) -> Option<Work<'a>> {
    let in_order = |accepted: bool| {
        let of_kind = unfinished
            .iter()
            .filter(move |(_, message)| message.accepted_at.is_some() == accepted);
        of_kind.min_by_key(|(id, message)| order(id, message))
    };
    let (message, state) = in_order(true).or_else(|| in_order(false))?;
    Some(Work {
        message,
        is_running: state.accepted_at.is_some(),
        since: state.accepted_at.unwrap_or(state.queued_at),
    })
}
