//! The evidence for the end of messages (protocol §6).

use super::deadline::Deadline;
use super::frame::{Frame, Meaning};
use super::kilo::{KiloEvent, Reply as AssistantReply, ReplyEnd};
use super::step::Step;
use super::wrapper::CLOSE_STALE;
use super::{Effect, InterruptReport, Reply, Session, SocketId, ToWrapper};
use crate::coverage::Row;
use crate::identity::{MessageId, WrapperRunId};
use crate::legacy::model::Origin;
use crate::model::message::{GateResult, Outcome, Reason, Source, Status};

impl Session {
    /// Handles a frame of a wrapper.
    pub(super) fn take_wrapper_frame(&mut self, socket: SocketId, frame: &Frame, step: &mut Step) -> Reply {
        let Some(run) = self.wrapper.run_of_socket(socket) else {
            Row::StaleFrame.reach();
            step.effect(Effect::Close(socket, CLOSE_STALE));
            return Reply::None;
        };
        self.relay(Origin::default(), frame, step);
        self.supervision.note_output(!frame.is_sign_of_life_only(), step);
        match frame.meaning() {
            Meaning::Pong => self.supervision.note_pong(step),
            Meaning::Kilo(event) => self.take_kilo_event(&run, event, step),
            Meaning::Complete { branch, gate_result } => {
                self.note_branch(branch.as_deref(), step);
                self.take_complete(&run, *gate_result, step);
            }
            Meaning::Interrupted => {
                Row::WrapperInterrupted.reach();
                self.wrapper.note_stopped(&run, step);
                self.accept_what_was_taken(&run, step);
                self.end_accepted_of(&run, &interrupted(), step);
                self.waive_gate_of(&run, step);
                self.finalize_batch_without_idle(step);
            }
            Meaning::FatalError { text } => self.take_fatal_error(&run, text, step),
            Meaning::Heartbeat | Meaning::Resumed | Meaning::Other => {}
        }
        Reply::None
    }

    /// Records the branch of a `complete` (R6.18).
    pub(super) fn note_branch(&mut self, branch: Option<&str>, step: &mut Step) {
        if let Some(branch) = branch {
            Row::BranchReported.reach();
            step.write_core();
            self.reported_branch = Some(branch.to_owned());
        }
    }

    fn take_kilo_event(&mut self, run: &WrapperRunId, event: &KiloEvent, step: &mut Step) {
        let root = self.metadata.identity.kilo_session_id.as_ref();
        let is_root = |session: &Option<String>| root.is_some() && session.as_ref() == root;
        match event {
            KiloEvent::MessageUpdated { id, reply } => {
                if let Some(reply) = reply {
                    self.take_assistant_reply(run, reply, step);
                }
                self.wrapper.note_shown(run, id.as_deref());
            }
            KiloEvent::SessionStatus { session, is_busy } if *is_busy && is_root(session) => {
                // The idle may have been late and belong to an earlier turn (R7.5).
                self.supervision.clear(&Deadline::Reconciliation, step);
            }
            KiloEvent::SessionIdle { session } if is_root(session) => {
                Row::RootIdle.reach();
                self.supervision.note_root_idle(self.queue.has_accepted(), step);
                self.finalize_batch_if_due(step);
            }
            // The idle of a child session has no effect (R7.15).
            KiloEvent::SessionIdle { .. } => Row::ChildIdle.reach(),
            _ => {}
        }
    }

    /// Accepts the message in delivery if the wrapper has shown that it has it. The answer to the delivery may arrive
    /// too late for events that end all accepted messages.
    fn accept_what_was_taken(&mut self, run: &WrapperRunId, step: &mut Step) {
        if let Some(message) = self.wrapper.shown_by(run).cloned() {
            Row::EvidenceBeforeReply.reach();
            self.accept(&message, run, step);
        }
    }

