//! Handwritten traces for the tests of the oracles, with one second between two records.
//!
//! A [`Writer`] begins with a session without violations and appends what a test requests. It adds the end of every run
//! itself: the harness reads the log and queries the gateway.
//!
//! | file | content |
//! |---|---|
//! | `clients` | requests of clients, and their streams |
//! | `events` | the kept events of a session |
//! | `parties` | the wrapper and the receiver |

mod clients;
mod events;
mod parties;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::Observation;
use turnstile_events::queue::Submission;
use turnstile_events::world::WorldEvent;
use turnstile_fault::{ClockChange, Fault, Place};
use turnstile_profile::Profile;

use self::events::entity;
use super::history::{History, RunContext};
use super::{Finding, is_anything_pending, judge, judge_unfinished};
use crate::parties::{GATEWAY, OBSERVER, SERVER};
use crate::trace::{Record, Trace, What};

/// The session that a trace begins with.
const SESSION: &str = "s";
/// The root kilo session of every session.
const ROOT: &str = "root";

/// Time that passes before the harness reads the log, in seconds.
const SETTLING: u64 = 30 * 60;

/// The token for the ingest of an allocation.
pub(super) fn worker_token(generation: u64) -> String {
    format!("eyJhbGciOiJIUzI1NiJ9.claims-of-a-worker.signature-of-the-token-of-generation-{generation}")
}

/// Writes a trace.
#[derive(Clone)]
pub(super) struct Writer {
    trace: Trace,
    epoch: Timestamp,
    now: Duration,
    /// Whether all observations happen at the same time.
    is_at_once: bool,
    exchange: u64,
    socket: u64,
    /// The current session.
    session: String,
    books: BTreeMap<String, Book>,
    waiters: Value,
    profile: Profile,
    /// The oracles in [`ON_REQUEST`] that do not judge it.
    withheld: Vec<&'static str>,
    /// Whether the test itself writes the orders to stop that the wrapper receives.
    orders_by_hand: bool,
    /// What clients and wrappers show to prove who they are.
    credentials: Credentials,
    /// The tolerance for work, in real time.
    tolerance: Option<Duration>,
    /// How far the server's clock is ahead.
    clock_ahead: SignedDuration,
}

/// Oracles of all frames, of exact times and of inputs. Written traces show only what matters to their test, with a second
/// between two records, so these oracles judge only tests that request them.
const ON_REQUEST: [&str; 12] = [
    "relay-is-exact",
    "stream-has-its-shape",
    "callbacks-are-on-time",
    "deliveries-are-on-time",
    "pings-are-on-time",
    "ends-have-their-evidence",
    "idle-runs-are-released",
    "invalid-inputs-are-refused",
    "refusals-say-one-thing",
    "replies-follow-from-the-log",
    "snapshot-is-requested",
    "status-follows-its-event",
];

/// The oracles that judge the form of what a server writes. Handwritten traces have short ids and few fields.
const JUDGES_OF_FORM: [&str; 3] = [
    "replies-have-their-shape",
    "server-events-have-their-shape",
    "wrapper-requests-have-their-shape",
];

/// The state of one session.
#[derive(Clone, Default)]
struct Book {
    /// Frames of its kept events in order of id, each in its last version.
    log: Vec<Value>,
    /// All versions of each entity, by its name.
    versions: BTreeMap<String, Vec<Value>>,
    /// Open streams, by client.
    streams: BTreeMap<String, u64>,
    /// Open ingest sockets, by generation.
    ingests: BTreeMap<u64, u64>,
    /// Generations whose wrapper is ready for the next turn.
    ready: BTreeSet<u64>,
    /// Generations that the wrapper received.
    bound: BTreeSet<u64>,
    /// Open ingest sockets of imported executions, by execution.
    imported_ingests: BTreeMap<String, u64>,
    /// An entity that the harness receives twice when it reads the log.
    repeated: Option<String>,
    /// Whether a wrapper was ready.
    is_prepared: bool,
}

impl Writer {
    /// A session without a callback was started with a message that was acknowledged.
    pub(super) fn started(message: &str) -> Self {
        Self::with_target(message, Value::Null)
    }

    /// The same, with the message accepted in run 1, whose ingest is open.
    pub(super) fn at_work() -> Self {
        let mut writer = Self::started("m1");
        writer.queued("m1");
        writer.bound(1);
        writer.opens_ingest(1);
        writer.delivered_to("m1", 1);
        writer.sent("m1");
        writer
    }

    /// The same as [`Writer::started`], with a callback.
    pub(super) fn with_callback(message: &str) -> Self {
        Self::with_target(message, json!({"url": "http://receiver:9200/callback"}))
    }

