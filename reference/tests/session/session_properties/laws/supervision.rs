//! Time: a message that ends without evidence from others must be due to end, and what is due must happen.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use turnstile_reference::identity::MessageId;
use turnstile_reference::session::wrapper::Run;
use turnstile_reference::session::{Input, Reply, ToWrapper};

use super::ledger::Ledger;
use super::{Law, MessageEvent, Observation, Sender, Violation, ensure};

use crate::session_properties::protocol::PROTOCOL;

/// The state of the supervision of the run.
#[derive(Debug)]
pub struct Supervision {
    /// Whether the current run has a socket, and since when.
    connected: bool,
    connected_since: Timestamp,
    unconnected_since: Timestamp,
    /// The time of the last restart of the server.
    resumed_at: Timestamp,
    /// The time of the last acceptance.
    accepted_at: Timestamp,
    /// The time of the last meaningful output or acceptance.
    output_at: Timestamp,
    /// The extension of the no-output deadline by restarts (R7.32).
    output_allowance: Duration,
    /// The time of the last pong, meaningful output or acceptance, or of the reopening after a grace (R7.20).
    sign_at: Timestamp,
    /// The previous two times as of the last commit of deadlines.
    written_output_at: Timestamp,
    written_sign_at: Timestamp,
    /// The time of the last unanswered ping.
    pinged_at: Option<Timestamp>,
    /// Whether there has been accepted work since that ping without interruption.
    ping_binds: bool,
    /// The time of the last root idle, if nothing was accepted since.
    pub idle_at: Option<Timestamp>,
    /// Whether nothing was unfinished at the last idle.
    idle_unused: bool,
    /// The time since which no message is unfinished and no batch is open. The protocol leaves open whether a run
    /// with an open batch is released.
    unused_since: Option<Timestamp>,
    /// The time since which no message is accepted.
    idling_since: Option<Timestamp>,
    /// The time at which the workspace of the current run was ready, if nothing was accepted since.
    ready_at: Option<Timestamp>,
    /// The turns that assistant messages answer, and the state of the answers.
    replies: BTreeMap<String, Answer>,
    /// The run that is supervised.
    run: Option<Run>,
}

/// An assistant message that answers a turn.
#[derive(Debug)]
struct Answer {
    message: MessageId,
    /// Whether its last update has an error.
    fails: bool,
    /// Whether its last update finished it.
    is_finished: bool,
    /// Whether any update had an error.
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

    /// Drops what was not written. Not every frame updates the written ping deadline, because an additional ping does
    /// no harm. Output is written within a short interval.
    pub fn lose_unwritten(&mut self) {
        self.sign_at = self.written_sign_at;
        self.output_at = self
            .written_output_at
            .max(self.output_at - PROTOCOL.output_record_interval);
    }

