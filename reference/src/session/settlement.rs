//! The evidence for the end of messages (protocol §6).

use super::deadline::Deadline;
use super::frame::{Frame, Meaning};
use super::kilo::{KiloEvent, Reply as AssistantReply, ReplyEnd};
use super::step::Step;
use super::wrapper::CLOSE_STALE;
use super::{Effect, InterruptReport, Reply, Session, SocketId};
use crate::coverage::ServerMark;
use crate::identity::{MessageId, WrapperRunId};
use crate::legacy::model::Origin;
use crate::model::message::{GateResult, Outcome, Reason, Source, Status};

/// The error text of messages and executions that the user interrupted (R6.33).
pub(super) const INTERRUPTED_BY_USER: &str = "Interrupted by the user";
/// The error text of messages without an answer.
const NO_REPLY: &str = "The session is idle and no reply was seen";

impl Session {
    /// Handles a frame of a wrapper.
    pub(super) fn take_wrapper_frame(&mut self, socket: SocketId, frame: &Frame, step: &mut Step) -> Reply {
        let Some(run) = self.wrapper.run_of_socket(socket) else {
            ServerMark::StaleFrame.hit();
            step.effect(Effect::Close(socket, CLOSE_STALE));
            return Reply::None;
        };
        self.relay(Origin::default(), frame, step);
        if !frame.is_sign_of_life_only() {
            self.supervision.note_output(step);
        }
        match frame.meaning() {
            Meaning::Pong => self.supervision.note_pong(step),
            Meaning::Kilo(event) => self.take_kilo_event(&run, event, step),
            Meaning::Complete { branch, gate_result } => {
                self.note_branch(branch.as_deref(), step);
                self.take_complete(&run, *gate_result, step);
            }
            Meaning::Interrupted { text } => {
                ServerMark::WrapperInterrupted.hit();
                self.end_with_run(&run, &interrupted(text), step);
                self.stream.report_ready_again(step);
            }
            Meaning::FatalError { text } => self.take_fatal_error(&run, text, step),
            Meaning::Heartbeat | Meaning::Resumed | Meaning::Other => {}
        }
        Reply::None
    }

    /// Records the branch of a `complete` (R6.18).
    pub(super) fn note_branch(&mut self, branch: Option<&str>, step: &mut Step) {
        if let Some(branch) = branch {
            ServerMark::BranchReported.hit();
            step.write_core();
            self.reported_branch = Some(branch.to_owned());
        }
    }

    fn take_kilo_event(&mut self, run: &WrapperRunId, event: &KiloEvent, step: &mut Step) {
        let root = self.metadata.identity.kilo_session_id.as_ref();
        let is_root = |session: &Option<String>| root.is_some() && session.as_ref() == root;
        match event {
            KiloEvent::MessageUpdated { id, reply } => {
                self.wrapper.note_reported(id.as_deref());
                if let Some(reply) = reply {
                    // The wrapper reports a message also by its answer (R4.22).
                    self.wrapper.note_reported(Some(reply.answers.as_str()));
                    self.take_assistant_reply(run, reply, step);
                }
            }
            KiloEvent::SessionStatus { session, is_busy } if *is_busy && is_root(session) => {
                // The idle may have been late and belong to an earlier turn (R7.5).
                self.supervision.clear(&Deadline::Reconciliation, step);
                self.wrapper.note_root_busy();
            }
            KiloEvent::SessionIdle { session } if is_root(session) => {
                ServerMark::RootIdle.hit();
                self.wrapper.note_root_idle(step.now);
                self.supervision.note_root_idle(self.queue.has_accepted(), step);
                self.finalize_batch_if_due(step);
            }
            // The idle of a child session has no effect (R7.15).
            KiloEvent::SessionIdle { .. } => ServerMark::ChildIdle.hit(),
            _ => {}
        }
    }

    /// Accepts the message in delivery if the wrapper has reported it (R4.22). The answer to the delivery may arrive too
    /// late for events that end all accepted messages.
    fn accept_what_was_taken(&mut self, run: &WrapperRunId, step: &mut Step) {
        if let Some(message) = self.wrapper.taken().cloned() {
            self.accept_on_evidence(&message, run, step);
        }
    }

