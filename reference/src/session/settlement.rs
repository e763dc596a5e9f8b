//! Evidence of a turn's end, and what it makes of the message (protocol §6).

use jiff::Timestamp;

use super::frame::{Frame, Meaning, part_entity};
use super::kilo::{KiloEvent, Reply as AssistantReply, ReplyEnd};
use super::supervision::Deadline;
use super::wrapper::CLOSE_STALE;
use super::{Decision, Effect, InterruptReport, Reply, Session, SocketId};
use crate::coverage::Row;
use crate::identity::{MessageId, WrapperRunId};
use crate::legacy::model::Origin;
use crate::model::message::{GateResult, Outcome, Reason, Source, Status};

impl Session {
    /// A frame came from a wrapper.
    pub(super) fn take_wrapper_frame(
        &mut self,
        now: Timestamp,
        socket: SocketId,
        frame: &Frame,
        decision: &mut Decision,
    ) -> Reply {
        let Some(run) = self.run_of_socket(socket) else {
            Row::StaleFrame.reach();
            decision.effects.push(Effect::Close(socket, CLOSE_STALE));
            return Reply::None;
        };
        self.pass_on(now, Origin::default(), frame, decision);
        self.note_output(now, !frame.is_sign_of_life_only(), decision);
        match frame.meaning() {
            Meaning::Pong => self.note_pong(now, decision),
            Meaning::Kilo(event) => self.take_kilo_event(now, &run, event, decision),
            Meaning::Complete { branch, gate_result } => {
                self.note_branch(branch.as_deref(), decision);
                self.take_complete(now, &run, *gate_result, decision);
            }
            Meaning::Interrupted => {
                Row::WrapperInterrupted.reach();
                self.note_stopped(&run, decision);
                self.accept_what_was_taken(now, &run, decision);
                self.end_accepted_of(now, &run, &interrupted(), decision);
                self.waive_gate_of(&run, decision);
                self.finalize_batch_without_idle(decision);
            }
            Meaning::FatalError { text } => self.take_fatal_error(now, &run, text, decision),
            Meaning::Heartbeat | Meaning::Resumed | Meaning::Other => {}
        }
        Reply::None
    }

    /// Gives a wrapper's event to those who listen, and keeps it if it is one that lasts.
    pub(super) fn pass_on(&mut self, now: Timestamp, origin: Origin, frame: &Frame, decision: &mut Decision) {
        if let Meaning::Kilo(KiloEvent::PartRemoved { part }) = frame.meaning() {
            Row::PartRemoved.reach();
            if let Some(part) = part {
                let entity = part_entity(part);
                self.entities.remove(&entity);
                decision.writes.forgotten_entities.push(entity);
            }
        }
        self.emit_of(
            now,
            origin,
            frame.stream_event_type(),
            frame.data().clone(),
            frame.persistence(),
            decision,
        );
    }

    /// Records the branch that a `complete` reports.
    pub(super) fn note_branch(&mut self, branch: Option<&str>, decision: &mut Decision) {
        if let Some(branch) = branch {
            Row::BranchReported.reach();
            self.change_core(decision).reported_branch = Some(branch.to_owned());
        }
    }

    fn take_kilo_event(
        &mut self,
        now: Timestamp,
        run: &WrapperRunId,
        event: &KiloEvent,
        decision: &mut Decision,
    ) {
        self.transcript.observe(event);
        let root = self.metadata.identity.kilo_session_id.as_ref();
        let is_root = |session: &Option<String>| root.is_some() && session.as_ref() == root;
        match event {
            KiloEvent::MessageUpdated { id, reply } => {
                if let Some(reply) = reply {
                    self.take_assistant_reply(now, run, reply, decision);
                }
                self.note_taken(run, id.as_deref());
            }
            KiloEvent::SessionStatus { session, is_busy } if *is_busy && is_root(session) => {
                // The idle that was seen before belonged to an earlier turn: it may have been late.
                self.clear_deadline(&Deadline::Reconciliation, decision);
            }
            KiloEvent::SessionIdle { session } if is_root(session) => {
                Row::RootIdle.reach();
                self.note_root_idle(now, decision);
            }
            // A child session's idle says nothing of the root.
            KiloEvent::SessionIdle { .. } => Row::ChildIdle.reach(),
            _ => {}
        }
    }

    /// The wrapper shows a message: if it is the one that is being delivered, it has taken it.
    fn note_taken(&mut self, run: &WrapperRunId, message: Option<&str>) {
        if let Some(delivery) = &mut self.volatile.delivery {
            delivery.is_taken |= delivery.run == *run && message == Some(delivery.message.as_str());
        }
    }

