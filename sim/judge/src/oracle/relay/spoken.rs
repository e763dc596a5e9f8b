//! The frames that wrappers sent in a session, those of imported executions included.
//!
//! This module judges nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::oracle::history::{SessionHistory, WrapperFrame, is_reserved};

/// Frames with deeper data may be refused (R1.14), so they are not required.
const SAFE_DEPTH: usize = 100;

/// What wrappers sent.
#[derive(Default)]
pub(super) struct Spoken<'a> {
    /// The connections, in order of opening.
    pub sockets: Vec<Socket<'a>>,
    /// The number of frames whose content the trace does not show.
    pub unread: usize,
    /// The times at which each content was sent, by its number.
    times: BTreeMap<usize, Vec<Duration>>,
}

/// A connection of a wrapper.
pub(super) struct Socket<'a> {
    /// The host that it was opened from.
    pub host: &'a str,
    /// Time of opening.
    pub opened_at: Duration,
    /// Time at which the wrapper noticed its end.
    pub closed_at: Option<Duration>,
    /// Those of its frames that a server relays under a current fence, in order of sending.
    relayable: Vec<&'a WrapperFrame>,
}

impl<'a> Spoken<'a> {
    pub fn of(session: &SessionHistory<'a>) -> Self {
        let run = session.run;
        let mut spoken = Self::default();
        for ingest in session.ingests() {
            let span = (ingest.opened_at, ingest.closed_at);
            let frames = session.frames_on(ingest).map(|(_, frame)| frame);
            spoken.hear(&ingest.host, span, frames);
        }
        for (place, ingest) in run.imported_ingests.iter().enumerate() {
            if *ingest.session == *session.id {
                let span = (ingest.opened_at, ingest.closed_at);
                let frames = run.imported_frames.iter();
                spoken.hear(&ingest.host, span, frames.filter(|frame| frame.ingest == place));
            }
        }
        spoken
    }

    /// Adds a connection, which was open for `span`, and its frames.
    fn hear(
        &mut self,
        host: &'a str,
        (opened_at, closed_at): (Duration, Option<Duration>),
        frames: impl Iterator<Item = &'a WrapperFrame>,
    ) {
        let mut relayable = Vec::new();
        for frame in frames {
            if frame.name.is_empty() {
                self.unread += 1;
                continue;
            }
            self.times.entry(frame.content).or_default().push(frame.at);
            if is_relayable(frame) {
                relayable.push(frame);
            }
        }
        self.sockets.push(Socket {
            host,
            opened_at,
            closed_at,
            relayable,
        });
    }

    /// How often a content was sent up to that time, by its number.
    pub fn times(&self, content: usize, until: Duration) -> usize {
        let times = self.times.get(&content).into_iter().flatten();
        times.filter(|at| **at <= until).count()
    }
}

impl<'a> Socket<'a> {
    /// The frames since `since` that a server relays under a current fence.
    pub fn relayable_since(&self, since: Duration) -> impl Iterator<Item = &'a WrapperFrame> {
        let frames = self.relayable.iter().copied();
        frames.filter(move |frame| frame.at >= since)
    }
}

/// Whether a frame is valid and has no name of the server (R5.83).
fn is_relayable(frame: &WrapperFrame) -> bool {
    !is_reserved(&frame.name) && is_flat(&frame.data, SAFE_DEPTH)
}

/// Whether a value has at most that number of levels.
fn is_flat(value: &Value, levels: usize) -> bool {
    match (value, levels.checked_sub(1)) {
        (Value::Array(values), Some(levels)) => values.iter().all(|value| is_flat(value, levels)),
        (Value::Object(fields), Some(levels)) => fields.values().all(|value| is_flat(value, levels)),
        (Value::Array(_) | Value::Object(_), None) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn depth_counts_levels() {
        assert!(is_flat(&json!([{"a": 1}]), 2));
        assert!(!is_flat(&json!([{"a": []}]), 2));
    }
}