    fn take_assistant_reply(&mut self, run: &WrapperRunId, reply: &AssistantReply, step: &mut Step) {
        let (Some(end), true) = (&reply.end, self.queue.find(&reply.answers).is_some()) else {
            return;
        };
        // A message that ended was accepted.
        self.accept_on_evidence(&reply.answers, run, step);
        let (status, reason, error) = match end {
            ReplyEnd::Completed => {
                ServerMark::AssistantCompleted.hit();
                (Status::Completed, None, None)
            }
            ReplyEnd::Failed(error) => {
                ServerMark::AssistantFailed.hit();
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

    /// Handles the end of a run that has finished its work (R6.18–R6.23).
    fn take_complete(&mut self, run: &WrapperRunId, gate_result: Option<GateResult>, step: &mut Step) {
        self.accept_what_was_taken(run, step);
        let unfinished: Vec<MessageId> = self
            .queue
            .accepted_by(run)
            .map(|message| message.id.clone())
            .collect();
        self.end_by_transcript(&unfinished, step);
        self.observe_gate(run, gate_result, step);
        let delivery = self.wrapper.delivery();
        if delivery.is_some_and(|delivery| self.queue.message(&delivery.message).is_queued()) {
            // The event may be older than the delivery, whose message is about to become the run's work (R6.21).
            ServerMark::CompletedWithWork.hit();
        } else {
            ServerMark::Completed.hit();
            self.wrapper.cancel_delivery(step);
            self.clear_run(step);
        }
        self.stream.report_ready_again(step);
        self.finalize_batch_without_idle(step);
        self.schedule_drain_if_pending(step);
    }

    fn take_fatal_error(&mut self, run: &WrapperRunId, text: &str, step: &mut Step) {
        ServerMark::WrapperFatal.hit();
        let outcome = Outcome {
            status: Status::Failed,
            source: Source::WrapperFailure,
            reason: Some(Reason::WrapperError),
            error: Some(text.to_owned()),
            assistant_message_id: None,
        };
        // An acceptance reports another status.
        self.accept_what_was_taken(run, step);
        self.stream.report_error(text, step);
        self.end_with_run(run, &outcome, step);
    }

    /// Ends a run, and all its accepted messages, by an event of its wrapper (R6.14, R6.34).
    fn end_with_run(&mut self, run: &WrapperRunId, outcome: &Outcome, step: &mut Step) {
        self.accept_what_was_taken(run, step);
        self.end_accepted_of(run, outcome, step);
        self.end_delivery_with_run(outcome, step);
        self.clear_run(step);
        self.finalize_batch_without_idle(step);
        self.schedule_drain_if_pending(step);
    }

    /// Interrupts all pending messages, then all accepted ones (R6.24). With nothing to interrupt it does nothing (R6.29).
    pub(super) fn interrupt(&mut self, step: &mut Step) -> Reply {
        let pending: Vec<MessageId> = self.queue.queued().map(|message| message.id.clone()).collect();
        let accepted: Vec<MessageId> = self.queue.accepted().map(|message| message.id.clone()).collect();
        for id in &pending {
            ServerMark::UserInterruptPending.hit();
            self.end(id, interrupted(INTERRUPTED_BY_USER), step);
        }
        for id in &accepted {
            ServerMark::UserInterruptAccepted.hit();
            self.end(id, interrupted(INTERRUPTED_BY_USER), step);
        }
        let interrupted = pending.len() + accepted.len();
        if interrupted > 0 {
            // With only pending messages and no delivery the run is kept (R6.27).
            if !accepted.is_empty() || self.wrapper.delivery().is_some() {
                self.stop_wrapper(step);
            }
            self.stream.report_ready_again(step);
            self.finalize_batch_without_idle(step);
        } else {
            ServerMark::UserInterruptNothing.hit();
        }
        let (imported, imported_stopped) = self.interrupt_imported(step);
        Reply::Interrupt(InterruptReport {
            interrupted,
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

    /// Ends messages by the transcript.
    pub(super) fn end_by_transcript(&mut self, messages: &[MessageId], step: &mut Step) {
        for id in messages {
            let outcome = self.outcome_by_transcript(id, step);
            self.end(id, outcome, step);
        }
    }

    /// The outcome of a message of which no other end is expected, by the assistant's answers to it (R7.21–R7.24).
    fn outcome_by_transcript(&self, message: &MessageId, step: &Step) -> Outcome {
        let (assistant_message_id, end) = match self.transcript.reply_to(message) {
            Some(reply) => (Some(reply.assistant_message_id), reply.end),
            None => (None, None),
        };
        let is_unfinished = assistant_message_id.is_some() && end.is_none();
        let (status, reason, error) = match end {
            Some(ReplyEnd::Failed(error)) => {
                ServerMark::ReconciledWithError.hit();
                (Status::Failed, Some(Reason::AssistantError), Some(error))
            }
            Some(ReplyEnd::Completed) => {
                ServerMark::ReconciledWithReply.hit();
                (Status::Completed, None, None)
            }
            None if is_unfinished && step.profile.unfinished_reply_counts => {
                ServerMark::ReconciledWithReply.hit();
                (Status::Completed, None, None)
            }
            None => {
                ServerMark::ReconciledWithoutReply.hit();
                let reason = Some(Reason::MissingAssistantReply);
                (Status::Failed, reason, Some(NO_REPLY.to_owned()))
            }
        };
        Outcome {
            status,
            source: Source::IdleReconciliation,
            reason,
            error,
            assistant_message_id,
        }
    }
}

fn interrupted(text: &str) -> Outcome {
    Outcome {
        status: Status::Interrupted,
        source: Source::Interrupt,
        reason: Some(Reason::Interrupted),
        error: Some(text.to_owned()),
        assistant_message_id: None,
    }
}
