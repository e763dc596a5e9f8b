//! Executions that an older service left running: their wrappers' sockets, and how they end
//! (protocol §5, §10).
//!
//! One ends by its wrapper's terminal event, by the grace once that wrapper has been here and gone, by its
//! age, or by the user. Messages have no part in it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::events::{Persistence, name};
use super::frame::{Frame, Meaning};
use super::supervision::{Deadline, WRAPPER_DISCONNECTED};
use super::wrapper::{CLOSE_REPLACED, CLOSE_STALE, IngestRefusal};
use super::{CallbackOwner, Decision, Effect, Reply, Session, SocketId, ToWrapper};
use crate::coverage::Row;
use crate::legacy::model::Origin;
use crate::legacy::model::execution::{Closing, Execution, Id, State};
use crate::model::message::{GateResult, Status};

/// What WebSockets call the close of a connection on which no closing frame came.
const CLOSED_WITHOUT_A_WORD: u16 = 1006;
/// Said of executions that took too long.
const TIMED_OUT: &str = "Execution timed out";

impl Session {
    /// The execution that is not over and began last: the one that an older service would still run.
    pub fn active_execution(&self) -> Option<&Execution> {
        let unfinished = self
            .executions
            .values()
            .filter(|execution| execution.is_unfinished());
        unfinished.max_by_key(|execution| (execution.started_at, execution.id()))
    }

    pub(super) fn open_imported_ingest(
        &mut self,
        socket: SocketId,
        id: &Id,
        decision: &mut Decision,
    ) -> Reply {
        let refusal = match self.executions.get(id) {
            None => Some((IngestRefusal::UnknownExecution, Row::ImportedUnknown)),
            Some(execution) if !execution.is_unfinished() => {
                Some((IngestRefusal::ExecutionOver, Row::ImportedOver))
            }
            Some(_) if self.active_execution().map(Execution::id) != Some(id) => {
                Some((IngestRefusal::AnotherExecution, Row::ImportedWrong))
            }
            Some(_) => None,
        };
        if let Some((refusal, row)) = refusal {
            row.reach();
            return Reply::Ingest(Err(refusal));
        }
        for replaced in self.sockets_of_execution(id) {
            decision.effects.push(Effect::Close(replaced, CLOSE_REPLACED));
        }
        Row::ImportedAdmitted.reach();
        self.volatile.execution_sockets.insert(socket, id.clone());
        self.clear_deadline(&Deadline::ImportedGrace(id.clone()), decision);
        let execution = self.change_execution(id, decision);
        execution.state = State::Running;
        execution.connected = true;
        execution.closing = None;
        Reply::Ingest(Ok(()))
    }

    pub(super) fn take_imported_frame(
        &mut self,
        now: Timestamp,
        socket: SocketId,
        id: &Id,
        frame: &Frame,
        decision: &mut Decision,
    ) -> Reply {
        if !self.executions[id].is_unfinished() {
            decision.effects.push(Effect::Close(socket, CLOSE_STALE));
            return Reply::None;
        }
        self.pass_on(now, Origin::of(id), frame, decision);
        match frame.meaning() {
            Meaning::Kilo(event) => self.transcript.observe(event),
            Meaning::Complete { branch, gate_result } => {
                Row::ImportedCompleted.reach();
                self.note_branch(branch.as_deref(), decision);
                self.settle(id, Status::Completed, None, *gate_result, decision);
            }
            Meaning::Interrupted => {
                Row::ImportedInterrupted.reach();
                self.settle(id, Status::Interrupted, None, None, decision);
            }
            Meaning::FatalError { text } => {
                Row::ImportedFailed.reach();
                self.settle(id, Status::Failed, Some(text.clone()), None, decision);
            }
            Meaning::Pong | Meaning::Heartbeat | Meaning::Resumed | Meaning::Other => {}
        }
        Reply::None
    }

    /// A socket of an older wrapper's is over. The grace begins unless another one is open.
    pub(super) fn close_imported_ingest(
        &mut self,
        now: Timestamp,
        socket: SocketId,
        closing: Closing,
        decision: &mut Decision,
    ) {
        let Some(id) = self.volatile.execution_sockets.remove(&socket) else {
            return;
        };
        if self.executions[&id].is_unfinished() && self.sockets_of_execution(&id).is_empty() {
            self.change_execution(&id, decision).closing = Some(closing);
            self.set_deadline(
                Deadline::ImportedGrace(id),
                now + self.profile.disconnect_grace,
                decision,
            );
        }
    }

