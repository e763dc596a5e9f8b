//! Deadlines: what is due when, and what follows when it is (protocol §7).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::kilo::ReplyEnd;
use super::{CallbackOwner, Decision, Reply, Session, ToWrapper};
use crate::coverage::Row;
use crate::identity::MessageId;
use crate::legacy::model::execution;
use crate::model::message::{Outcome, Reason, Source, Status};

/// Said of messages and executions whose wrapper stayed away.
pub(super) const WRAPPER_DISCONNECTED: &str = "Wrapper disconnected";
/// Said of messages whose wrapper did not answer a ping.
const NO_PONG: &str = "Wrapper did not answer a ping";
/// Said of messages whose wrapper showed nothing for too long.
const NO_OUTPUT: &str = "Wrapper produced no output";
/// Said of messages that nobody seems to have answered.
const NO_REPLY: &str = "The session is idle and no reply was seen";

/// Why the session wants to be woken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deadline {
    /// The current run has been without a socket for as long as it may.
    Grace,
    /// The wrapper is to be asked whether it is there.
    Ping,
    /// The wrapper has not answered that.
    Pong,
    /// The wrapper has shown nothing for as long as it may.
    NoOutput,
    /// The session has been idle with messages unanswered.
    Reconciliation,
    /// The workspace has been ready for as long as it may be with nothing accepted.
    ReadyOnly,
    /// The session has been idle for as long as its wrapper is kept for a next message.
    KeepWarm,
    /// The head of the queue is to be delivered.
    Drain,
    /// A callback is to be handed to the queue again.
    Callback(CallbackOwner),
    /// The wrapper of an older service's execution has been away for as long as it may.
    ImportedGrace(execution::Id),
    /// That execution has taken as long as it may.
    ImportedTimeout(execution::Id),
    /// The session has been without activity for as long as it is kept.
    Expiry,
}

/// All deadlines of a session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(Deadline, Timestamp)>", into = "Vec<(Deadline, Timestamp)>")]
pub struct Deadlines(BTreeMap<Deadline, Timestamp>);

impl From<Vec<(Deadline, Timestamp)>> for Deadlines {
    fn from(pairs: Vec<(Deadline, Timestamp)>) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl From<Deadlines> for Vec<(Deadline, Timestamp)> {
    fn from(deadlines: Deadlines) -> Self {
        deadlines.0.into_iter().collect()
    }
}

impl Deadlines {
    /// The earliest.
    pub fn next(&self) -> Option<Timestamp> {
        self.0.values().min().copied()
    }

    /// When this one is due, if it is set.
    pub fn get(&self, deadline: &Deadline) -> Option<Timestamp> {
        self.0.get(deadline).copied()
    }

    /// Whether there is anything to be done that cannot wait until the session is asked for: its expiry is in
    /// the store's calendar.
    pub fn has_work(&self) -> bool {
        self.0.keys().any(|deadline| *deadline != Deadline::Expiry)
    }

    /// After a restart: what is past is due at `earliest`, what is not stays where it is.
    pub fn put_off_past(&mut self, now: Timestamp, earliest: Timestamp) {
        for (deadline, at) in &mut self.0 {
            rows_of(deadline).resumed.reach();
            if *at <= now {
                *at = earliest;
            }
        }
    }

    /// Drops all but the retries of callbacks.
    pub fn keep_callbacks_only(&mut self) {
        self.0
            .retain(|deadline, _| matches!(deadline, Deadline::Callback(_)));
    }

    /// Takes out the earliest that is due; of several at one time, the first of [`Deadline`]'s order.
    fn take_due(&mut self, now: Timestamp) -> Option<Deadline> {
        let (deadline, at) = self.0.iter().min_by_key(|(deadline, at)| (**at, *deadline))?;
        if *at > now {
            return None;
        }
        let deadline = deadline.clone();
        self.0.remove(&deadline);
        Some(deadline)
    }
}

impl Session {
    pub(super) fn set_deadline(&mut self, deadline: Deadline, at: Timestamp, decision: &mut Decision) {
        self.change_core(decision).deadlines.0.insert(deadline, at);
    }

    pub(super) fn clear_deadline(&mut self, deadline: &Deadline, decision: &mut Decision) {
        if self.core.deadlines.get(deadline).is_some() {
            if let Some(cancelled) = rows_of(deadline).cancelled {
                cancelled.reach();
            }
            self.change_core(decision).deadlines.0.remove(deadline);
        }
    }

