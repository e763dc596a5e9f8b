//! The executions that an older service left running, and their wrappers' sockets (protocol §5, §10).
//!
//! When one ends is decided in `executions`.

use std::collections::BTreeMap;

use super::step::Step;
use super::wrapper::{CLOSE_REPLACED, CLOSE_STALE, IngestRefusal};
use super::{Effect, SocketId, ToWrapper};
use crate::coverage::Row;
use crate::identity::MessageId;
use crate::legacy::model::execution::{Closing, Execution, Id, State};

/// The executions of a session.
#[derive(Debug, Clone)]
pub(super) struct Imported {
    executions: BTreeMap<Id, Execution>,
    /// Open ingest sockets with the execution each was admitted for. No store has them.
    sockets: BTreeMap<SocketId, Id>,
}

impl Imported {
    /// The executions as the store has them.
    pub fn restore(executions: Vec<Execution>) -> Self {
        let executions = executions
            .into_iter()
            .map(|execution| (execution.id().clone(), execution));
        Self {
            executions: executions.collect(),
            sockets: BTreeMap::new(),
        }
    }

    /// Open ingest sockets.
    pub fn sockets(&self) -> &BTreeMap<SocketId, Id> {
        &self.sockets
    }

    /// Takes over the sockets, which no store has.
    pub fn keep_sockets(&mut self, sockets: BTreeMap<SocketId, Id>) {
        self.sockets = sockets;
    }

    /// An execution, if there is one of that id.
    pub fn find(&self, id: &Id) -> Option<&Execution> {
        self.executions.get(id)
    }

    /// An execution that is known to be there.
    ///
    /// # Panics
    ///
    /// If there is no such execution.
    pub fn execution(&self, id: &Id) -> &Execution {
        &self.executions[id]
    }

    /// All executions.
    pub fn executions(&self) -> impl Iterator<Item = &Execution> {
        self.executions.values()
    }

    /// Executions that have not ended.
    pub fn unfinished(&self) -> impl Iterator<Item = &Execution> {
        self.executions().filter(|execution| execution.is_unfinished())
    }

    /// The execution that has not ended and began last: the one that an older service would still run.
    pub fn active(&self) -> Option<&Execution> {
        self.unfinished()
            .max_by_key(|execution| (execution.started_at, execution.id()))
    }

    /// Whether an execution answers that message.
    pub fn answers(&self, message: &MessageId) -> bool {
        self.executions()
            .any(|execution| execution.message_id.as_ref() == Some(message))
    }

    /// The execution that a socket was admitted for.
    pub fn execution_of_socket(&self, socket: SocketId) -> Option<&Id> {
        self.sockets.get(&socket)
    }

    /// Whether the execution has an ingest socket.
    pub fn is_connected(&self, id: &Id) -> bool {
        self.sockets.values().any(|admitted| admitted == id)
    }

    /// Changes an execution that is known to be there.
    ///
    /// # Panics
    ///
    /// If there is no such execution.
    pub fn change(&mut self, id: &Id, step: &mut Step) -> &mut Execution {
        step.write_execution(id);
        let execution = self.executions.get_mut(id);
        execution.expect("an execution that is changed exists")
    }

    /// Admits a socket, in place of an older one.
    ///
    /// # Errors
    ///
    /// If the execution is not the one that is under way (protocol §5).
    pub fn open_socket(&mut self, socket: SocketId, id: &Id, step: &mut Step) -> Result<(), IngestRefusal> {
        let refusal = match self.executions.get(id) {
            None => Some((IngestRefusal::UnknownExecution, Row::ImportedUnknown)),
            Some(execution) if !execution.is_unfinished() => {
                Some((IngestRefusal::ExecutionOver, Row::ImportedOver))
            }
            Some(_) if self.active().map(Execution::id) != Some(id) => {
                Some((IngestRefusal::AnotherExecution, Row::ImportedWrong))
            }
            Some(_) => None,
        };
        if let Some((refusal, row)) = refusal {
            row.reach();
            return Err(refusal);
        }
        for replaced in self.sockets_of(id) {
            step.effect(Effect::Close(replaced, CLOSE_REPLACED));
        }
        Row::ImportedAdmitted.reach();
        self.sockets.insert(socket, id.clone());
        let execution = self.change(id, step);
        execution.state = State::Running;
        execution.connected = true;
        execution.closing = None;
        Ok(())
    }

    /// A socket is over. Returns its execution if that has not ended and has no other socket.
    pub fn close_socket(&mut self, socket: SocketId, closing: Closing, step: &mut Step) -> Option<Id> {
        let id = self.sockets.remove(&socket)?;
        if !self.executions[&id].is_unfinished() || self.is_connected(&id) {
            return None;
        }
        self.change(&id, step).closing = Some(closing);
        Some(id)
    }

    /// Closes all sockets.
    pub fn close_all_sockets(&mut self, step: &mut Step) {
        for socket in std::mem::take(&mut self.sockets).into_keys() {
            step.effect(Effect::Close(socket, CLOSE_STALE));
        }
    }

    /// Tells the wrapper of an execution to stop. False if it is not there to be told.
    pub fn stop(&self, id: &Id, step: &mut Step) -> bool {
        let Some(socket) = self.sockets_of(id).pop() else {
            return false;
        };
        step.effect(Effect::Send(socket, ToWrapper::Kill));
        true
    }

    /// An execution ends, once and for good.
    pub fn end(&mut self, id: &Id, end: State, step: &mut Step) {
        let execution = self.change(id, step);
        execution.connected = false;
        execution.state = end;
    }

    fn sockets_of(&self, id: &Id) -> Vec<SocketId> {
        self.sockets
            .iter()
            .filter(|(_, admitted)| *admitted == id)
            .map(|(socket, _)| *socket)
            .collect()
    }
}