    pub fn take_input(&mut self, seen: &Observation, sender: Option<&Sender>, ledger: &Ledger) {
        if matches!(seen.reply, Reply::Proceed(true)) && ledger.accepted().is_empty() {
            self.ready_at = Some(seen.now);
        }
        if let (Some(_), Some(("message.updated", properties))) = (sender, seen.kilo()) {
            self.take_reply(&properties["info"]);
        }
        let (Some((_, name, _)), Some(Sender::Run(_))) = (seen.frame(), sender) else {
            return;
        };
        let is_idle = matches!(seen.kilo(), Some(("session.idle", _)));
        let is_meaningful = !is_idle && !matches!(name, "pong" | "heartbeat" | "wrapper_resumed");
        if is_meaningful || name == "pong" {
            self.sign_at = seen.now;
        }
        if is_meaningful {
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
                is_finished: !info["time"]["completed"].is_null(),
                has_failed: fails || known.is_some_and(|known| known.has_failed),
            };
            self.replies.insert(reply.to_owned(), answer);
        }
    }

    /// Judges whether time alone may cause the event.
    pub fn justify(
        &self,
        now: Timestamp,
        id: &MessageId,
        event: &MessageEvent,
        ledger: &Ledger,
    ) -> Result<(), Violation> {
        let MessageEvent::Ended(end) = event else {
            return Err(Violation::new(
                Law::Supervision,
                format!("time alone caused {event:?} of {id}"),
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
                is_connected
                    && (self.pinged_at.is_some_and(|at| lapsed(at, PROTOCOL.pong_timeout))
                        || lapsed(self.output_at, PROTOCOL.no_output_timeout))
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

    /// Whether idle reconciliation may end a message in this way. An error that a later update does not repeat may
    /// count or not.
    fn fits_answers(&self, id: &MessageId, status: &str, reason: Option<&str>) -> bool {
        let mut answers = self
            .replies
            .values()
            .filter(|answer| answer.message == *id)
            .peekable();
        match (status, reason) {
            ("failed", Some("missing_assistant_reply")) => {
                let is_none = answers.peek().is_none();
                let is_unfinished = answers.all(|answer| !answer.is_finished && !answer.fails);
                is_none || is_unfinished && !PROTOCOL.unfinished_reply_counts
            }
            ("failed", Some("assistant_error")) => answers.any(|answer| answer.has_failed),
            ("completed", None) => answers
                .any(|answer| !answer.fails && (answer.is_finished || PROTOCOL.unfinished_reply_counts)),
            _ => false,
        }
    }

    pub fn take_message_event(&mut self, now: Timestamp, event: &MessageEvent, ledger: &Ledger) {
        if *event == MessageEvent::Sent {
            self.idle_at = ledger.early_idle;
            self.ready_at = None;
            self.accepted_at = now;
            self.output_at = now;
            self.output_allowance = Duration::ZERO;
            self.sign_at = now;
        }
    }

    pub fn take_command(&mut self, seen: &Observation, command: ToWrapper) -> Result<(), Violation> {
        if command == ToWrapper::Ping {
            // An unanswered ping is sent again on a socket that replaces an open one (R7.35).
            let is_opened = matches!(seen.input, Input::IngestOpened { .. });
            let repeats = self.pinged_at.is_some() && is_opened && self.connected;
            ensure!(
                repeats || self.sign_at + PROTOCOL.ping_interval <= seen.now,
                Law::Supervision,
                "a ping at {} follows a frame at {}",
                seen.now,
                self.sign_at
            );
            self.pinged_at = Some(seen.now);
            self.ping_binds = true;
        }
        Ok(())
    }

    /// Judges whether time alone may release a run without unfinished messages.
    pub fn justify_loss(&self, seen: &Observation, ledger: &Ledger) -> Result<(), Violation> {
        let lapsed = |since: Option<Timestamp>, duration| since.is_some_and(|at| at + duration <= seen.now);
        let is_unconnected = ledger.current_socket().is_none();
        ensure!(
            lapsed(self.idle_at, PROTOCOL.keep_warm)
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

    /// Judges that nothing is overdue.
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
            (false, true) => {
                self.connected_since = seen.now;
                // Nothing could arrive without a socket (R7.20).
                self.pinged_at = None;
                self.sign_at = seen.now;
                self.output_at = seen.now;
                self.output_allowance = Duration::ZERO;
            }
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
                    "{what} was due at {at:?}, now {}, still pending: {}",
                    seen.now,
                    ledger.describe_pending()
                );
            }
        }
        Ok(())
    }

    /// The latest times of deadlines.
    fn due(&self, ledger: &Ledger, works: bool, connected: bool) -> [(&'static str, Option<Timestamp>); 7] {
        let unwatched_since = self.unconnected_since.max(self.accepted_at).max(self.resumed_at);
        let pong = self.pinged_at.filter(|_| works && connected && self.ping_binds);
        let ping = (works && connected && self.pinged_at.is_none())
            // Pings require a socket.
            .then(|| self.sign_at.max(self.connected_since));
        // A run is released when its deadline passes, or one such period after it was last needed.
        let released = |since: Option<Timestamp>, unused_then: bool, duration| {
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
                (works && connected).then(|| {
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
                "keep warm",
                released(self.idle_at, self.idle_unused, PROTOCOL.keep_warm),
            ),
            (
                "ready-only",
                released(self.ready_at, true, PROTOCOL.ready_only_timeout),
            ),
        ]
    }
}