    /// The same, with this callback target.
    pub(super) fn with_target(message: &str, target: Value) -> Self {
        Self::started_with(message, json!({"options": {"callbackTarget": target}}))
    }

    /// The same, with this input.
    pub(super) fn started_with(message: &str, input: Value) -> Self {
        let epoch: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut writer = Self {
            trace: Trace::new(epoch),
            epoch,
            now: Duration::ZERO,
            is_at_once: false,
            exchange: 0,
            socket: 0,
            session: SESSION.to_owned(),
            books: BTreeMap::new(),
            waiters: json!({"tags": [], "liveResponses": 0}),
            profile: Profile::default(),
            withheld: ON_REQUEST.to_vec(),
            orders_by_hand: false,
            credentials: Credentials::Own,
            tolerance: None,
            clock_ahead: SignedDuration::ZERO,
        };
        writer.starts_with(message, input);
        writer
    }

    /// The trace shows all that is sent on streams and ingest sockets: the oracles of streams judge it too.
    pub(super) fn showing_streams(self) -> Self {
        self.also_judged_by("relay-is-exact")
            .also_judged_by("stream-has-its-shape")
    }

    /// An oracle of [`ON_REQUEST`] judges the trace too.
    pub(super) fn also_judged_by(mut self, oracle: &str) -> Self {
        self.withheld.retain(|withheld| *withheld != oracle);
        self
    }

    /// From now on clients and wrappers show these credentials.
    pub(super) fn shows(&mut self, credentials: Credentials) {
        self.credentials = credentials;
    }

    /// Sets the profile that the server is judged by.
    pub(super) fn judged_by(&mut self, profile: Profile) {
        self.profile = profile;
    }

    /// The run is in real time, in which work takes up to that time.
    pub(super) fn in_real_time(&mut self, tolerance: Duration) {
        self.tolerance = Some(tolerance);
    }

    /// The server crashes, and its clock is set before it is restarted. Later events have times by that clock. The harness
    /// opens its stream again.
    pub(super) fn clock_is_set(&mut self, set: ClockChange) {
        self.wait(1);
        self.client_leaves(OBSERVER);
        self.world(WorldEvent::of(&Fault::crash(SERVER)));
        let host = SERVER.to_owned();
        self.world(WorldEvent::of(&Fault::Clock { host, set }));
        self.world(WorldEvent::Ended {
            place: Place::host(SERVER),
        });
        self.clock_ahead += set.ahead();
        let from = self.book().log.len();
        self.client_replays(OBSERVER, from, 0..0);
    }

    /// Makes another session the current one.
    pub(super) fn in_session(&mut self, session: &str) {
        session.clone_into(&mut self.session);
    }

    /// A new session is started, without a callback.
    pub(super) fn starts(&mut self, message: &str) {
        self.starts_with(message, json!({"options": {"callbackTarget": null}}));
    }

