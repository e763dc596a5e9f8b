//! Time: what ends a message without anyone saying so must be due, and what is due must happen.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use turnstile_reference::identity::MessageId;
use turnstile_reference::session::wrapper::Run;
use turnstile_reference::session::{Effect, Input, Reply, ToWrapper};

use super::ledger::Ledger;
use super::{Law, Observation, Speaker, Told, Violation, ensure};

use crate::session_properties::protocol::PROTOCOL;

/// What is known of the wrapper's signs of life.
#[derive(Debug)]
pub struct Supervision {
    /// Whether the current run has a socket, and since when it has or has not.
    connected: bool,
    connected_since: Timestamp,
    unconnected_since: Timestamp,
    /// The latest restart of the server.
    resumed_at: Timestamp,
    /// The latest acceptance.
    accepted_at: Timestamp,
    /// The latest meaningful output or acceptance.
    output_at: Timestamp,
    /// How much later than due its absence may be noticed: restarts make up for output they may have missed.
    output_allowance: Duration,
    /// The latest frame or acceptance.
    sign_at: Timestamp,
    /// The same two as of the latest commit of deadlines.
    written_output_at: Timestamp,
    written_sign_at: Timestamp,
    /// The latest ping that was not answered.
    pinged_at: Option<Timestamp>,
    /// Whether work has been accepted ever since that ping.
    ping_binds: bool,
    /// The root's latest idle, if nothing was accepted since.
    pub idle_at: Option<Timestamp>,
    /// Whether nothing was unfinished at the latest idle.
    idle_unused: bool,
    /// Since when no message has been unfinished and no batch open, if so. That a wrapper is let go although
    /// a batch waits for its last word is neither asked for nor forbidden.
    unused_since: Option<Timestamp>,
    /// Since when nothing has been accepted and unfinished, if nothing is.
    idling_since: Option<Timestamp>,
    /// When the current run's workspace was ready, if nothing was accepted since.
    ready_at: Option<Timestamp>,
    /// Which turn an assistant's message answers, and how.
    replies: BTreeMap<String, Answer>,
    /// The run whose signs these are.
    run: Option<Run>,
}

/// An assistant's message that answers a turn.
#[derive(Debug)]
struct Answer {
    message: MessageId,
    /// The latest word on it has an error.
    fails: bool,
    /// Some word on it had one.
    has_failed: bool,
}

impl Supervision {
    pub fn new(now: Timestamp) -> Self {
        Self {
            connected: false,
            connected_since: now,
            unconnected_since: now,
            resumed_at: now,
            accepted_at: now,
            output_at: now,
            output_allowance: Duration::ZERO,
            sign_at: now,
            written_output_at: now,
            written_sign_at: now,
            pinged_at: None,
            ping_binds: false,
            idle_at: None,
            idle_unused: false,
            unused_since: Some(now),
            idling_since: Some(now),
            ready_at: None,
            replies: BTreeMap::new(),
            run: None,
        }
    }

