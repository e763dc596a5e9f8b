//! Turns: what kilo reports of them, and what follows the last one (R11.21, R11.22).

use std::time::Duration;

use jiff::Timestamp;
use turnstile_fault::GateVerdict;

use super::{Action, Lifecycle, Progress};
use crate::coverage::FakeEvent;
use crate::wrapper::binding::DEFAULT_BRANCH;
use crate::wrapper::events::{self, Event, Kilo};
use crate::wrapper::request::Prompt;
use crate::wrapper::turns::{Assistant, Turn, TurnId};

/// How long the ingest stays open after `complete` (R11.23).
const LEAVE_AFTER: Duration = Duration::from_millis(250);

/// Exit code of a wrapper that completed, whatever the results of its turns.
const EXIT_CODE: i32 = 0;

/// Marker in a prompt that makes its gate fail (R11.24).
const FAILING_GATE: &str = "gate-result=fail";

/// Content of the misbehaviour `babble`; 1 KiB per repetition.
const BABBLE: &str = "babbles ";
const BABBLE_TIMES: usize = 128;

/// Error of the misbehaviour `late`.
const LATE: &str = "late";

impl Lifecycle {
    /// Begins the next turn if no turn runs and one waits.
    pub(super) fn begin_next_turn(&mut self, now: Timestamp) {
        let Some(Turn { id, prompt, .. }) = self.turns.begin_next(now) else {
            return;
        };
        let (id, prompt) = (*id, prompt.clone());
        if self.leave_at.take().is_some() {
            FakeEvent::BusyAgain.reach();
        }
        self.emit_kilo(now, |kilo| kilo.status("busy"));
        self.emit_kilo(now, |kilo| kilo.user_message(&prompt.message_id, now));
        if let Some(text) = self.behaviour.take_fatal() {
            FakeEvent::Fatal.reach();
            self.turns.end_all();
            self.emit(now, events::fatal(&text));
            self.last_error = Some(text);
            self.fall_idle(now);
            return;
        }
        self.actions.push(Action::StartTurn(id, prompt));
    }

    /// Handles progress of a gateway call.
    pub(super) fn handle_progress(&mut self, now: Timestamp, turn: TurnId, progress: Progress) {
        // Ignore late reports of an ended turn.
        if self.turns.running(turn).is_none() {
            return;
        }
        match progress {
            Progress::Begun => self.begin_reply(now, turn),
            Progress::Text(text) => self.add_text(now, turn, &text),
            Progress::Finished => self.finish_turn(now, turn, None),
            Progress::Refused(message) => self.finish_turn(now, turn, Some(&message)),
            Progress::UnknownModel(message) => {
                FakeEvent::TurnWithUnknownModel.reach();
                self.turns.end_all();
                self.emit_kilo(now, |kilo| kilo.unknown_model(&message));
                self.emit(now, events::fatal(&message));
                self.last_error = Some(message);
                self.fall_idle(now);
            }
        }
    }

    /// Handles the start of the answer, including the misbehaviours that send events at that time.
    fn begin_reply(&mut self, now: Timestamp, turn: TurnId) {
        let (assistant, _) = self.begin_assistant(now, turn);
        if self.behaviour.babble > 0 {
            FakeEvent::Babble.reach();
            let (part, text) = (self.identifiers.part(now), BABBLE.repeat(BABBLE_TIMES));
            for _ in 0..self.behaviour.babble {
                self.emit_kilo(now, |kilo| kilo.part_delta(&assistant.id, &part, &text));
            }
        }
        if self.behaviour.child_idle {
            FakeEvent::ChildIdle.reach();
            let session_id = &self.identifiers.kilo_session();
            self.emit(now, Kilo { session_id }.idle());
        }
    }

    /// Returns the assistant's message of the running turn, which begins now if needed, and the user message
    /// that it answers.
    fn begin_assistant(&mut self, now: Timestamp, turn: TurnId) -> (Assistant, String) {
        let running = self.turns.running(turn).expect("the turn is running");
        let parent = running.prompt.message_id.clone();
        if let Some(assistant) = &running.assistant {
            return (assistant.clone(), parent);
        }
        let assistant = Assistant {
            id: self.identifiers.message(now),
            created: now,
            part: None,
            completed: None,
            error: None,
        };
        running.assistant = Some(assistant.clone());
        self.emit_reply(now, |kilo| kilo.assistant_message(&assistant, &parent));
        (assistant, parent)
    }

    fn add_text(&mut self, now: Timestamp, turn: TurnId, more: &str) {
        let (mut assistant, _) = self.begin_assistant(now, turn);
        let (part, mut text) = assistant
            .part
            .unwrap_or_else(|| (self.identifiers.part(now), String::new()));
        text.push_str(more);
        self.emit_reply(now, |kilo| kilo.part_delta(&assistant.id, &part, more));
        self.emit_reply(now, |kilo| kilo.part_updated(&assistant.id, &part, &text));
        assistant.part = Some((part, text));
        if let Some(running) = self.turns.running(turn) {
            running.assistant = Some(assistant);
        }
    }