    fn starts_with(&mut self, message: &str, input: Value) {
        self.acked("start", message, input);
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

    fn observes(&mut self, party: &str, observation: Observation) {
        if !self.is_at_once {
            self.now += Duration::from_secs(1);
        }
        self.push(party, What::Observation(observation));
    }

    /// The server submits a callback job.
    pub(super) fn submits(&mut self, submission: Submission) {
        if !self.is_at_once {
            self.now += Duration::from_secs(1);
        }
        self.push(SERVER, What::Queue(submission));
    }

    /// A change of the world.
    pub(super) fn world(&mut self, event: WorldEvent) {
        self.push("world", What::World(event));
    }

    /// All that `happens` writes happens at the same time.
    pub(super) fn at_once(&mut self, happens: impl FnOnce(&mut Self)) {
        self.now += Duration::from_secs(1);
        self.is_at_once = true;
        happens(self);
        self.is_at_once = false;
        self.now += Duration::from_secs(1);
    }

    /// All that `happens` writes happens now.
    pub(super) fn is_at_the_moment(&mut self, happens: impl FnOnce(&mut Self)) {
        let was_at_once = std::mem::replace(&mut self.is_at_once, true);
        happens(self);
        self.is_at_once = was_at_once;
    }

    /// Time passes, in seconds.
    pub(super) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Time passes, in milliseconds.
    pub(super) fn wait_ms(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    /// Time passes until that many seconds since the beginning.
    pub(super) fn wait_until(&mut self, seconds: u64) {
        self.now = self.now.max(Duration::from_secs(seconds));
    }

    fn next_exchange(&mut self) -> u64 {
        self.exchange += 1;
        self.exchange
    }

    /// Sets the requests that the gateway will report.
    pub(super) fn waiters(&mut self, waiters: Value) {
        self.waiters = waiters;
    }

    /// A message completes, and the run ends.
    pub(super) fn ended(mut self, message: &str) -> Vec<String> {
        self.completed(message);
        self.judged()
    }

    /// The run ends. Returns the names of the oracles with findings, without consecutive repeats.
    pub(super) fn judged(self) -> Vec<String> {
        names(self.findings())
    }

    /// The same when the harness is refused the log of the session.
    pub(super) fn judged_without_log(self) -> Vec<String> {
        names(self.findings_without_log())
    }

    /// The findings when the harness is refused the log of the session after a while.
    pub(super) fn findings_without_log(mut self) -> Vec<Finding> {
        self.wait(SETTLING);
        self.socket += 1;
        let refused = Observation::SocketRefused {
            socket: self.socket,
            to: SERVER.to_owned(),
            path: format!("/stream?cloudAgentSessionId={}&fromId=0", self.session),
            credentials: Credentials::Own,
            status: Some(500),
            error: "no".to_owned(),
        };
        self.observes(OBSERVER, refused);
        self.judge()
    }

    /// Whether a party waits for the server when so many seconds have passed.
    pub(super) fn awaits_after(mut self, seconds: u64) -> bool {
        self.wait(seconds);
        self.world(WorldEvent::Ended {
            place: Place::EveryLink,
        });
        let context = RunContext {
            profile: Arc::new(self.profile),
            ..RunContext::default()
        };
        is_anything_pending(&History::read_under(&self.trace, context))
    }

    /// The run ends: the harness reads the logs and queries the gateway, and the trace is judged.
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
        let Book { log, repeated, .. } = self.book().clone();
        for frame in &log {
            self.client_receives_frame(OBSERVER, frame.clone());
            let name = frame["streamEventType"].as_str().unwrap();
            if repeated.is_some() && entity(name, &frame["data"]) == repeated {
                self.client_receives_frame(OBSERVER, frame.clone());
            }
        }
        self.client_is_connected(OBSERVER);
        let is_acceptance = |frame: &&Value| {
            frame["streamEventType"] == "cloud.message.sent" || frame["data"]["accepted"] == true
        };
        let accepted = log.iter().filter(is_acceptance);
        let last_accepted = accepted
            .filter_map(|frame| queued_at(&log, &frame["data"]["messageId"]))
            .max();
        for frame in &log {
            let message = &frame["data"]["messageId"];
            let is_last = |frame: &&Value| frame["data"]["messageId"] == *message;
            let last = log.iter().rev().find(is_last).unwrap_or(frame);
            let (name, end) = (
                frame["streamEventType"].as_str().unwrap(),
                &last["streamEventType"],
            );
            let was_never_sent = end == "cloud.message.queued" || last["data"]["delivery"] == "queued";
            let is_superseded = end == "cloud.message.failed" && queued_at(&log, message) < last_accepted;
            if name.starts_with("cloud.message.") && was_never_sent && !is_superseded {
                self.client_receives_unkept(OBSERVER, name, frame["data"].clone());
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
            credentials: Credentials::Own,
            body: Value::Null,
        };
        self.observes(OBSERVER, request);
        let (status, body) = (200, self.waiters.clone());
        if !body.is_null() {
            let reply = Observation::ReplyReceived {
                exchange,
                status,
                body,
            };
            self.observes(OBSERVER, reply);
        }
        let history = History::read_under(&self.trace, self.context());
        self.without_ignored(judge(&history.with_beginnings(&self.trace)))
    }

    /// The findings when the play ends now, before anything was inspected.
    pub(super) fn findings_when_cut_short(mut self) -> Vec<Finding> {
        self.world(WorldEvent::Ended {
            place: Place::EveryLink,
        });
        let history = History::read_under(&self.trace, self.context());
        self.without_ignored(judge_unfinished(&history))
    }

    fn context(&self) -> RunContext {
        RunContext {
            profile: Arc::new(self.profile.clone()),
            in_real_time: self.tolerance.is_some(),
            timing_tolerance: self.tolerance.unwrap_or_default(),
            ..RunContext::default()
        }
    }

    fn without_ignored(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        let is_ignored = |rule: &str| JUDGES_OF_FORM.contains(&rule) || self.withheld.contains(&rule);
        findings.retain(|finding| !is_ignored(&finding.rule));
        findings
    }
}

/// The place of the event that queued a message.
fn queued_at(log: &[Value], message: &Value) -> Option<usize> {
    log.iter().position(|frame| {
        frame["streamEventType"] == "cloud.message.queued" && frame["data"]["messageId"] == *message
    })
}

fn names(findings: Vec<Finding>) -> Vec<String> {
    let mut names: Vec<String> = findings.into_iter().map(|finding| finding.rule).collect();
    names.dedup();
    names
}

mod tests {
    use super::*;

    #[test]
    fn a_run_without_violations_has_no_findings() {
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
