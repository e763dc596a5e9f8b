//! Traces that are written by hand, for the tests of the oracles: each record a second after the one before.
//!
//! A [`Writer`] begins with a session in which all is right, and writes what a test asks for; what comes at
//! the end of every run (the harness reads the log and asks the gateway) it adds by itself.
//!
//! | file | what is in it |
//! |---|---|
//! | `clients` | what clients ask, and what their streams show |
//! | `events` | the kept events of a session |
//! | `parties` | the wrapper and the receiver |

mod clients;
mod events;
mod parties;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_events::observation::Observation;
use turnstile_events::world::WorldEvent;

use self::events::entity;
use super::history::History;
use super::{Finding, judge};
use crate::parties::{GATEWAY, OBSERVER, SERVER};
use crate::trace::{Record, Trace, What};

/// The session that a trace begins with.
const SESSION: &str = "s";
/// The root of every session's kilo.
const ROOT: &str = "root";

/// How long everything is left alone before the harness looks at what is left, in seconds.
const SETTLING: u64 = 30 * 60;

/// The token for the ingest of an allocation.
pub(super) fn worker_token(generation: u64) -> String {
    format!("eyJhbGciOiJIUzI1NiJ9.claims-of-a-worker.signature-of-the-token-of-generation-{generation}")
}

/// See the module's documentation.
#[derive(Clone)]
pub(super) struct Writer {
    trace: Trace,
    epoch: Timestamp,
    now: Duration,
    exchange: u64,
    socket: u64,
    /// The session that is written about.
    session: String,
    books: BTreeMap<String, Book>,
    waiters: Value,
}

/// What is known of one session.
#[derive(Clone, Default)]
struct Book {
    /// Frames of its kept events in order of id, each with the last word.
    log: Vec<Value>,
    /// All words on each entity, by its name.
    words: BTreeMap<String, Vec<Value>>,
    /// Open streams, by client.
    streams: BTreeMap<String, u64>,
    /// Open ingest sockets, by generation.
    ingests: BTreeMap<u64, u64>,
    /// Those of imported executions, by execution.
    imported_ingests: BTreeMap<String, u64>,
    /// An entity that the harness is shown twice when it reads the log.
    doubled: Option<String>,
}

impl Writer {
    /// A session without a callback was started with a message that was acknowledged.
    pub(super) fn started(message: &str) -> Self {
        Self::with_target(message, Value::Null)
    }

    /// The same, with a callback.
    pub(super) fn with_callback(message: &str) -> Self {
        Self::with_target(message, json!({"url": "http://receiver:9200/callback"}))
    }

    /// The same, with this callback target.
    pub(super) fn with_target(message: &str, target: Value) -> Self {
        let epoch: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut writer = Self {
            trace: Trace::new(epoch),
            epoch,
            now: Duration::ZERO,
            exchange: 0,
            socket: 0,
            session: SESSION.to_owned(),
            books: BTreeMap::new(),
            waiters: json!({"tags": [], "liveResponses": 0}),
        };
        writer.starts_with(message, target);
        writer
    }

    /// From here on another session is written about.
    pub(super) fn in_session(&mut self, session: &str) {
        session.clone_into(&mut self.session);
    }

    /// A new session is started, without a callback.
    pub(super) fn starts(&mut self, message: &str) {
        self.starts_with(message, Value::Null);
    }

    fn starts_with(&mut self, message: &str, target: Value) {
        self.acked("start", message, json!({"options": {"callbackTarget": target}}));
        self.client_opens(OBSERVER, 0);
        self.client_is_connected(OBSERVER);
    }

    fn book(&mut self) -> &mut Book {
        self.books.entry(self.session.clone()).or_default()
    }

    fn push(&mut self, party: &str, what: What) {
        let party = party.into();
        self.trace.push(Record {
            at: self.now,
            party,
            what,
        });
    }

    fn sees(&mut self, party: &str, observation: Observation) {
        self.now += Duration::from_secs(1);
        self.push(party, What::Observation(observation));
    }