    /// Does what is due.
    pub(super) fn meet_deadlines(&mut self, now: Timestamp, decision: &mut Decision) -> Reply {
        while let Some(deadline) = self.core.deadlines.take_due(now) {
            decision.writes.core = true;
            rows_of(&deadline).due.reach();
            match deadline {
                Deadline::Drain => self.drain(now, decision),
                Deadline::Grace => {
                    Row::WrapperDisconnected.reach();
                    self.lose_wrapper(now, Reason::WrapperDisconnected, WRAPPER_DISCONNECTED, decision);
                }
                Deadline::Ping => {
                    if self.send_to_wrapper(ToWrapper::Ping, decision) {
                        self.set_deadline(Deadline::Pong, now + self.profile.pong_timeout, decision);
                    } else {
                        self.set_deadline(Deadline::Ping, now + self.profile.ping_interval, decision);
                    }
                }
                Deadline::Pong => {
                    Row::NoPong.reach();
                    self.lose_wrapper(now, Reason::WrapperFailure, NO_PONG, decision);
                }
                Deadline::NoOutput => {
                    Row::NoOutput.reach();
                    self.lose_wrapper(now, Reason::WrapperFailure, NO_OUTPUT, decision);
                }
                Deadline::Reconciliation => self.reconcile(now, decision),
                Deadline::ReadyOnly | Deadline::KeepWarm => self.let_go_if_unused(decision),
                Deadline::Callback(owner) => self.enqueue_callback(&owner, decision),
                Deadline::ImportedGrace(execution) => self.lose_imported(now, &execution, decision),
                Deadline::ImportedTimeout(execution) => self.time_out_imported(now, &execution, decision),
                Deadline::Expiry => self.expire(now, decision),
            }
        }
        Reply::None
    }

    /// The server started: take up what was committed and not acted on.
    pub(super) fn resume(&mut self, now: Timestamp, decision: &mut Decision) -> Reply {
        let earliest = now + self.profile.resume_delay;
        let output_record_interval = self.profile.output_record_interval;
        let core = self.change_core(decision);
        core.deadlines.put_off_past(now, earliest);
        // What was shown last before the stop may not have been written.
        if let Some(at) = core.deadlines.0.get_mut(&Deadline::NoOutput) {
            *at += output_record_interval;
        }
        if self.run_owes_something() && self.core.deadlines.get(&Deadline::Grace).is_none() {
            Row::GraceOnBoot.reach();
        }
        self.resume_executions(now, earliest, decision);
        self.resume_expiry(now, decision);
        self.ask_for_drain_if_pending(now, decision);
        self.resume_outbox(decision);
        Reply::None
    }

    /// A message was accepted: its wrapper is watched from now on.
    pub(super) fn supervise_accepted(&mut self, now: Timestamp, decision: &mut Decision) {
        for deadline in [Deadline::Reconciliation, Deadline::ReadyOnly, Deadline::KeepWarm] {
            self.clear_deadline(&deadline, decision);
        }
        self.set_deadline(Deadline::NoOutput, now + self.profile.no_output_timeout, decision);
        if self.core.deadlines.get(&Deadline::Pong).is_none() {
            self.set_deadline(Deadline::Ping, now + self.profile.ping_interval, decision);
        }
    }

    /// The wrapper showed something. Not every word of an agent is worth a commit: this is written with the
    /// next thing that is, or after [`Profile::output_record_interval`](turnstile_profile::Profile::output_record_interval).
    pub(super) fn note_output(&mut self, now: Timestamp, meaningful: bool, decision: &mut Decision) {
        let deadlines = &mut self.core.deadlines.0;
        if meaningful && let Some(at) = deadlines.get_mut(&Deadline::NoOutput) {
            *at = now + self.profile.no_output_timeout;
            let is_stale = |recorded_at: Timestamp| recorded_at + self.profile.output_record_interval <= now;
            decision.writes.core |= self.volatile.recorded_at.is_none_or(is_stale);
        }
        // While a pong is awaited, nothing else stands for it.
        if let Some(at) = deadlines.get_mut(&Deadline::Ping) {
            *at = now + self.profile.ping_interval;
        }
    }

    /// The wrapper answered a ping.
    pub(super) fn note_pong(&mut self, now: Timestamp, decision: &mut Decision) {
        if self.core.deadlines.get(&Deadline::Pong).is_some() {
            self.clear_deadline(&Deadline::Pong, decision);
            self.set_deadline(Deadline::Ping, now + self.profile.ping_interval, decision);
        }
    }

    /// The root of the session is idle.
    pub(super) fn note_root_idle(&mut self, now: Timestamp, decision: &mut Decision) {
        self.change_core(decision).idle_since = Some(now);
        // From here on it is kept warm, and the time for that begins now.
        self.clear_deadline(&Deadline::ReadyOnly, decision);
        self.clear_deadline(&Deadline::KeepWarm, decision);
        if self.has_accepted() {
            self.set_deadline(
                Deadline::Reconciliation,
                now + self.profile.idle_reconciliation_delay,
                decision,
            );
        }
        self.finalize_batch_if_due(decision);
    }

    /// Whether the current run still owes an end to an accepted message, or its last word (the idle, the gate
    /// result) to a batch that waits for nothing else: if it vanished without that word, nobody else would
    /// ever close the batch.
    fn run_owes_something(&self) -> bool {
        let owes_last_word = self.core.batch.is_some() && self.unfinished.is_empty();
        self.core.run.is_some() && (self.has_accepted() || owes_last_word)
    }