    fn finish_turn(&mut self, now: Timestamp, turn: TurnId, error: Option<&str>) {
        let (mut assistant, _) = self.begin_assistant(now, turn);
        let event = match error {
            Some(_) => FakeEvent::TurnRefused,
            None if self.behaviour.unfinished_reply => FakeEvent::UnfinishedReply,
            None => FakeEvent::TurnFinished,
        };
        event.reach();
        assistant.completed = (!self.behaviour.unfinished_reply).then_some(now);
        assistant.error = error.map(str::to_owned);
        self.last_error = assistant.error.clone().or(self.last_error.take());
        let running = self.turns.running(turn).expect("the turn is running");
        running.assistant = Some(assistant);
        let ended = self.turns.end().cloned().expect("the turn is running");

        let is_last = self.turns.is_idle();
        let is_overtaken = is_last && self.behaviour.ends_out_of_order;
        if !is_overtaken {
            self.report_reply(now, &ended);
        }
        if is_last {
            self.fall_idle(now);
        } else {
            self.emit_kilo(now, |kilo| kilo.status("idle"));
        }
        if is_overtaken {
            FakeEvent::EndsOutOfOrder.reach();
            self.report_reply(now, &ended);
        }
        self.repeat_reply_late(now, &ended);
        if is_last {
            self.finalize(now, Some(&ended.prompt).filter(|_| error.is_none()));
        } else {
            self.begin_next_turn(now);
        }
    }

    /// Reports the assistant's message of a turn.
    fn report_reply(&mut self, now: Timestamp, turn: &Turn) {
        if let Some(assistant) = &turn.assistant {
            let parent = &turn.prompt.message_id;
            self.emit_reply(now, |kilo| kilo.assistant_message(assistant, parent));
        }
    }

    fn repeat_reply_late(&mut self, now: Timestamp, ended: &Turn) {
        let mut ended = ended.clone();
        if let Some(assistant) = &mut ended.assistant {
            assistant.error = Some(LATE.to_owned());
        }
        for _ in 0..self.behaviour.late {
            FakeEvent::LateReply.reach();
            self.report_reply(now, &ended);
        }
    }

    /// Reports an event of the assistant's message, unless misbehaviour suppresses it.
    fn emit_reply(&mut self, now: Timestamp, event: impl FnOnce(Kilo<'_>) -> Event) {
        if self.behaviour.no_reply {
            FakeEvent::NoReply.reach();
            return;
        }
        self.emit_kilo(now, event);
    }

    /// Reports the messages of the latest turn and the status.
    pub(super) fn report_state(&mut self, now: Timestamp) {
        if let Some(turn) = self.turns.latest().cloned() {
            self.emit_kilo(now, |kilo| kilo.user_message(&turn.prompt.message_id, turn.begun));
            self.report_reply(now, &turn);
            if let Some(assistant) = turn.assistant
                && let Some((part, text)) = assistant.part
            {
                self.emit_reply(now, |kilo| kilo.part_updated(&assistant.id, &part, &text));
            }
        }
        let status = if self.turns.is_idle() { "idle" } else { "busy" };
        self.emit_kilo(now, |kilo| kilo.status(status));
    }

    /// Reports that no turn is left.
    fn fall_idle(&mut self, now: Timestamp) {
        self.emit_kilo(now, |kilo| kilo.status("idle"));
        self.emit_kilo(now, |kilo| kilo.idle());
    }

    /// Does the work after the last turn (R11.22). `last` is that turn's prompt if the turn succeeded.
    fn finalize(&mut self, now: Timestamp, last: Option<&Prompt>) {
        if let Some(prompt) = last.filter(|prompt| prompt.finalization.auto_commit == Some(true)) {
            FakeEvent::AutoCommitted.reach();
            self.emit(now, events::auto_commit_started(&prompt.message_id));
            self.emit(now, events::auto_commit_completed(&prompt.message_id));
        }
        let complete = self.behaviour.complete.clone().unwrap_or_default();
        if complete.never {
            FakeEvent::NeverComplete.reach();
            return;
        }
        FakeEvent::Completed.reach();
        for (is_set, event) in [
            (complete.gate.is_some(), FakeEvent::CompleteGate),
            (complete.branch.is_some(), FakeEvent::CompleteBranch),
            (complete.exit_code.is_some(), FakeEvent::CompleteExitCode),
        ] {
            if is_set {
                event.reach();
            }
        }
        let session = self.session.as_ref().expect("a turn belongs to a session");
        let branch = complete
            .branch
            .as_deref()
            .or(session.binding.upstream_branch.as_deref())
            .unwrap_or(DEFAULT_BRANCH);
        let gate = complete.gate.or_else(|| last.and_then(gate_result));
        if gate.is_some() && complete.gate.is_none() {
            FakeEvent::CompletedWithGate.reach();
        }
        let event = events::complete(complete.exit_code.unwrap_or(EXIT_CODE), branch, gate);
        self.emit(now, event);
        if !self.behaviour.silent {
            self.leave_at = Some(now + LEAVE_AFTER);
        }
    }

    /// Aborts the running and the waiting turns (R11.32). Does nothing if there are none.
    pub(super) fn abort(&mut self, now: Timestamp, reason: &str) {
        if self.turns.is_idle() {
            return;
        }
        let ended = self.turns.end_all();
        self.stop(ended);
        self.emit(now, events::interrupted(reason));
        self.fall_idle(now);
    }

    /// Cancels the gateway call of an ended turn.
    pub(super) fn stop(&mut self, ended: Option<TurnId>) {
        self.actions.extend(ended.map(Action::StopTurn));
    }
}

/// The result of the requested gate (R11.24, R11.25).
fn gate_result(prompt: &Prompt) -> Option<GateVerdict> {
    let threshold = prompt.finalization.gate_threshold.as_deref()?;
    let verdict = if prompt.text.contains(FAILING_GATE) {
        GateVerdict::Fail
    } else {
        GateVerdict::Pass
    };
    (threshold != "off").then_some(verdict)
}
