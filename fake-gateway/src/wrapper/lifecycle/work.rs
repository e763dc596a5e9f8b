//! Turns: what kilo reports of them, and what follows when all are done (protocol §11).

use std::time::Duration;

use jiff::Timestamp;
use turnstile_fault::GateVerdict;

use super::{Action, Lifecycle, Progress};
use crate::coverage::Deed;
use crate::wrapper::ask::{DEFAULT_BRANCH, Prompt};
use crate::wrapper::events::{self, Event, Kilo};
use crate::wrapper::turns::{Assistant, Turn, TurnId};

/// How long the ingest stays open after `complete`.
const LEAVE_AFTER: Duration = Duration::from_millis(250);

/// How a wrapper ends that has done its work, whatever became of the turns.
const EXIT_CODE: i32 = 0;

/// What in a prompt makes the gate of its turn fail.
const FAILING_GATE: &str = "gate-result=fail";

/// What a babbling wrapper says at a time, 1 KiB in all.
const BABBLE: &str = "babbles ";
const BABBLE_TIMES: usize = 128;

/// The error of a reply that is reported again after its turn.
const LATE: &str = "late";

impl Lifecycle {
    /// Begins the next turn, if one waits and none runs.
    pub(super) fn begin_next_turn(&mut self, now: Timestamp) {
        let Some(Turn { id, prompt, .. }) = self.turns.begin_next(now) else {
            return;
        };
        let (id, prompt) = (*id, prompt.clone());
        if self.leave_at.take().is_some() {
            Deed::BusyAgain.reach();
        }
        self.emit_kilo(now, |kilo| kilo.status("busy"));
        self.emit_kilo(now, |kilo| kilo.user_message(&prompt.message_id, now));
        if let Some(text) = self.behaviour.take_fatal() {
            Deed::Fatal.reach();
            self.turns.end_all();
            self.emit(now, events::fatal(&text));
            self.fall_idle(now);
            return;
        }
        self.actions.push(Action::StartTurn(id, prompt));
    }

    /// The running turn went on.
    pub(super) fn turned(&mut self, now: Timestamp, turn: TurnId, progress: Progress) {
        // What an ended turn still had to say is nobody's business.
        if self.turns.running(turn).is_none() {
            return;
        }
        match progress {
            Progress::Begun => self.begin_reply(now, turn),
            Progress::Text(text) => self.add_text(now, turn, &text),
            Progress::Finished => self.finish_turn(now, turn, None),
            Progress::Refused(message) => self.finish_turn(now, turn, Some(&message)),
            Progress::UnknownModel(message) => {
                Deed::TurnWithUnknownModel.reach();
                self.turns.end_all();
                self.emit_kilo(now, |kilo| kilo.unknown_model(&message));
                self.emit(now, events::fatal(&message));
                self.fall_idle(now);
            }
        }
    }

    /// The model answers. Here belongs what a misbehaving kilo reports besides.
    fn begin_reply(&mut self, now: Timestamp, turn: TurnId) {
        let (assistant, _) = self.begin_assistant(now, turn);
        if self.behaviour.babble > 0 {
            Deed::Babbles.reach();
            let (part, text) = (self.identifiers.part(now), BABBLE.repeat(BABBLE_TIMES));
            for _ in 0..self.behaviour.babble {
                self.emit_kilo(now, |kilo| kilo.part_delta(&assistant.id, &part, &text));
            }
        }
        if self.behaviour.child_idle {
            Deed::ChildIdle.reach();
            let session_id = &self.identifiers.kilo_session();
            self.emit(now, Kilo { session_id }.idle());
        }
    }