    fn take_assistant_reply(&mut self, run: &WrapperRunId, reply: &AssistantReply, step: &mut Step) {
        let (Some(end), true) = (&reply.end, self.queue.find(&reply.answers).is_some()) else {
            return;
        };
        if self.queue.message(&reply.answers).is_queued() {
            Row::EvidenceBeforeReply.reach();
        }
        // A message that ended was accepted, even if the answer to its delivery is outstanding (R4.22).
        self.accept(&reply.answers, run, step);
        let (status, reason, error) = match end {
            ReplyEnd::Completed => {
                Row::AssistantCompleted.reach();
                (Status::Completed, None, None)
            }
            ReplyEnd::Failed(error) => {
                Row::AssistantFailed.reach();
                (Status::Failed, Some(Reason::AssistantError), Some(error.clone()))
            }
        };
        let outcome = Outcome {
            status,
            source: Source::AssistantMessageEvent,
            reason,
            error,
            assistant_message_id: Some(reply.assistant_message_id.clone()),
        };
        self.end(&reply.answers, outcome, step);
        // The idle may have arrived before the reply.
        self.finalize_batch_if_due(step);
    }

    fn take_complete(&mut self, run: &WrapperRunId, gate_result: Option<GateResult>, step: &mut Step) {
        self.wrapper.note_stopped(run, step);
        self.observe_gate(run, gate_result, step);
        // A message in delivery to this run is about to become its work (R6.21).
        let has_work = self.queue.accepted_by(run).next().is_some() || self.wrapper.is_delivering_to(run);
        if !has_work && self.wrapper.is_current(run) {
            Row::Completed.reach();
            self.clear_run(step);
        } else {
            Row::CompletedWithWork.reach();
        }
        self.stream.report_ready(step);
        self.finalize_batch_without_idle(step);
        self.schedule_drain_if_pending(step);
    }

    fn take_fatal_error(&mut self, run: &WrapperRunId, text: &str, step: &mut Step) {
        Row::WrapperFatal.reach();
        let outcome = Outcome {
            status: Status::Failed,
            source: Source::WrapperFailure,
            reason: Some(Reason::WrapperError),
            error: Some(text.to_owned()),
            assistant_message_id: None,
        };
        self.stream.report_error(text, step);
        self.accept_what_was_taken(run, step);
        self.end_accepted_of(run, &outcome, step);
        self.waive_gate_of(run, step);
        self.finalize_batch_without_idle(step);
        self.schedule_drain_if_pending(step);
    }

    /// Interrupts all accepted messages, then all pending ones (R6.24).
    pub(super) fn interrupt(&mut self, step: &mut Step) -> Reply {
        let mut to_end: Vec<MessageId> = self.queue.accepted().map(|message| message.id.clone()).collect();
        to_end.extend(self.queue.queued().map(|message| message.id.clone()));
        for id in &to_end {
            match self.queue.message(id).is_queued() {
                true => Row::UserInterruptPending.reach(),
                false => Row::UserInterruptAccepted.reach(),
            }
            self.end(id, interrupted(), step);
        }
        if to_end.is_empty() {
            Row::UserInterruptNothing.reach();
        }
        let (imported, imported_stopped) = self.interrupt_imported(step);
        let command_sent = if to_end.is_empty() {
            self.wrapper.send(ToWrapper::Kill, step)
        } else {
            self.wrapper.demand_stop(step)
        };
        if !command_sent && self.wrapper.delivery().is_some() {
            // Without a socket the kill cannot be sent, and the delivery must not delay the next message (R6.28).
            self.stop_wrapper(step);
        }
        self.stream.report_ready_if_preparing(step);
        self.finalize_batch_without_idle(step);
        Reply::Interrupt(InterruptReport {
            interrupted: to_end.len(),
            imported,
            imported_stopped,
        })
    }

    /// Ends all unfinished messages that `run` accepted.
    pub(super) fn end_accepted_of(&mut self, run: &WrapperRunId, outcome: &Outcome, step: &mut Step) {
        let to_end: Vec<MessageId> = self
            .queue
            .accepted_by(run)
            .map(|message| message.id.clone())
            .collect();
        for id in to_end {
            self.end(&id, outcome.clone(), step);
        }
    }
}

fn interrupted() -> Outcome {
    Outcome {
        status: Status::Interrupted,
        source: Source::Interrupt,
        reason: Some(Reason::Interrupted),
        error: None,
        assistant_message_id: None,
    }
}