    pub fn crash(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.connected) {
            self.unconnected_since = now;
        }
        self.resumed_at = now;
        self.output_allowance += PROTOCOL.output_record_interval;
        self.lose_unwritten();
    }

    /// What was not written of deadlines is lost. Those of the ping need not be written with every sign of
    /// life: a ping too many does no harm. Those of the output are, but for a moment.
    pub fn lose_unwritten(&mut self) {
        self.sign_at = self.written_sign_at;
        self.output_at = self
            .written_output_at
            .max(self.output_at - PROTOCOL.output_record_interval);
    }

    pub fn take_input(&mut self, seen: &Observation, speaker: Option<&Speaker>, ledger: &Ledger) {
        if matches!(seen.reply, Reply::Proceed(true)) && ledger.accepted().is_empty() {
            self.ready_at = Some(seen.now);
        }
        if let (Some(_), Some(("message.updated", properties))) = (speaker, seen.kilo()) {
            self.take_reply(&properties["info"]);
        }
        let (Some((_, name, _)), Some(Speaker::Run(_))) = (seen.frame(), speaker) else {
            return;
        };
        self.sign_at = seen.now;
        let is_idle = matches!(seen.kilo(), Some(("session.idle", _)));
        if !is_idle && !matches!(name, "pong" | "heartbeat" | "wrapper_resumed") {
            self.output_at = seen.now;
            self.output_allowance = Duration::ZERO;
        }
        if name == "pong" {
            self.pinged_at = None;
        }
        if let Some(("session.idle", properties)) = seen.kilo()
            && properties["sessionID"].as_str() == ledger.kilo_session.as_deref()
        {
            self.idle_at = Some(seen.now);
        }
    }

    fn take_reply(&mut self, info: &Value) {
        if info["role"] == "assistant"
            && let (Some(reply), Some(Ok(answers))) =
                (info["id"].as_str(), info["parentID"].as_str().map(str::parse))
        {
            let fails = !info["error"].is_null();
            let known = self.replies.get(reply);
            let answer = Answer {
                message: answers,
                fails,
                has_failed: fails || known.is_some_and(|known| known.has_failed),
            };
            self.replies.insert(reply.to_owned(), answer);
        }
    }

    /// Whether `told` may be told because time has passed.
    pub fn justify(
        &self,
        now: Timestamp,
        id: &MessageId,
        told: &Told,
        ledger: &Ledger,
    ) -> Result<(), Violation> {
        let Told::Ended(end) = told else {
            return Err(Violation::new(
                Law::Supervision,
                format!("time alone told {told:?} of {id}"),
            ));
        };
        let run = ledger.run.as_ref().map(|run| &run.id);
        let is_of_run = run.is_some() && ledger.turn(id).sent_by.as_ref() == run;
        let is_connected = ledger.current_socket().is_some();
        let lapsed = |since: Timestamp, duration| since + duration <= now;
        let is_justified = match (end.source.as_str(), end.reason.as_deref()) {
            ("wrapper_failure", Some("wrapper_disconnected")) => {
                !is_connected
                    && lapsed(self.unconnected_since, PROTOCOL.disconnect_grace)
                    && end.error.as_deref() == Some("Wrapper disconnected")
            }
            ("wrapper_failure", Some("wrapper_failure")) => {
                self.pinged_at.is_some_and(|at| lapsed(at, PROTOCOL.pong_timeout))
                    || lapsed(self.output_at, PROTOCOL.no_output_timeout)
            }
            ("idle_reconciliation", reason) => {
                self.fits_answers(id, &end.status, reason)
                    && self
                        .idle_at
                        .is_some_and(|at| lapsed(at, PROTOCOL.idle_reconciliation_delay))
            }
            _ => false,
        };
        ensure!(
            is_of_run && is_justified,
            Law::Supervision,
            "{id} ended as {end:?} at {now} by time, with {self:?}, connected {is_connected}, {:?}",
            ledger.turn(id)
        );
        Ok(())
    }

    /// Whether a message may end so when it is looked up what its answer was. An error that a later word does
    /// not repeat may count or not.
    fn fits_answers(&self, id: &MessageId, status: &str, reason: Option<&str>) -> bool {
        let mut answers = self
            .replies
            .values()
            .filter(|answer| answer.message == *id)
            .peekable();
        match (status, reason) {
            ("failed", Some("missing_assistant_reply")) => answers.peek().is_none(),
            ("failed", Some("assistant_error")) => answers.any(|answer| answer.has_failed),
            ("completed", None) => answers.any(|answer| !answer.fails),
            _ => false,
        }
    }

    pub fn take_told(&mut self, now: Timestamp, told: &Told) {
        if *told == Told::Sent {
            self.idle_at = None;
            self.ready_at = None;
            self.accepted_at = now;
            self.output_at = now;
            self.output_allowance = Duration::ZERO;
            self.sign_at = now;
        }
    }

    pub fn take_command(&mut self, seen: &Observation, command: ToWrapper) -> Result<(), Violation> {
        if command == ToWrapper::Ping {
            // A ping that was not answered may be sent again to a wrapper that comes back.
            let repeats = self.pinged_at.is_some() && matches!(seen.input, Input::IngestOpened { .. });
            ensure!(
                repeats || self.sign_at + PROTOCOL.ping_interval <= seen.now,
                Law::Supervision,
                "a ping at {} follows a sign of life at {}",
                seen.now,
                self.sign_at
            );
            self.pinged_at = Some(seen.now);
            self.ping_binds = true;
        }
        Ok(())
    }

    /// Whether a wrapper of which no message is left may be stopped because time has passed.
    pub fn justify_loss(&self, seen: &Observation, ledger: &Ledger) -> Result<(), Violation> {
        let lapsed = |since: Option<Timestamp>, duration| since.is_some_and(|at| at + duration <= seen.now);
        // What is delivered in the same breath goes to a wrapper that is free of what was interrupted.
        let makes_way = seen
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Deliver(_)));
        let is_unconnected = ledger.current_socket().is_none();
        ensure!(
            makes_way
                || lapsed(self.idle_at, PROTOCOL.keep_warm)
                || lapsed(self.ready_at, PROTOCOL.ready_only_timeout)
                || self.idle_at.is_none() && lapsed(self.idling_since, PROTOCOL.ready_only_timeout)
                || lapsed(self.pinged_at, PROTOCOL.pong_timeout)
                || is_unconnected && lapsed(Some(self.unconnected_since), PROTOCOL.disconnect_grace)
                || lapsed(Some(self.output_at), PROTOCOL.no_output_timeout),
            Law::Supervision,
            "the wrapper was stopped at {} with {self:?}",
            seen.now
        );
        Ok(())
    }

    /// Judges that nothing that was due is still to come.
    pub fn conclude(
        &mut self,
        seen: &Observation,
        ledger: &Ledger,
        is_batch_open: bool,
    ) -> Result<(), Violation> {
        if self.run != ledger.run {
            self.run.clone_from(&ledger.run);
            self.idle_at = None;
            self.ready_at = None;
            self.pinged_at = None;
            self.unconnected_since = seen.now;
        }
        let connected = ledger.current_socket().is_some();
        match (std::mem::replace(&mut self.connected, connected), connected) {
            (true, false) => self.unconnected_since = seen.now,
            (false, true) => self.connected_since = seen.now,
            _ => {}
        }
        if seen.writes.core {
            self.written_output_at = self.output_at;
            self.written_sign_at = self.sign_at;
        }
        let is_unused = ledger.all_ended() && !is_batch_open;
        self.unused_since = is_unused.then(|| self.unused_since.unwrap_or(seen.now));
        if matches!(seen.kilo(), Some(("session.idle", _))) && self.idle_at == Some(seen.now) {
            self.idle_unused = is_unused;
        }
        let works = !ledger.accepted().is_empty();
        self.idling_since = (!works).then(|| self.idling_since.unwrap_or(seen.now));
        self.ping_binds &= works;
        if matches!(seen.input, Input::Wake) {
            for (what, at) in self.due(ledger, works, connected) {
                let at = at.map(|at| at.max(self.resumed_at + PROTOCOL.resume_delay));
                ensure!(
                    at.is_none_or(|at| at > seen.now),
                    Law::Supervision,
                    "{what} was due at {at:?}, it is {}, and {} still stands",
                    seen.now,
                    ledger.waited_for()
                );
            }
        }
        Ok(())
    }

    /// When what must have happened at the latest.
    fn due(&self, ledger: &Ledger, works: bool, connected: bool) -> [(&'static str, Option<Timestamp>); 7] {
        let unwatched_since = self.unconnected_since.max(self.accepted_at).max(self.resumed_at);
        let pong = self.pinged_at.filter(|_| works && self.ping_binds);
        let ping = (works && connected && self.pinged_at.is_none())
            // Nobody could be asked before.
            .then(|| self.sign_at.max(self.connected_since));
        // A wrapper is let go when its time is over, or, if it was wanted then, that time after it last was.
        let let_go = |since: Option<Timestamp>, unused_then: bool, duration| {
            let (since, unused_since) = (since.filter(|_| ledger.run.is_some())?, self.unused_since?);
            let in_time = unused_then && unused_since < since + duration;
            Some(if in_time { since } else { since.max(unused_since) } + duration)
        };
        [
            (
                "the grace",
                (works && !connected).then(|| unwatched_since + PROTOCOL.disconnect_grace),
            ),
            ("the pong", pong.map(|at| at + PROTOCOL.pong_timeout)),
            ("the ping", ping.map(|at| at + PROTOCOL.ping_interval * 2)),
            (
                "the output",
                works.then(|| {
                    let at = (self.output_at + PROTOCOL.no_output_timeout)
                        .max(self.resumed_at + PROTOCOL.resume_delay);
                    at + self.output_allowance
                }),
            ),
            (
                "the reconciliation",
                self.idle_at
                    .filter(|_| works)
                    .map(|at| at + PROTOCOL.idle_reconciliation_delay),
            ),
            (
                "the end of the warmth",
                let_go(self.idle_at, self.idle_unused, PROTOCOL.keep_warm),
            ),
            (
                "the end of the readiness",
                let_go(self.ready_at, true, PROTOCOL.ready_only_timeout),
            ),
        ]
    }
}
