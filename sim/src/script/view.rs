//! The state of a run that scripts can wait for: progress of messages, parked requests, delivered callbacks.
//!
//! Reads each record once, so that conditions can be checked often.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use turnstile_events::observation::Observation;
use turnstile_judge::parties::{GATEWAY, OBSERVER, RECEIVER, WRAPPER, is_wrapper};
use turnstile_judge::trace::{Record, Trace, What};
use turnstile_scenarios::Moment;

/// Prefix of a gate directive in a prompt (protocol §11).
const GATE_DIRECTIVE: &str = "__fake__:gate:";

/// State derived from the records so far.
#[derive(Debug, Default)]
pub(super) struct View {
    read: usize,
    moments: BTreeMap<String, BTreeSet<Moment>>,
    /// Number of requests parked under each tag since its last release.
    parked: BTreeMap<String, u32>,
    /// Ids of messages and executions of unanswered callback requests, by exchange.
    callbacks: BTreeMap<u64, BTreeSet<String>>,
    delivered: BTreeMap<String, u32>,
    /// The last binding that the server sent to the wrapper.
    binding: Option<Value>,
    /// Ids of kilo sessions, by session.
    kilo_sessions: BTreeMap<String, String>,
    /// The session of each unanswered preparation, by wrapper and exchange.
    preparations: BTreeMap<(String, u64), String>,
    /// Time of the last observation by any party except the observer.
    last_seen: Duration,
}

impl View {
    /// Reads the records that are new since the last call.
    pub fn catch_up(&mut self, trace: &Trace) {
        let new = &trace.records()[self.read..];
        self.read += new.len();
        for record in new {
            self.take(record);
        }
    }

    /// Returns whether a message has reached a moment.
    pub fn has_reached(&self, message: &str, moment: Moment) -> bool {
        self.moments
            .get(message)
            .is_some_and(|moments| moments.contains(&moment))
    }

    /// The last moment that a message has reached.
    pub fn last_moment(&self, message: &str) -> Option<Moment> {
        self.moments.get(message)?.last().copied()
    }

    /// Returns whether a request is parked under `tag`.
    pub fn is_parked(&self, tag: &str) -> bool {
        self.parked.get(tag).is_some_and(|count| *count > 0)
    }

    /// Resets a tag after its release.
    pub fn released(&mut self, tag: &str) {
        self.parked.remove(tag);
    }

    /// Number of delivered callbacks for a message or an execution.
    pub fn delivered(&self, message: &str) -> u32 {
        self.delivered.get(message).copied().unwrap_or_default()
    }

    /// The last binding: the `session` of the server's request to the wrapper.
    pub fn binding(&self) -> Option<&Value> {
        self.binding.as_ref()
    }

    /// Id of the kilo session of a session, if the server or its wrapper has named it.
    pub fn kilo_session(&self, session: &str) -> Option<&str> {
        self.kilo_sessions.get(session).map(String::as_str)
    }

    /// Time of the last observation by any party except the observer.
    pub fn last_seen(&self) -> Duration {
        self.last_seen
    }

    fn take(&mut self, record: &Record) {
        let What::Observation(observation) = &record.what else {
            return;
        };
        if *record.party != *OBSERVER {
            self.last_seen = record.at;
        }
        match (&*record.party, observation) {
            (OBSERVER, Observation::FrameReceived { frame, .. }) => self.take_event(frame),
            (GATEWAY, Observation::RequestReceived { body, .. }) => {
                if let Some(tag) = gate_tag(body) {
                    *self.parked.entry(tag.to_owned()).or_default() += 1;
                }
            }
            (party, Observation::RequestReceived { exchange, body, .. }) if is_wrapper(party) => {
                if party == WRAPPER && body["session"]["wrapperRunId"].is_string() {
                    self.binding = Some(body["session"].clone());
                }
                if let Some(session) = body["agentSessionId"].as_str() {
                    self.preparations
                        .insert((party.to_owned(), *exchange), session.to_owned());
                    self.take_kilo_session(session, body);
                }
            }
            (party, Observation::ReplySent { exchange, body, .. }) if is_wrapper(party) => {
                if let Some(session) = self.preparations.remove(&(party.to_owned(), *exchange)) {
                    self.take_kilo_session(&session, body);
                }
            }
            (_, Observation::ReplyReceived { body, .. }) => {
                let data = &body["result"]["data"];
                let session = data["cloudAgentSessionId"]
                    .as_str()
                    .or(data["sessionId"].as_str());
                if let Some(session) = session {
                    self.take_kilo_session(session, data);
                }
            }
            (RECEIVER, Observation::RequestReceived { exchange, body, .. }) => {
                let owners = [&body["messageId"], &body["executionId"]];
                let owners = owners.into_iter().filter_map(Value::as_str).map(str::to_owned);
                self.callbacks.insert(*exchange, owners.collect());
            }
            (RECEIVER, Observation::ReplySent { exchange, status, .. }) if (200..300).contains(status) => {
                for owner in self.callbacks.remove(exchange).unwrap_or_default() {
                    *self.delivered.entry(owner).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    /// Takes the id of the kilo session of a session from a body that may have it.
    fn take_kilo_session(&mut self, session: &str, body: &Value) {
        if let Some(kilo_session) = body["kiloSessionId"].as_str() {
            self.kilo_sessions
                .insert(session.to_owned(), kilo_session.to_owned());
        }
    }

    fn take_event(&mut self, frame: &Value) {
        if let (Some(moment), Some(message)) = (moment_of(frame), frame["data"]["messageId"].as_str()) {
            self.moments.entry(message.to_owned()).or_default().insert(moment);
        }
    }
}

/// The moment of a message that a stream event marks.
fn moment_of(frame: &Value) -> Option<Moment> {
    moment_of_event(frame["streamEventType"].as_str()?, &frame["data"])
}

/// The same from the name and data of an event.
pub(crate) fn moment_of_event(name: &str, data: &Value) -> Option<Moment> {
    match name.strip_prefix("cloud.message.")? {
        "queued" => Some(Moment::Queued),
        "sent" => Some(Moment::Sent),
        "completed" => Some(Moment::Completed),
        "failed" if data["status"] == "interrupted" => Some(Moment::Interrupted),
        "failed" => Some(Moment::Failed),
        _ => None,
    }
}

/// The tag under which the gateway parks a request, if any.
fn gate_tag(request: &Value) -> Option<&str> {
    let messages = request["messages"].as_array()?;
    let last = messages.iter().rev().find(|message| message["role"] == "user")?;
    last["content"].as_str()?.strip_prefix(GATE_DIRECTIVE)
}