    /// The wrapper is lost: what it had accepted fails, and it is told to stop should it still be there.
    fn lose_wrapper(&mut self, now: Timestamp, reason: Reason, text: &str, decision: &mut Decision) {
        let Some(run) = self.core.run.clone() else { return };
        let outcome = Outcome {
            status: Status::Failed,
            source: Source::WrapperFailure,
            reason: Some(reason),
            error: Some(text.to_owned()),
            assistant_message_id: None,
        };
        self.end_accepted_of(now, &run.id, &outcome, decision);
        self.waive_gate_of(&run.id, decision);
        self.stop_wrapper(decision);
        self.tell_ready(now, decision);
        self.finalize_batch_without_idle(decision);
        self.ask_for_drain_if_pending(now, decision);
    }

    /// A wrapper that nothing was accepted by is let go, unless something waits for it: then the delivery of
    /// that decides, and the time begins anew when nothing does any more.
    fn let_go_if_unused(&mut self, decision: &mut Decision) {
        if self.unfinished.is_empty() {
            self.stop_wrapper(decision);
        }
    }

    /// The session is idle, and messages that were accepted have not ended: find out what became of them.
    fn reconcile(&mut self, now: Timestamp, decision: &mut Decision) {
        let unanswered: Vec<MessageId> = self.accepted().map(|message| message.id.clone()).collect();
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
            let assistant_message_id = reply.map(|reply| reply.assistant_message_id);
            let source = Source::IdleReconciliation;
            let outcome = Outcome {
                status,
                source,
                reason,
                error,
                assistant_message_id,
            };
            self.end(now, &id, outcome, decision);
        }
        self.finalize_batch_if_due(decision);
    }

    /// Sees to it, whatever has just happened, that the current run is watched for what it owes, and for
    /// nothing else. The last thing that is done for every input.
    pub(super) fn watch_over_run(&mut self, now: Timestamp, decision: &mut Decision) {
        if !self.has_accepted() {
            self.clear_deadline(&Deadline::NoOutput, decision);
            self.clear_deadline(&Deadline::Reconciliation, decision);
        }
        let is_set = |session: &Self, deadline| session.core.deadlines.get(&deadline).is_some();
        if self.run_owes_something() {
            if !self.is_connected() && !is_set(self, Deadline::Grace) {
                self.set_deadline(Deadline::Grace, now + self.profile.disconnect_grace, decision);
            }
            if !is_set(self, Deadline::Ping) && !is_set(self, Deadline::Pong) {
                self.set_deadline(Deadline::Ping, now + self.profile.ping_interval, decision);
            }
        } else {
            for deadline in [Deadline::Grace, Deadline::Ping, Deadline::Pong] {
                self.clear_deadline(&deadline, decision);
            }
        }
        let is_unused = self.core.run.is_some() && self.unfinished.is_empty();
        if is_unused && !is_set(self, Deadline::ReadyOnly) && !is_set(self, Deadline::KeepWarm) {
            match self.core.idle_since {
                // A batch that still waits for a gate result then waits no longer.
                Some(since) => {
                    self.set_deadline(Deadline::KeepWarm, since + self.profile.keep_warm, decision)
                }
                None if self.core.batch.is_some() => {} // The ping watches over what is owed to it.
                None => self.set_deadline(
                    Deadline::ReadyOnly,
                    now + self.profile.ready_only_timeout,
                    decision,
                ),
            }
        }
        if decision.writes.core {
            self.volatile.recorded_at = Some(now);
        }
    }
}

/// The marks of a deadline: that it was met, was cancelled, and was taken up after a restart.
struct DeadlineRows {
    due: Row,
    cancelled: Option<Row>,
    resumed: Row,
}

fn rows_of(deadline: &Deadline) -> DeadlineRows {
    use Row as R;
    let (due, cancelled, resumed) = match deadline {
        Deadline::Grace => (R::GraceDue, Some(R::GraceCancelled), R::GraceResumed),
        Deadline::Ping => (R::PingDue, Some(R::PingCancelled), R::PingResumed),
        Deadline::Pong => (R::PongDue, Some(R::PongCancelled), R::PongResumed),
        Deadline::NoOutput => (R::NoOutputDue, Some(R::NoOutputCancelled), R::NoOutputResumed),
        Deadline::Reconciliation => (
            R::ReconciliationDue,
            Some(R::ReconciliationCancelled),
            R::ReconciliationResumed,
        ),
        Deadline::ReadyOnly => (R::ReadyOnlyDue, Some(R::ReadyOnlyCancelled), R::ReadyOnlyResumed),
        Deadline::KeepWarm => (R::KeepWarmDue, Some(R::KeepWarmCancelled), R::KeepWarmResumed),
        Deadline::Drain => (R::DrainDue, None, R::DrainResumed),
        Deadline::Callback(_) => (R::CallbackRetryDue, None, R::CallbackRetryResumed),
        Deadline::ImportedGrace(_) => (
            R::ImportedGraceDue,
            Some(R::ImportedGraceCancelled),
            R::ImportedGraceResumed,
        ),
        Deadline::ImportedTimeout(_) => (
            R::ImportedTimeoutDue,
            Some(R::ImportedTimeoutCancelled),
            R::ImportedTimeoutResumed,
        ),
        Deadline::Expiry => (R::ExpiryDue, None, R::ExpiryResumed),
    };
    DeadlineRows {
        due,
        cancelled,
        resumed,
    }
}
