//! Turns: what kilo reports of them, and what follows when all are done (protocol §11).

use std::time::Duration;

use jiff::Timestamp;

use super::{Action, Lifecycle, Progress};
use crate::wrapper::ask::{DEFAULT_BRANCH, Prompt};
use crate::wrapper::events;
use crate::wrapper::turns::{Assistant, Running, TurnId};

/// How long the ingest stays open after `complete`.
const LEAVE_AFTER: Duration = Duration::from_millis(250);

/// What in a prompt makes the gate of its turn fail.
const FAILING_GATE: &str = "gate-result=fail";

impl Lifecycle {
    /// Begins the next turn, if one waits and none runs.
    pub(super) fn begin_next_turn(&mut self, now: Timestamp) {
        let Some(Running { id, prompt, .. }) = self.turns.begin_next() else {
            return;
        };
        let (id, prompt) = (*id, prompt.clone());
        self.leave_at = None;
        self.emit_kilo(now, |kilo| kilo.status("busy"));
        self.emit_kilo(now, |kilo| kilo.user_message(&prompt.message_id, now));
        self.actions.push(Action::StartTurn(id, prompt));
    }

    /// The running turn went on.
    pub(super) fn turned(&mut self, now: Timestamp, turn: TurnId, progress: Progress) {
        // What an ended turn still had to say is nobody's business.
        if self.turns.running(turn).is_none() {
            return;
        }
        match progress {
            Progress::Begun => drop(self.begin_assistant(now, turn)),
            Progress::Text(text) => self.add_text(now, turn, &text),
            Progress::Finished => self.finish_turn(now, turn, None),
            Progress::Refused(message) => self.finish_turn(now, turn, Some(&message)),
            Progress::UnknownModel(message) => {
                self.turns.end_all();
                self.emit_kilo(now, |kilo| kilo.unknown_model(&message));
                self.emit(now, events::fatal(&message));
                self.fall_idle(now);
            }
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
        };
        running.assistant = Some(assistant.clone());
        self.emit_kilo(now, |kilo| kilo.assistant_begun(&assistant, &parent));
        (assistant, parent)
    }

    fn add_text(&mut self, now: Timestamp, turn: TurnId, more: &str) {
        let (mut assistant, _) = self.begin_assistant(now, turn);
        let (part, mut text) = assistant
            .part
            .unwrap_or_else(|| (self.identifiers.part(now), String::new()));
        text.push_str(more);
        self.emit_kilo(now, |kilo| kilo.part_delta(&assistant.id, &part, more));
        self.emit_kilo(now, |kilo| kilo.part_updated(&assistant.id, &part, &text));
        assistant.part = Some((part, text));
        if let Some(running) = self.turns.running(turn) {
            running.assistant = Some(assistant);
        }
    }

    fn finish_turn(&mut self, now: Timestamp, turn: TurnId, error: Option<&str>) {
        let (assistant, parent) = self.begin_assistant(now, turn);
        self.emit_kilo(now, |kilo| kilo.assistant_done(&assistant, &parent, now, error));
        let ended = self.turns.end();
        if !self.turns.is_idle() {
            self.emit_kilo(now, |kilo| kilo.status("idle"));
            self.begin_next_turn(now);
            return;
        }
        self.fall_idle(now);
        let prompt = ended.map(|running| running.prompt).filter(|_| error.is_none());
        self.finalize(now, prompt.as_ref());
    }

    /// Kilo has nothing left to run.
    fn fall_idle(&mut self, now: Timestamp) {
        self.emit_kilo(now, |kilo| kilo.status("idle"));
        self.emit_kilo(now, |kilo| kilo.idle());
    }

    /// Everything ran. What the last turn asked to follow it, follows only if that turn went well.
    fn finalize(&mut self, now: Timestamp, last: Option<&Prompt>) {
        if let Some(prompt) = last.filter(|prompt| prompt.finalization.auto_commit == Some(true)) {
            self.emit(now, events::auto_commit_started(&prompt.message_id));
            self.emit(now, events::auto_commit_completed(&prompt.message_id));
        }
        let session = self.session.as_ref().expect("a turn belongs to a session");
        let branch = session
            .binding
            .upstream_branch
            .as_deref()
            .unwrap_or(DEFAULT_BRANCH);
        let event = events::complete(branch, last.and_then(gate_result));
        self.emit(now, event);
        self.leave_at = Some(now + LEAVE_AFTER);
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
    pub(super) fn stop(&mut self, ended: Option<Running>) {
        self.actions
            .extend(ended.map(|running| Action::StopTurn(running.id)));
    }
}

/// The verdict of the gate that the turn asked for: it passes, unless the prompt says otherwise.
fn gate_result(prompt: &Prompt) -> Option<&'static str> {
    let threshold = prompt.finalization.gate_threshold.as_deref()?;
    let verdict = if prompt.text.contains(FAILING_GATE) {
        "fail"
    } else {
        "pass"
    };
    (threshold != "off").then_some(verdict)
}
