//! What a script can wait for, as far as the record has it: how far messages are, who is parked at the
//! gateway, which callbacks were delivered.
//!
//! It is fed the record bit by bit, so that asking it often costs little.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fake_gateway::observation::Sight;
use serde_json::Value;
use turnstile_scenarios::Moment;

use crate::stage::{GATEWAY, OBSERVER, RECEIVER};
use crate::trace::{Record, Trace, What};

/// How the gateway finds a directive in a prompt (protocol §11).
const GATE_DIRECTIVE: &str = "__fake__:gate:";

/// The record so far, as a script looks at it.
#[derive(Debug, Default)]
pub(super) struct View {
    read: usize,
    moments: BTreeMap<String, BTreeSet<Moment>>,
    /// Requests that were parked under a tag since its last release.
    parked: BTreeMap<String, u32>,
    callbacks: BTreeMap<u64, String>,
    delivered: BTreeMap<String, u32>,
    /// When anything was last seen by anybody but the observer.
    last_seen: Duration,
}

impl View {
    /// Takes in what the trace has that it had not when this was last called.
    pub fn catch_up(&mut self, trace: &Trace) {
        let new = &trace.records()[self.read..];
        self.read += new.len();
        for record in new {
            self.take(record);
        }
    }

    /// Whether the message of that id has been there.
    pub fn has_reached(&self, message: &str, moment: Moment) -> bool {
        self.moments
            .get(message)
            .is_some_and(|moments| moments.contains(&moment))
    }

    /// The last that was heard of a message.
    pub fn last_moment(&self, message: &str) -> Option<Moment> {
        self.moments.get(message)?.last().copied()
    }

    /// Whether anybody is parked under `tag`.
    pub fn is_parked(&self, tag: &str) -> bool {
        self.parked.get(tag).is_some_and(|count| *count > 0)
    }

    /// The tag was released.
    pub fn released(&mut self, tag: &str) {
        self.parked.remove(tag);
    }

    /// How many callbacks for a message were delivered.
    pub fn delivered(&self, message: &str) -> u32 {
        self.delivered.get(message).copied().unwrap_or_default()
    }

    /// When anything was last seen on a wire by anybody but the observer.
    pub fn last_seen(&self) -> Duration {
        self.last_seen
    }

    fn take(&mut self, record: &Record) {
        let What::Sight(sight) = &record.what else { return };
        if *record.party != *OBSERVER {
            self.last_seen = record.at;
        }
        match (&*record.party, sight) {
            (OBSERVER, Sight::FrameReceived { frame, .. }) => self.take_event(frame),
            (GATEWAY, Sight::RequestReceived { body, .. }) => {
                if let Some(tag) = gate_tag(body) {
                    *self.parked.entry(tag.to_owned()).or_default() += 1;
                }
            }
            (RECEIVER, Sight::RequestReceived { exchange, body, .. }) => {
                if let Some(message) = body["messageId"].as_str() {
                    self.callbacks.insert(*exchange, message.to_owned());
                }
            }
            (RECEIVER, Sight::ReplySent { exchange, status, .. }) if (200..300).contains(status) => {
                if let Some(message) = self.callbacks.remove(exchange) {
                    *self.delivered.entry(message).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    fn take_event(&mut self, frame: &Value) {
        if let (Some(moment), Some(message)) = (moment_of(frame), frame["data"]["messageId"].as_str()) {
            self.moments.entry(message.to_owned()).or_default().insert(moment);
        }
    }
}

/// The moment of a message that an event of the stream tells of.
pub(super) fn moment_of(frame: &Value) -> Option<Moment> {
    match frame["streamEventType"]
        .as_str()?
        .strip_prefix("cloud.message.")?
    {
        "queued" => Some(Moment::Queued),
        "sent" => Some(Moment::Sent),
        "completed" => Some(Moment::Completed),
        "failed" if frame["data"]["status"] == "interrupted" => Some(Moment::Interrupted),
        "failed" => Some(Moment::Failed),
        _ => None,
    }
}

/// The tag under which the gateway parks a request, if it does.
fn gate_tag(request: &Value) -> Option<&str> {
    let messages = request["messages"].as_array()?;
    let last = messages.iter().rev().find(|message| message["role"] == "user")?;
    last["content"].as_str()?.strip_prefix(GATE_DIRECTIVE)
}
