//! The end of executions of an older service (protocol §5, §10).
//!
//! An execution ends by its wrapper's terminal event, the grace after a disconnection, its time-out, or the user. If it
//! ran a message of the older service, that message ends with it; it is not a message of this session.

use serde_json::{Value, json};

use super::deadline::{Deadline, after};
use super::events::{self, Persistence, name};
use super::frame::{Frame, Meaning};
use super::settlement::INTERRUPTED_BY_USER;
use super::step::Step;
use super::timing::WRAPPER_DISCONNECTED;
use super::wrapper::CLOSE_STALE;
use super::{CallbackOwner, Effect, Reply, Session, SocketId};
use crate::coverage::ServerMark;
use crate::legacy::model::Origin;
use crate::legacy::model::execution::{Closing, Execution, Id, State};
use crate::model::message::{GateResult, Outcome, Reason, Source, Status};

/// The close code of a connection that ended without a close frame.
const CLOSED_WITHOUT_A_WORD: u16 = 1006;
/// The error text of a time-out.
const TIMED_OUT: &str = "Execution timed out";

/// The end of an execution, with the source and the reason for its message (R10.44).
struct End {
    outcome: Outcome,
    gate_result: Option<GateResult>,
}

impl End {
    fn completed(gate_result: Option<GateResult>) -> Self {
        Self {
            outcome: Outcome {
                status: Status::Completed,
                source: Source::IdleReconciliation,
                reason: None,
                error: None,
                assistant_message_id: None,
            },
            gate_result,
        }
    }

    fn failed(reason: Reason, error: &str) -> Self {
        Self::unsuccessful(Status::Failed, Source::WrapperFailure, reason, error)
    }

    fn interrupted(error: &str) -> Self {
        Self::unsuccessful(Status::Interrupted, Source::Interrupt, Reason::Interrupted, error)
    }

    fn unsuccessful(status: Status, source: Source, reason: Reason, error: &str) -> Self {
        Self {
            outcome: Outcome {
                status,
                source,
                reason: Some(reason),
                error: Some(error.to_owned()),
                assistant_message_id: None,
            },
            gate_result: None,
        }
    }
}

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
        self.relay(Origin::of(id), frame, step);
        match frame.meaning() {
            Meaning::Complete { branch, gate_result } => {
                ServerMark::ImportedCompleted.hit();
                self.note_branch(branch.as_deref(), step);
                self.settle(id, End::completed(*gate_result), step);
            }
            Meaning::Interrupted { text } => {
                ServerMark::ImportedInterrupted.hit();
                self.settle(id, End::interrupted(text), step);
            }
            Meaning::FatalError { text } => {
                ServerMark::ImportedFailed.hit();
                self.settle(id, End::failed(Reason::WrapperError, text), step);
            }
            Meaning::Kilo(_) | Meaning::Pong | Meaning::Heartbeat | Meaning::Resumed | Meaning::Other => {}
        }
        Reply::None
    }

    /// Handles the end of an ingest socket. The grace begins unless another socket of the execution is open.
    pub(super) fn close_imported_ingest(&mut self, socket: SocketId, closing: Closing, step: &mut Step) {
        if let Some(id) = self.imported.close_socket(socket, closing, step) {
            let at = step.now + step.profile.disconnect_grace;
            self.supervision.set(Deadline::ImportedGrace(id), at, step);
        }
    }

    /// Restores the deadlines of executions when the server starts.
    pub(super) fn resume_executions(&mut self, step: &mut Step) {
        let earliest = step.now + step.profile.resume_delay;
        let unfinished: Vec<Execution> = self.imported.unfinished().cloned().collect();
        for execution in unfinished {
            let id = execution.id().clone();
            let timeout = step.profile.execution_timeout;
            let latest = after(step.now, timeout).max(earliest);
            let at = after(execution.started_at, timeout).clamp(earliest, latest);
            self.supervision
                .set(Deadline::ImportedTimeout(id.clone()), at, step);
            let grace = Deadline::ImportedGrace(id);
            if execution.connected && !self.supervision.is_set(&grace) {
                self.supervision
                    .set(grace, step.now + step.profile.disconnect_grace, step);
            }
        }
    }

    /// Ends an execution whose wrapper did not reconnect within the grace (R10.30).
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
            data.into(),
            Persistence::Volatile,
            step,
        );
        let end = End::failed(Reason::WrapperDisconnected, WRAPPER_DISCONNECTED);
        self.settle(id, end, step);
    }

    /// Ends an execution that exceeded its time-out (R10.31).
    pub(super) fn time_out_imported(&mut self, id: &Id, step: &mut Step) {
        let data = json!({"error": TIMED_OUT, "fatal": true});
        self.emit_end(id, name::ERROR, data, step);
        self.imported.stop(id, step);
        self.settle(id, End::failed(Reason::WrapperFailure, TIMED_OUT), step);
    }

    /// Interrupts all unfinished executions. Returns their number, and whether a kill was sent.
    pub(super) fn interrupt_imported(&mut self, step: &mut Step) -> (usize, bool) {
        let unfinished: Vec<Id> = self
            .imported
            .unfinished()
            .map(|execution| execution.id().clone())
            .collect();
        let mut kill_sent = false;
        for id in &unfinished {
            ServerMark::ImportedInterrupted.hit();
            kill_sent |= self.imported.stop(id, step);
            self.emit_end(id, name::INTERRUPTED, json!({}), step);
            self.settle(id, End::interrupted(INTERRUPTED_BY_USER), step);
        }
        (unfinished.len(), kill_sent)
    }

    /// Ends an execution and the message that it ran, and creates its callback.
    fn settle(&mut self, id: &Id, end: End, step: &mut Step) {
        for deadline in [
            Deadline::ImportedGrace(id.clone()),
            Deadline::ImportedTimeout(id.clone()),
        ] {
            self.supervision.clear(&deadline, step);
        }
        let End {
            mut outcome,
            gate_result,
        } = end;
        let state = State::Ended {
            status: outcome.status,
            error: outcome.error.clone(),
            gate_result,
        };
        self.imported.end(id, state, step);
        if let Some(message) = self.imported.execution(id).message_id.clone() {
            let reply = self
                .transcript
                .latest_reply_where(|answered| *answered == message);
            outcome.assistant_message_id = reply.map(|reply| reply.assistant_message_id);
            let (name, data) = events::ended_by_execution(&message, &outcome, gate_result);
            self.stream.emit_kept(name, data, step);
        }
        if let Some(target) = self.metadata.callback.clone() {
            let body = self.imported_callback_body(self.imported.execution(id));
            self.create_callback(CallbackOwner::Imported(id.clone()), target, body, step);
        }
    }

    fn emit_end(&mut self, id: &Id, name: &str, data: Value, step: &mut Step) {
        self.stream
            .emit(Origin::of(id), name, data.into(), Persistence::Insert, step);
    }
}