    /// The assistant's message of the running turn, begun now if it was not before, and the message
    /// that it answers.
    fn begin_assistant(&mut self, now: Timestamp, turn: TurnId) -> (Assistant, String) {
        let running = self
            .turns
            .running(turn)
            .expect("only the running turn is looked at");
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
        let deed = match error {
            Some(_) => Deed::TurnRefused,
            None if self.behaviour.unfinished_reply => Deed::UnfinishedReply,
            None => Deed::TurnFinished,
        };
        deed.reach();
        assistant.completed = (!self.behaviour.unfinished_reply).then_some(now);
        assistant.error = error.map(str::to_owned);
        let running = self
            .turns
            .running(turn)
            .expect("only the running turn is looked at");
        running.assistant = Some(assistant);
        let ended = self.turns.end().cloned().expect("the turn runs until now");

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
            Deed::EndsOutOfOrder.reach();
            self.report_reply(now, &ended);
        }
        self.repeat_reply_late(now, &ended);
        if is_last {
            self.finalize(now, Some(&ended.prompt).filter(|_| error.is_none()));
        } else {
            self.begin_next_turn(now);
        }
    }

    /// Reports the assistant's message of a turn as it stands.
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
            Deed::LateReply.reach();
            self.report_reply(now, &ended);
        }
    }

    /// Reports something of the assistant's message, where the wrapper reports that at all.
    fn emit_reply(&mut self, now: Timestamp, event: impl FnOnce(Kilo<'_>) -> Event) {
        if self.behaviour.no_reply {
            Deed::NoReply.reach();
            return;
        }
        self.emit_kilo(now, event);
    }

    /// Reports the messages of the latest turn as they stand, and whether kilo is at work.
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

    /// Kilo has nothing left to run.
    fn fall_idle(&mut self, now: Timestamp) {
        self.emit_kilo(now, |kilo| kilo.status("idle"));
        self.emit_kilo(now, |kilo| kilo.idle());
    }

    /// Everything ran. What the last turn asked to follow it, follows only if that turn went well.
    fn finalize(&mut self, now: Timestamp, last: Option<&Prompt>) {
        if let Some(prompt) = last.filter(|prompt| prompt.finalization.auto_commit == Some(true)) {
            Deed::AutoCommitted.reach();
            self.emit(now, events::auto_commit_started(&prompt.message_id));
            self.emit(now, events::auto_commit_completed(&prompt.message_id));
        }
        let told = self.behaviour.complete.clone().unwrap_or_default();
        if told.never {
            Deed::NeverComplete.reach();
            return;
        }
        Deed::Completed.reach();
        for (is_told, deed) in [
            (told.gate.is_some(), Deed::CompleteGate),
            (told.branch.is_some(), Deed::CompleteBranch),
            (told.exit_code.is_some(), Deed::CompleteExitCode),
        ] {
            if is_told {
                deed.reach();
            }
        }
        let session = self.session.as_ref().expect("a turn belongs to a session");
        let branch = told
            .branch
            .as_deref()
            .or(session.binding.upstream_branch.as_deref())
            .unwrap_or(DEFAULT_BRANCH);
        let gate = told.gate.or_else(|| last.and_then(gate_result));
        if gate.is_some() && told.gate.is_none() {
            Deed::CompletedWithGate.reach();
        }
        let event = events::complete(told.exit_code.unwrap_or(EXIT_CODE), branch, gate);
        self.emit(now, event);
        if !self.behaviour.silent {
            self.leave_at = Some(now + LEAVE_AFTER);
        }
    }

    /// Aborts the running turn and the waiting ones. If there are none, there is nothing to report.
    pub(super) fn abort(&mut self, now: Timestamp, reason: &str) {
        if self.turns.is_idle() {
            return;
        }
        let ended = self.turns.end_all();
        self.stop(ended);
        self.emit(now, events::interrupted(reason));
        self.fall_idle(now);
    }

    /// Drops the gateway call of a turn that was ended.
    pub(super) fn stop(&mut self, ended: Option<TurnId>) {
        self.actions.extend(ended.map(Action::StopTurn));
    }
}

/// The verdict of the gate that the turn asked for: it passes, unless the prompt says otherwise.
fn gate_result(prompt: &Prompt) -> Option<GateVerdict> {
    let threshold = prompt.finalization.gate_threshold.as_deref()?;
    let verdict = if prompt.text.contains(FAILING_GATE) {
        GateVerdict::Fail
    } else {
        GateVerdict::Pass
    };
    (threshold != "off").then_some(verdict)
}