    /// Something is done to the world.
    pub(super) fn world(&mut self, event: WorldEvent) {
        self.push("world", What::World(event));
    }

    /// Time passes, in seconds.
    pub(super) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn next_exchange(&mut self) -> u64 {
        self.exchange += 1;
        self.exchange
    }

    /// What the gateway will say of who waits there.
    pub(super) fn waiters(&mut self, waiters: Value) {
        self.waiters = waiters;
    }

    /// A message completes, and all is over.
    pub(super) fn ended(mut self, message: &str) -> Vec<String> {
        self.completed(message);
        self.judged()
    }

    /// All is over. The names of the oracles that found something, each once if it comes several times on end.
    pub(super) fn judged(self) -> Vec<String> {
        names(self.findings())
    }

    /// The same, if the harness is refused the log of the session.
    pub(super) fn judged_without_log(mut self) -> Vec<String> {
        self.socket += 1;
        let refused = Observation::SocketRefused {
            socket: self.socket,
            to: SERVER.to_owned(),
            path: format!("/stream?cloudAgentSessionId={}&fromId=0", self.session),
            status: Some(500),
            error: "no".to_owned(),
        };
        self.sees(OBSERVER, refused);
        names(self.judge())
    }

    /// All is over: the harness reads the logs and asks the gateway, and the trace is judged.
    pub(super) fn findings(mut self) -> Vec<Finding> {
        self.wait(SETTLING);
        for session in self.books.keys().cloned().collect::<Vec<_>>() {
            self.in_session(&session);
            self.reads_log();
        }
        self.judge()
    }

    fn reads_log(&mut self) {
        self.client_opens(OBSERVER, 0);
        let Book { log, doubled, .. } = self.book().clone();
        for frame in &log {
            self.client_is_shown(OBSERVER, frame.clone());
            let name = frame["streamEventType"].as_str().unwrap();
            if doubled.is_some() && entity(name, &frame["data"]) == doubled {
                self.client_is_shown(OBSERVER, frame.clone());
            }
        }
        self.client_is_connected(OBSERVER);
        for frame in &log {
            let message = &frame["data"]["messageId"];
            let is_last = |frame: &&Value| frame["data"]["messageId"] == *message;
            let last = log.iter().rev().find(is_last).unwrap_or(frame);
            let (name, end) = (
                frame["streamEventType"].as_str().unwrap(),
                &last["streamEventType"],
            );
            let was_never_sent = end == "cloud.message.queued" || last["data"]["delivery"] == "queued";
            if name.starts_with("cloud.message.") && was_never_sent {
                self.client_is_told(OBSERVER, name, frame["data"].clone());
            }
        }
    }

    fn judge(mut self) -> Vec<Finding> {
        let exchange = self.next_exchange();
        let request = Observation::RequestSent {
            exchange,
            to: GATEWAY.to_owned(),
            method: "GET".to_owned(),
            path: "/test/waiters".to_owned(),
            body: Value::Null,
        };
        self.sees(OBSERVER, request);
        let (status, body) = (200, self.waiters.clone());
        if !body.is_null() {
            let reply = Observation::ReplyReceived {
                exchange,
                status,
                body,
            };
            self.sees(OBSERVER, reply);
        }
        judge(&History::read(&self.trace))
    }
}

fn names(findings: Vec<Finding>) -> Vec<String> {
    let mut names: Vec<String> = findings.into_iter().map(|finding| finding.rule).collect();
    names.dedup();
    names
}

mod tests {
    use super::*;

    #[test]
    fn a_run_in_which_all_is_right_has_no_findings() {
        let mut writer = Writer::with_callback("m1");
        writer.bound(1);
        writer.opens_ingest(1);
        writer.turn("m1");
        writer.called_back("m1", json!({}), 500);
        writer.called_back("m1", json!({}), 200);
        writer.in_session("other");
        writer.starts("m2");
        writer.turn("m2");
        assert_eq!(writer.judged(), [""; 0]);
    }
}
