//! What follows when a deadline is due, and when the server starts again (protocol §7).

use super::deadline::Deadline;
use super::kilo::ReplyEnd;
use super::step::Step;
use super::supervision::Watched;
use super::{Reply, Session, ToWrapper};
use crate::coverage::Row;
use crate::identity::MessageId;
use crate::model::message::{Outcome, Reason, Source, Status};

/// Said of messages and executions whose wrapper stayed away.
pub(super) const WRAPPER_DISCONNECTED: &str = "Wrapper disconnected";
/// Said of messages whose wrapper did not answer a ping.
const NO_PONG: &str = "Wrapper did not answer a ping";
/// Said of messages whose wrapper showed nothing for too long.
const NO_OUTPUT: &str = "Wrapper produced no output";
/// Said of messages that nobody seems to have answered.
const NO_REPLY: &str = "The session is idle and no reply was seen";

impl Session {
    /// Does what is due.
    pub(super) fn meet_deadlines(&mut self, step: &mut Step) -> Reply {
        while let Some(deadline) = self.supervision.take_due(step) {
            match deadline {
                Deadline::Drain => self.drain(step),
                Deadline::Grace => {
                    Row::WrapperDisconnected.reach();
                    self.lose_wrapper(Reason::WrapperDisconnected, WRAPPER_DISCONNECTED, step);
                }
                Deadline::Ping => {
                    if self.wrapper.send(ToWrapper::Ping, step) {
                        self.supervision.await_pong(step);
                    } else {
                        self.supervision.set_ping(step);
                    }
                }
                Deadline::Pong => {
                    Row::NoPong.reach();
                    self.lose_wrapper(Reason::WrapperFailure, NO_PONG, step);
                }
                Deadline::NoOutput => {
                    Row::NoOutput.reach();
                    self.lose_wrapper(Reason::WrapperFailure, NO_OUTPUT, step);
                }
                Deadline::Reconciliation => self.reconcile(step),
                Deadline::ReadyOnly | Deadline::KeepWarm => self.let_go_if_unused(step),
                Deadline::Callback(owner) => self.enqueue_callback(&owner, step),
                Deadline::ImportedGrace(execution) => self.lose_imported(&execution, step),
                Deadline::ImportedTimeout(execution) => self.time_out_imported(&execution, step),
                Deadline::Expiry => self.expire(step),
            }
        }
        Reply::None
    }

    /// The server started: take up what was committed and not acted on.
    pub(super) fn resume(&mut self, step: &mut Step) -> Reply {
        self.supervision.resume(step);
        self.supervision.mark_grace_on_boot(self.run_owes_something());
        self.resume_executions(step);
        self.resume_expiry(step);
        self.ask_for_drain_if_pending(step);
        self.resume_outbox(step);
        Reply::None
    }

    /// Whether the current run still owes an end to an accepted message, or its last word (the idle, the gate
    /// result) to a batch that waits for nothing else: if it vanished without that word, nobody else would
    /// ever close the batch.
    fn run_owes_something(&self) -> bool {
        let owes_last_word = self.outbox.batch().is_some() && !self.queue.has_unfinished();
        self.wrapper.run().is_some() && (self.queue.has_accepted() || owes_last_word)
    }

    /// The wrapper is lost: what it had accepted fails, and it is told to stop should it still be there.
    fn lose_wrapper(&mut self, reason: Reason, text: &str, step: &mut Step) {
        let Some(run) = self.wrapper.run().cloned() else {
            return;
        };
        let outcome = Outcome {
            status: Status::Failed,
            source: Source::WrapperFailure,
            reason: Some(reason),
            error: Some(text.to_owned()),
            assistant_message_id: None,
        };
        self.end_accepted_of(&run.id, &outcome, step);
        self.waive_gate_of(&run.id, step);
        self.stop_wrapper(step);
        self.stream.tell_ready(step);
        self.finalize_batch_without_idle(step);
        self.ask_for_drain_if_pending(step);
    }

    /// A wrapper that nothing was accepted by is let go, unless something waits for it: then the delivery of
    /// that decides, and the time begins anew when nothing does any more.
    fn let_go_if_unused(&mut self, step: &mut Step) {
        if !self.queue.has_unfinished() {
            self.stop_wrapper(step);
        }
    }

    /// The session is idle, and messages that were accepted have not ended: find out what became of them.
    fn reconcile(&mut self, step: &mut Step) {
        let unanswered: Vec<MessageId> = self.queue.accepted().map(|message| message.id.clone()).collect();
        for id in unanswered {
            let reply = self.transcript.reply_to(&id);
            let (status, reason, error) = match reply.as_ref().map(|reply| &reply.end) {
                Some(Some(ReplyEnd::Failed(error))) => {
                    Row::ReconciledWithError.reach();
                    (Status::Failed, Some(Reason::AssistantError), Some(error.clone()))
                }
                Some(_) => {
                    Row::ReconciledWithReply.reach();
                    (Status::Completed, None, None)
                }
                None => {
                    Row::ReconciledWithoutReply.reach();
                    let reason = Some(Reason::MissingAssistantReply);
                    (Status::Failed, reason, Some(NO_REPLY.to_owned()))
                }
            };
            let outcome = Outcome {
                status,
                source: Source::IdleReconciliation,
                reason,
                error,
                assistant_message_id: reply.map(|reply| reply.assistant_message_id),
            };
            self.end(&id, outcome, step);
        }
        self.finalize_batch_if_due(step);
    }

    /// Has the current run watched for what it owes now. The last thing that is done for every input.
    pub(super) fn watch_over_run(&mut self, step: &mut Step) {
        let watched = Watched {
            has_accepted: self.queue.has_accepted(),
            run_owes_something: self.run_owes_something(),
            is_connected: self.wrapper.is_connected(),
            run_is_unused: self.wrapper.run().is_some() && !self.queue.has_unfinished(),
            has_batch: self.outbox.batch().is_some(),
        };
        self.supervision.watch(&watched, step);
    }
}
