//! Which stream of the harness is the log of a session.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{History, LogUnread, SeenEvent, Stream};

/// Notes the logs in a history. `readings` has the harness's last reading of each session's log, as an index of a stream;
/// `None` if it was refused.
pub(super) fn note(history: &mut History, readings: BTreeMap<Arc<str>, Option<usize>>) {
    for (session, reading) in readings {
        let log = reading
            .filter(|place| is_whole(history, &history.streams[*place]))
            .map(|place| last_versions(history, place));
        let log = match (log, reading) {
            (Some(log), _) => Some(Ok(log)),
            (None, None) => Some(Err(LogUnread)),
            (None, Some(place)) if history.streams[place].closed_at.is_none() => Some(Err(LogUnread)),
            // It was a live stream of the observer, which another stream continued.
            (None, Some(_)) => None,
        };
        if let Some(notes) = history.sessions.get_mut(&session) {
            notes.log = log;
        }
    }
}

/// The last version of every kept event of a stream, in order of id.
fn last_versions(history: &History, stream: usize) -> Vec<usize> {
    let mut last_versions = BTreeMap::new();
    for place in &history.streams[stream].events {
        let id = history.seen[*place].event.id;
        if id > 0 {
            last_versions.insert(id, *place);
        }
    }
    last_versions.into_values().collect()
}

/// Whether a stream from the beginning contains all kept events of its session.
fn is_whole(history: &History, stream: &Stream) -> bool {
    let is_later = |seen: &SeenEvent| {
        stream.closed_at.is_some_and(|closed_at| seen.seen_at > closed_at)
            && seen.event.id > 0
            && seen.event.session == stream.session
    };
    stream.connected_at.is_some() && (stream.closed_at.is_none() || !history.seen.iter().rev().any(is_later))
}
