//! How the executions that an older service left running go on and end (protocol §5, §10).
//!
//! One ends by its wrapper's terminal event, by the grace once that wrapper has been here and gone, by its
//! age, or by the user. Messages have no part in it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::deadline::Deadline;
use super::events::{Persistence, name};
use super::frame::{Frame, Meaning};
use super::step::Step;
use super::timing::WRAPPER_DISCONNECTED;
use super::wrapper::CLOSE_STALE;
use super::{CallbackOwner, Effect, Reply, Session, SocketId};
use crate::coverage::Row;
use crate::legacy::model::Origin;
use crate::legacy::model::execution::{Closing, Execution, Id, State};
use crate::model::message::{GateResult, Status};

/// What WebSockets call the close of a connection on which no closing frame came.
const CLOSED_WITHOUT_A_WORD: u16 = 1006;
/// Said of executions that took too long.
const TIMED_OUT: &str = "Execution timed out";

impl Session {
    pub(super) fn open_imported_ingest(&mut self, socket: SocketId, id: &Id, step: &mut Step) -> Reply {
        let opened = self.imported.open_socket(socket, id, step);
        if opened.is_ok() {
            self.supervision.clear(&Deadline::ImportedGrace(id.clone()), step);
        }
        Reply::Ingest(opened)
    }

    pub(super) fn take_imported_frame(
        &mut self,
        socket: SocketId,
        id: &Id,
        frame: &Frame,
        step: &mut Step,
    ) -> Reply {
        if !self.imported.execution(id).is_unfinished() {
            step.effect(Effect::Close(socket, CLOSE_STALE));
            return Reply::None;
        }
        self.stream.pass_on(Origin::of(id), frame, step);
        match frame.meaning() {
            Meaning::Kilo(event) => self.transcript.observe(event),
            Meaning::Complete { branch, gate_result } => {
                Row::ImportedCompleted.reach();
                self.note_branch(branch.as_deref(), step);
                self.settle(id, Status::Completed, None, *gate_result, step);
            }
            Meaning::Interrupted => {
                Row::ImportedInterrupted.reach();
                self.settle(id, Status::Interrupted, None, None, step);
            }
            Meaning::FatalError { text } => {
                Row::ImportedFailed.reach();
                self.settle(id, Status::Failed, Some(text.clone()), None, step);
            }
            Meaning::Pong | Meaning::Heartbeat | Meaning::Resumed | Meaning::Other => {}
        }
        Reply::None
    }

    /// A socket of an older wrapper is over. The grace begins unless another one is open.
    pub(super) fn close_imported_ingest(&mut self, socket: SocketId, closing: Closing, step: &mut Step) {
        if let Some(id) = self.imported.close_socket(socket, closing, step) {
            let at = step.now + step.profile.disconnect_grace;
            self.supervision.set(Deadline::ImportedGrace(id), at, step);
        }
    }

    /// The server started: all sockets are gone, and what nobody watched has gone on ageing.
    pub(super) fn resume_executions(&mut self, step: &mut Step) {
        let earliest = step.now + step.profile.resume_delay;
        let unfinished: Vec<Execution> = self.imported.unfinished().cloned().collect();
        for execution in unfinished {
            let id = execution.id().clone();
            // A date of an older service's may be any, even one after which there is no time.
            let at = execution
                .started_at
                .saturating_add(step.profile.execution_timeout);
            let at = at.unwrap_or(Timestamp::MAX).max(earliest);
            self.supervision
                .set(Deadline::ImportedTimeout(id.clone()), at, step);
            let grace = Deadline::ImportedGrace(id);
            if execution.connected && !self.supervision.is_set(&grace) {
                self.supervision
                    .set(grace, step.now + step.profile.disconnect_grace, step);
            }
        }
    }

    /// The wrapper of an execution has stayed away for longer than the grace.
    pub(super) fn lose_imported(&mut self, id: &Id, step: &mut Step) {
        let closing = self.imported.execution(id).closing.clone().unwrap_or_default();
        let data = json!({
            "wsCloseCode": closing.code.unwrap_or(CLOSED_WITHOUT_A_WORD),
            "wsCloseReason": closing.reason,
            "error": WRAPPER_DISCONNECTED,
            "fatal": true,
        });
        self.stream.emit(
            Origin::of(id),
            name::WRAPPER_DISCONNECTED,
            data,
            Persistence::Volatile,
            step,
        );
        let error = Some(WRAPPER_DISCONNECTED.to_owned());
        self.settle(id, Status::Failed, error, None, step);
    }

    /// An execution has taken as long as it may.
    pub(super) fn time_out_imported(&mut self, id: &Id, step: &mut Step) {
        let data = json!({"error": TIMED_OUT, "fatal": true});
        self.tell_of(id, name::ERROR, data, step);
        self.imported.stop(id, step);
        self.settle(id, Status::Failed, Some(TIMED_OUT.to_owned()), None, step);
    }

    /// Ends all executions that have not ended, on the user's behalf. Their number, and whether a wrapper was
    /// told.
    pub(super) fn interrupt_imported(&mut self, step: &mut Step) -> (usize, bool) {
        let unfinished: Vec<Id> = self
            .imported
            .unfinished()
            .map(|execution| execution.id().clone())
            .collect();
        let mut told = false;
        for id in &unfinished {
            Row::ImportedInterrupted.reach();
            told |= self.imported.stop(id, step);
            self.tell_of(id, name::INTERRUPTED, json!({}), step);
            self.settle(id, Status::Interrupted, None, None, step);
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
        step: &mut Step,
    ) {
        for deadline in [
            Deadline::ImportedGrace(id.clone()),
            Deadline::ImportedTimeout(id.clone()),
        ] {
            self.supervision.clear(&deadline, step);
        }
        let end = State::Ended {
            status,
            error,
            gate_result,
        };
        self.imported.end(id, end, step);
        if let Some(target) = self.metadata.callback.clone() {
            let body = self.imported_callback_body(self.imported.execution(id));
            self.owe_callback(CallbackOwner::Imported(id.clone()), target, body, step);
        }
    }

    fn tell_of(&mut self, id: &Id, name: &str, data: Value, step: &mut Step) {
        self.stream
            .emit(Origin::of(id), name, data, Persistence::Insert, step);
    }
}