    /// Counts as accepted what the wrapper has shown to have, before it is judged what becomes of all that it has:
    /// its answer to the delivery is on the way, and then it would be too late.
    fn accept_what_was_taken(&mut self, now: Timestamp, run: &WrapperRunId, decision: &mut Decision) {
        let delivery = self.volatile.delivery.as_ref();
        let taken = delivery.filter(|delivery| delivery.is_taken && delivery.run == *run);
        if let Some(message) = taken.map(|delivery| delivery.message.clone()) {
            Row::EvidenceBeforeReply.reach();
            self.accept(now, &message, run, decision);
        }
    }

    fn take_assistant_reply(
        &mut self,
        now: Timestamp,
        run: &WrapperRunId,
        reply: &AssistantReply,
        decision: &mut Decision,
    ) {
        let (Some(end), true) = (&reply.end, self.messages.contains_key(&reply.answers)) else {
            return;
        };
        if self.messages[&reply.answers].is_queued() {
            Row::EvidenceBeforeReply.reach();
        }
        // A turn that has ended was taken, even if the answer to its delivery is still on the way.
        self.accept(now, &reply.answers, run, decision);
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
        self.end(now, &reply.answers, outcome, decision);
        // The idle may have been told before the reply that it follows.
        self.finalize_batch_if_due(decision);
    }

    fn take_complete(
        &mut self,
        now: Timestamp,
        run: &WrapperRunId,
        gate_result: Option<GateResult>,
        decision: &mut Decision,
    ) {
        self.note_stopped(run, decision);
        self.observe_gate(run, gate_result, decision);
        // A message that is on its way to this run will be its work in a moment.
        let has_work = self
            .accepted()
            .any(|message| message.accepted_by.as_ref() == Some(run))
            || self
                .volatile
                .delivery
                .as_ref()
                .is_some_and(|delivery| delivery.run == *run);
        if !has_work && self.is_current_run(run) {
            Row::Completed.reach();
            self.clear_run(decision);
        } else {
            Row::CompletedWithWork.reach();
        }
        self.tell_ready(now, decision);
        self.finalize_batch_without_idle(decision);
        self.ask_for_drain_if_pending(now, decision);
    }

    fn take_fatal_error(&mut self, now: Timestamp, run: &WrapperRunId, text: &str, decision: &mut Decision) {
        Row::WrapperFatal.reach();
        let outcome = Outcome {
            status: Status::Failed,
            source: Source::WrapperFailure,
            reason: Some(Reason::WrapperError),
            error: Some(text.to_owned()),
            assistant_message_id: None,
        };
        self.tell_failure(now, text, decision);
        self.accept_what_was_taken(now, run, decision);
        self.end_accepted_of(now, run, &outcome, decision);
        self.waive_gate_of(run, decision);
        self.finalize_batch_without_idle(decision);
        self.ask_for_drain_if_pending(now, decision);
    }

    /// The user wants everything stopped: what was accepted first, then what waits, in order.
    pub(super) fn interrupt(&mut self, now: Timestamp, decision: &mut Decision) -> Reply {
        let mut to_end: Vec<MessageId> = self.accepted().map(|message| message.id.clone()).collect();
        to_end.extend(self.queued().map(|message| message.id.clone()));
        for id in &to_end {
            match self.messages[id].is_queued() {
                true => Row::UserInterruptPending.reach(),
                false => Row::UserInterruptAccepted.reach(),
            }
            self.end(now, id, interrupted(), decision);
        }
        if to_end.is_empty() {
            Row::UserInterruptNothing.reach();
        }
        let (imported, imported_told) = self.interrupt_imported(now, decision);
        let command_sent = if to_end.is_empty() {
            self.send_kill(decision)
        } else {
            self.demand_stop(decision)
        };
        if !command_sent && self.volatile.delivery.is_some() {
            // Nobody can be told, and how that delivery goes must not keep the next message waiting.
            self.stop_wrapper(decision);
        }
        self.tell_ready_if_preparing(now, decision);
        self.finalize_batch_without_idle(decision);
        Reply::Interrupt(InterruptReport {
            interrupted: to_end.len() + imported,
            command_sent: command_sent || imported_told,
        })
    }

    /// Ends everything that `run` accepted and that has not ended.
    pub(super) fn end_accepted_of(
        &mut self,
        now: Timestamp,
        run: &WrapperRunId,
        outcome: &Outcome,
        decision: &mut Decision,
    ) {
        let to_end: Vec<MessageId> = self
            .accepted()
            .filter(|message| message.accepted_by.as_ref() == Some(run))
            .map(|message| message.id.clone())
            .collect();
        for id in to_end {
            self.end(now, &id, outcome.clone(), decision);
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
