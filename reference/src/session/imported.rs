//! The state of executions of an older service, and their ingest sockets (protocol §5, §10).
//!
//! `executions` decides when one ends.

use std::collections::BTreeMap;

use super::step::Step;
use super::wrapper::{CLOSE_REPLACED, CLOSE_STALE, IngestRefusal};
use super::{Effect, SocketId, ToWrapper};
use crate::coverage::ServerMark;
use crate::identity::MessageId;
use crate::legacy::model::execution::{Closing, Execution, Id, State};

/// The executions of a session.
#[derive(Debug, Clone)]
pub(super) struct Imported {
    executions: BTreeMap<Id, Execution>,
    /// The open ingest sockets, with their executions. Not stored.
    sockets: BTreeMap<SocketId, Id>,
}

impl Imported {
    /// The executions as stored.
    pub fn restore(executions: Vec<Execution>) -> Self {
        let executions = executions
            .into_iter()
            .map(|execution| (execution.id().clone(), execution));
        Self {
            executions: executions.collect(),
            sockets: BTreeMap::new(),
        }
    }

    /// The open ingest sockets.
    pub fn sockets(&self) -> &BTreeMap<SocketId, Id> {
        &self.sockets
    }

    /// Restores the sockets, which are not stored.
    pub fn keep_sockets(&mut self, sockets: BTreeMap<SocketId, Id>) {
        self.sockets = sockets;
    }

    /// The execution of that id, if any.
    pub fn find(&self, id: &Id) -> Option<&Execution> {
        self.executions.get(id)
    }

    /// The execution of that id, which must exist.
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

    /// The unfinished executions.
    pub fn unfinished(&self) -> impl Iterator<Item = &Execution> {
        self.executions().filter(|execution| execution.is_unfinished())
    }

    /// The current execution: the unfinished one that began last (R5.66).
    pub fn active(&self) -> Option<&Execution> {
        self.unfinished()
            .max_by_key(|execution| (execution.started_at, execution.id()))
    }

    /// Whether an execution answers that message.
    pub fn answers(&self, message: &MessageId) -> bool {
        self.executions()
            .any(|execution| execution.message_id.as_ref() == Some(message))
    }

    /// The execution of a socket.
    pub fn execution_of_socket(&self, socket: SocketId) -> Option<&Id> {
        self.sockets.get(&socket)
    }

    /// Whether the execution has an open socket.
    pub fn is_connected(&self, id: &Id) -> bool {
        self.sockets.values().any(|admitted| admitted == id)
    }

    /// Changes an execution, which must exist.
    ///
    /// # Panics
    ///
    /// If there is no such execution.
    pub fn change(&mut self, id: &Id, step: &mut Step) -> &mut Execution {
        step.write_execution(id);
        let execution = self.executions.get_mut(id);
        execution.expect("the execution exists")
    }

    /// Accepts a socket and closes an older one.
    ///
    /// # Errors
    ///
    /// If the execution is not the current one (R5.67–R5.69).
    pub fn open_socket(&mut self, socket: SocketId, id: &Id, step: &mut Step) -> Result<(), IngestRefusal> {
        let refusal = match self.executions.get(id) {
            None => Some((IngestRefusal::UnknownExecution, ServerMark::ImportedUnknown)),
            Some(execution) if !execution.is_unfinished() => {
                Some((IngestRefusal::ExecutionOver, ServerMark::ImportedOver))
            }
            Some(_) if self.active().map(Execution::id) != Some(id) => {
                Some((IngestRefusal::AnotherExecution, ServerMark::ImportedWrong))
            }
            Some(_) => None,
        };
        if let Some((refusal, row)) = refusal {
            row.hit();
            return Err(refusal);
        }
        for replaced in self.sockets_of(id) {
            step.effect(Effect::Close(replaced, CLOSE_REPLACED));
        }
        ServerMark::ImportedAdmitted.hit();
        self.sockets.insert(socket, id.clone());
        let execution = self.change(id, step);
        execution.state = State::Running;
        execution.connected = true;
        execution.closing = None;
        Ok(())
    }

    /// Removes a closed socket. Returns its execution if that is unfinished and has no other socket.
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

    /// Sends a kill to the wrapper of an execution. Returns false if it is not connected.
    pub fn stop(&self, id: &Id, step: &mut Step) -> bool {
        let Some(socket) = self.sockets_of(id).pop() else {
            return false;
        };
        step.effect(Effect::Send(socket, ToWrapper::Kill));
        true
    }

    /// Ends an execution.
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
