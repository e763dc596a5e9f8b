//! Time: what ends a message without anyone saying so must be due, and what is due must happen.

use jiff::Timestamp;
use turnstile_reference::identity::MessageId;
use turnstile_reference::limits::{
    DISCONNECT_GRACE, IDLE_RECONCILIATION_DELAY, NO_OUTPUT_TIMEOUT, PING_INTERVAL, PONG_TIMEOUT, RESUME_DELAY,
};
use turnstile_reference::session::wrapper::Run;
use turnstile_reference::session::{Input, ToWrapper};

use std::collections::BTreeMap;

use super::ledger::Ledger;
use super::{Law, Observation, Told, Violation, ensure};

/// What is known of the wrapper's signs of life.
#[derive(Debug)]
pub struct Supervision {
    /// Since when the current run has had no socket, if it has none.
    unconnected_since: Timestamp,
    /// The latest restart of the server.
    resumed_at: Timestamp,
    /// The latest acceptance.
    accepted_at: Timestamp,
    /// The latest meaningful output or acceptance.
    output_at: Timestamp,
    /// The latest frame or acceptance.
    sign_at: Timestamp,
    /// The latest ping that was not answered.
    pinged_at: Option<Timestamp>,
    /// Whether work has been accepted ever since that ping.
    ping_binds: bool,
    /// The root's latest idle, if nothing was accepted since.
    pub idle_at: Option<Timestamp>,
    /// Which turn an assistant's message answers.
    replies: BTreeMap<String, MessageId>,
    /// The run whose signs these are.
    run: Option<Run>,
}

impl Supervision {
    pub fn new(now: Timestamp) -> Self {
        Self {
            unconnected_since: now,
            resumed_at: now,
            accepted_at: now,
            output_at: now,
            sign_at: now,
            pinged_at: None,
            ping_binds: false,
            idle_at: None,
            replies: BTreeMap::new(),
            run: None,
        }
    }

    pub fn crash(&mut self, now: Timestamp) {
        self.unconnected_since = now;
        self.resumed_at = now;
    }

    pub fn take_input(&mut self, seen: &Observation, speaker: Option<&Run>, ledger: &Ledger) {
        let Some((_, name, _)) = seen.frame().filter(|_| speaker.is_some()) else {
            return;
        };
        self.sign_at = seen.now;
        let is_idle = matches!(seen.kilo(), Some(("session.idle", _)));
        if !is_idle && !matches!(name, "pong" | "heartbeat" | "wrapper_resumed") {
            self.output_at = seen.now;
        }
        if name == "pong" {
            self.pinged_at = None;
        }
        if let Some(("session.idle", properties)) = seen.kilo()
            && properties["sessionID"].as_str() == ledger.kilo_session.as_deref()
        {
            self.idle_at = Some(seen.now);
        }
        if let Some(("message.updated", properties)) = seen.kilo()
            && let info = &properties["info"]
            && info["role"] == "assistant"
            && let (Some(reply), Some(Ok(answers))) =
                (info["id"].as_str(), info["parentID"].as_str().map(str::parse))
        {
            self.replies.insert(reply.to_owned(), answers);
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
            return Err(Violation::new(Law::Supervision, format!("time alone told {told:?} of {id}")));
        };
        let run = ledger.run.as_ref().map(|run| &run.id);
        let is_of_run = run.is_some() && ledger.turn(id).sent_by.as_ref() == run;
        let is_connected = ledger.current_socket().is_some();
        let lapsed = |since: Timestamp, duration| since + duration <= now;
        let is_answered = self.replies.values().any(|answered| answered == id);
        let is_justified = match (end.source.as_str(), end.reason.as_deref()) {
            ("wrapper_failure", Some("wrapper_disconnected")) => {
                !is_connected
                    && lapsed(self.unconnected_since, DISCONNECT_GRACE)
                    && end.error.as_deref() == Some("Wrapper disconnected")
            }
            ("wrapper_failure", Some("wrapper_failure")) => {
                self.pinged_at.is_some_and(|at| lapsed(at, PONG_TIMEOUT))
                    || lapsed(self.output_at, NO_OUTPUT_TIMEOUT)
            }
            ("idle_reconciliation", reason) => {
                let fits = if is_answered {
                    end.status == "completed" && reason.is_none()
                } else {
                    end.status == "failed" && reason == Some("missing_assistant_reply")
                };
                fits && self.idle_at.is_some_and(|at| lapsed(at, IDLE_RECONCILIATION_DELAY))
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

    pub fn take_told(&mut self, now: Timestamp, told: &Told) {
        if *told == Told::Sent {
            self.idle_at = None;
            self.accepted_at = now;
            self.output_at = now;
            self.sign_at = now;
        }
    }

    pub fn take_command(&mut self, seen: &Observation, command: ToWrapper) -> Result<(), Violation> {
        if command == ToWrapper::Ping {
            // A ping that was not answered may be sent again to a wrapper that comes back.
            let repeats = self.pinged_at.is_some() && matches!(seen.input, Input::IngestOpened { .. });
            ensure!(
                repeats || self.sign_at + PING_INTERVAL <= seen.now,
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

    /// Judges that nothing that was due is still to come.
    pub fn conclude(&mut self, seen: &Observation, ledger: &Ledger) -> Result<(), Violation> {
        if self.run != ledger.run {
            self.run = ledger.run.clone();
            self.pinged_at = None;
            self.unconnected_since = seen.now;
        }
        if ledger.current_socket().is_some() {
            self.unconnected_since = seen.now;
        }
        let works = !ledger.accepted().is_empty();
        self.ping_binds &= works;
        if works && matches!(seen.input, Input::Wake) {
            let is_connected = ledger.current_socket().is_some();
            let due = [
                ("the grace", (!is_connected).then(|| self.unconnected_since.max(self.accepted_at).max(self.resumed_at) + DISCONNECT_GRACE)),
                ("the pong", self.pinged_at.filter(|_| self.ping_binds).map(|at| at + PONG_TIMEOUT)),
                ("the ping", (is_connected && self.pinged_at.is_none()).then(|| self.sign_at + PING_INTERVAL * 2)),
                ("the output", Some(self.output_at + NO_OUTPUT_TIMEOUT)),
                ("the reconciliation", self.idle_at.map(|at| at + IDLE_RECONCILIATION_DELAY)),
            ];
            for (what, at) in due {
                let at = at.map(|at| at.max(self.resumed_at + RESUME_DELAY));
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
}