    /// The server started: all sockets are gone, and what nobody watched has gone on ageing.
    pub(super) fn resume_executions(&mut self, now: Timestamp, earliest: Timestamp, decision: &mut Decision) {
        let unfinished: Vec<Execution> = self
            .executions
            .values()
            .filter(|execution| execution.is_unfinished())
            .cloned()
            .collect();
        for execution in unfinished {
            let id = execution.id().clone();
            // A date of an older service's may be any, even one after which there is no time.
            let at = execution
                .started_at
                .saturating_add(self.profile.execution_timeout);
            let at = at.unwrap_or(Timestamp::MAX).max(earliest);
            self.set_deadline(Deadline::ImportedTimeout(id.clone()), at, decision);
            let grace = Deadline::ImportedGrace(id);
            if execution.connected && self.core.deadlines.get(&grace).is_none() {
                self.set_deadline(grace, now + self.profile.disconnect_grace, decision);
            }
        }
    }

    /// The wrapper of an execution has stayed away for longer than the grace.
    pub(super) fn lose_imported(&mut self, now: Timestamp, id: &Id, decision: &mut Decision) {
        let closing = self.executions[id].closing.clone().unwrap_or_default();
        let data = json!({
            "wsCloseCode": closing.code.unwrap_or(CLOSED_WITHOUT_A_WORD),
            "wsCloseReason": closing.reason,
            "error": WRAPPER_DISCONNECTED,
            "fatal": true,
        });
        self.emit_of(
            now,
            Origin::of(id),
            name::WRAPPER_DISCONNECTED,
            data,
            Persistence::Volatile,
            decision,
        );
        let error = Some(WRAPPER_DISCONNECTED.to_owned());
        self.settle(id, Status::Failed, error, None, decision);
    }

    /// An execution has taken as long as it may.
    pub(super) fn time_out_imported(&mut self, now: Timestamp, id: &Id, decision: &mut Decision) {
        let data = json!({"error": TIMED_OUT, "fatal": true});
        self.tell_of(now, id, name::ERROR, data, decision);
        self.stop_imported(id, decision);
        self.settle(id, Status::Failed, Some(TIMED_OUT.to_owned()), None, decision);
    }

    /// Ends all executions that have not ended, on the user's behalf. Their number, and whether a wrapper was
    /// told.
    pub(super) fn interrupt_imported(&mut self, now: Timestamp, decision: &mut Decision) -> (usize, bool) {
        let unfinished: Vec<Id> = self
            .executions
            .values()
            .filter(|execution| execution.is_unfinished())
            .map(|execution| execution.id().clone())
            .collect();
        let mut told = false;
        for id in &unfinished {
            Row::ImportedInterrupted.reach();
            told |= self.stop_imported(id, decision);
            self.tell_of(now, id, name::INTERRUPTED, json!({}), decision);
            self.settle(id, Status::Interrupted, None, None, decision);
        }
        (unfinished.len(), told)
    }

    /// An execution ends, once and for good, and its callback is owed.
    fn settle(
        &mut self,
        id: &Id,
        status: Status,
        error: Option<String>,
        gate_result: Option<GateResult>,
        decision: &mut Decision,
    ) {
        for deadline in [
            Deadline::ImportedGrace(id.clone()),
            Deadline::ImportedTimeout(id.clone()),
        ] {
            self.clear_deadline(&deadline, decision);
        }
        let execution = self.change_execution(id, decision);
        execution.connected = false;
        execution.state = State::Ended {
            status,
            error,
            gate_result,
        };
        self.owe_imported_callback(id, decision);
    }

    fn tell_of(&mut self, now: Timestamp, id: &Id, name: &str, data: Value, decision: &mut Decision) {
        self.emit_of(now, Origin::of(id), name, data, Persistence::Insert, decision);
    }

    fn stop_imported(&self, id: &Id, decision: &mut Decision) -> bool {
        let Some(socket) = self.sockets_of_execution(id).pop() else {
            return false;
        };
        decision.effects.push(Effect::Send(socket, ToWrapper::Kill));
        true
    }

    fn sockets_of_execution(&self, id: &Id) -> Vec<SocketId> {
        let sockets = self.volatile.execution_sockets.iter();
        sockets
            .filter(|(_, admitted)| *admitted == id)
            .map(|(socket, _)| *socket)
            .collect()
    }

    /// Changes an execution, and marks it to be written.
    ///
    /// # Panics
    ///
    /// If there is no such execution: whoever asks has just seen it.
    pub(super) fn change_execution(&mut self, id: &Id, decision: &mut Decision) -> &mut Execution {
        decision.writes.executions.insert(id.clone());
        self.executions
            .get_mut(id)
            .expect("an execution that is changed exists")
    }

    fn owe_imported_callback(&mut self, id: &Id, decision: &mut Decision) {
        let Some(target) = self.metadata.callback.clone() else {
            return;
        };
        let body = self.imported_callback_body(&self.executions[id]);
        self.owe_callback(CallbackOwner::Imported(id.clone()), target, body, decision);
    }
}
