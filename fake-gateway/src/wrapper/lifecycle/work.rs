//! Turns: when they begin and end, and what kilo reports of that (R11.21, R11.50).
//!
//! What is reported of the answers is in `answers`, and the work after the last turn in `finalizing`.

use std::time::Duration;

use jiff::Timestamp;

use super::{Action, Lifecycle, Progress};
use crate::coverage::FakeEvent;
use crate::wrapper::events;
use crate::wrapper::turns::{Turn, TurnId};

impl Lifecycle {
    /// The agent's latency (R11.51).
    pub(super) fn latency(&self) -> Duration {
        self.behaviour.latency.map_or(self.latency, |latency| *latency)
    }

    /// Whether a turn runs or waits, or the work after the last turn is not over.
    pub(super) fn is_at_work(&self) -> bool {
        !self.turns.is_idle() || self.finalizing.is_some()
    }

    /// Begins the next turn if it is due and nothing else is being done.
    pub(super) fn begin_next_turn(&mut self, now: Timestamp) {
        let begins_at = self.turns.next_begins_at(self.latency());
        if self.finalizing.is_some() || begins_at.is_none_or(|begins_at| begins_at > now) {
            return;
        }
        let Some(Turn { id, prompt, .. }) = self.turns.begin_next(now) else {
            return;
        };
        let (id, prompt) = (*id, prompt.clone());
        self.emit_kilo(now, |kilo| kilo.status("busy"));
        self.emit_kilo(now, |kilo| kilo.user_message(&prompt.message_id, now));
        if let Some(text) = self.behaviour.take_fatal() {
            FakeEvent::Fatal.hit();
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
            Progress::ToolCalled(call) => self.add_tool(now, turn, call),
            Progress::Answered => self.finish_answer(now, turn),
            Progress::Finished => self.finish_turn(now, turn, None),
            Progress::Refused(message) => self.finish_turn(now, turn, Some(&message)),
            Progress::UnknownModel(message) => {
                FakeEvent::TurnWithUnknownModel.hit();
                self.turns.end_all();
                self.emit_kilo(now, |kilo| kilo.unknown_model(&message));
                self.emit(now, events::fatal(&message));
                self.last_error = Some(message);
                self.fall_idle(now);
            }
        }
    }

    /// Sends a `heartbeat` at each interval while a turn runs (R11.54).
    pub(super) fn keep_heartbeat(&mut self, now: Timestamp) {
        let Some(interval) = self.behaviour.heartbeat.filter(|_| self.turns.is_running()) else {
            self.heartbeat_at = None;
            return;
        };
        if self.heartbeat_at.is_some_and(|at| at <= now) {
            FakeEvent::Heartbeat.hit();
            self.emit(now, events::heartbeat());
            self.heartbeat_at = None;
        }
        self.heartbeat_at.get_or_insert(now + *interval);
    }

    fn finish_turn(&mut self, now: Timestamp, turn: TurnId, error: Option<&str>) {
        let event = match error {
            Some(_) => FakeEvent::TurnRefused,
            None if self.behaviour.unfinished_reply => FakeEvent::UnfinishedReply,
            None => FakeEvent::TurnFinished,
        };
        event.hit();
        if error.is_none() {
            self.lengthen(now, turn);
            self.change_parts(now, turn);
        }
        self.end_answer(now, turn, error);
        self.last_error = error.map(str::to_owned).or(self.last_error.take());
        let ended = self.turns.end().cloned().expect("the turn is running");

        let is_last = self.turns.is_idle();
        let is_overtaken = is_last && self.behaviour.ends_out_of_order;
        if !is_overtaken {
            self.report_answer(now, &ended);
        }
        if is_last {
            self.fall_idle(now);
        } else {
            self.emit_kilo(now, |kilo| kilo.status("idle"));
        }
        if is_overtaken {
            FakeEvent::EndsOutOfOrder.hit();
            self.report_answer(now, &ended);
        }
        self.repeat_answer_late(now, &ended);
        if is_last {
            self.finalize(now, Some(ended.prompt).filter(|_| error.is_none()));
        } else {
            self.begin_next_turn(now);
        }
    }

    /// Reports the messages of the latest turn and the status.
    pub(super) fn report_state(&mut self, now: Timestamp) {
        if let Some(turn) = self.turns.latest().cloned() {
            self.emit_kilo(now, |kilo| kilo.user_message(&turn.prompt.message_id, turn.begun));
            self.report_all_answers(now, &turn);
        }
        let status = if self.turns.is_idle() { "idle" } else { "busy" };
        self.emit_kilo(now, |kilo| kilo.status(status));
    }

    /// Reports that no turn is left.
    pub(super) fn fall_idle(&mut self, now: Timestamp) {
        self.emit_kilo(now, |kilo| kilo.status("idle"));
        self.emit_kilo(now, |kilo| kilo.idle());
    }

    /// Aborts the running and the waiting turns, and the work after them (R11.32). Does nothing if there is none.
    pub(super) fn abort(&mut self, now: Timestamp, reason: &str) {
        if !self.is_at_work() {
            return;
        }
        self.finalizing = None;
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
