//! Executions that an older service left: which of their wrappers are let in, and that each ends once, for a
//! reason (protocol §5, §10).

use std::collections::BTreeMap;

use jiff::Timestamp;
use turnstile_reference::legacy::model::Origin;
use turnstile_reference::legacy::model::execution::{Closing, Execution, Id};
use turnstile_reference::session::events::Event;
use turnstile_reference::session::wrapper::{CLOSE_REPLACED, IngestRefusal};
use turnstile_reference::session::{Effect, Input, Reply, Session, SocketId, ToWrapper};

use super::{Law, Observation, Violation, ensure};
use crate::session_properties::protocol::PROTOCOL;
use crate::session_properties::setting::unknown_execution;

/// What is told of a connection that went without saying how.
const NO_CLOSING_FRAME: u16 = 1006;

/// What is known of executions and their sockets.
#[derive(Debug)]
pub struct Executions {
    known: BTreeMap<Id, Known>,
    /// Sockets that were let in, and for which execution.
    sockets: BTreeMap<SocketId, Id>,
    resumed_at: Timestamp,
}

#[derive(Debug)]
struct Known {
    /// As it was left.
    left: Execution,
    /// How far it is, in the word of the wire.
    status: String,
    /// Its wrapper was here.
    was_connected: bool,
    /// Since when it has not been any more.
    alone_since: Option<Timestamp>,
    closing: Closing,
}

/// How an execution ended.
#[derive(Debug, Clone)]
pub struct End {
    /// In the word of the wire.
    pub status: &'static str,
    /// Why it did not complete.
    pub error: Option<String>,
    /// What the gate said.
    pub gate: Option<String>,
}

impl Known {
    fn is_unfinished(&self) -> bool {
        matches!(self.status.as_str(), "pending" | "running")
    }

    /// When it is too late for its wrapper to come back.
    fn grace_ends(&self) -> Option<Timestamp> {
        self.alone_since.map(|since| since + PROTOCOL.disconnect_grace)
    }

    fn times_out(&self) -> Timestamp {
        self.left.started_at + PROTOCOL.execution_timeout
    }
}

impl Executions {
    pub fn new(left: &[Execution], now: Timestamp) -> Self {
        let known = left.iter().map(|execution| {
            let known = Known {
                left: execution.clone(),
                status: execution.status().to_owned(),
                was_connected: false,
                alone_since: None,
                closing: Closing::default(),
            };
            (execution.id().clone(), known)
        });
        Self {
            known: known.collect(),
            sockets: BTreeMap::new(),
            resumed_at: now,
        }
    }

    pub fn crash(&mut self) {
        self.sockets.clear();
    }

    /// The execution on whose behalf frames of `socket` count.
    pub fn speaker(&self, socket: SocketId) -> Option<Id> {
        let id = self.sockets.get(&socket)?;
        self.known[id].is_unfinished().then(|| id.clone())
    }

    pub fn take_input(&mut self, seen: &Observation) -> Result<(), Violation> {
        match seen.input {
            Input::ImportedIngestOpened { socket, execution } => self.take_claim(seen, *socket, execution)?,
            Input::IngestClosed { socket, closing } => {
                let Some(id) = self.sockets.remove(socket) else {
                    return Ok(());
                };
                let is_alone = self.socket_of(&id).is_none();
                if let Some(known) = self.known.get_mut(&id).filter(|_| is_alone) {
                    known.alone_since = Some(seen.now);
                    known.closing = closing.clone();
                }
            }
            Input::Resume => {
                self.resumed_at = seen.now;
                for known in self.known.values_mut().filter(|known| known.was_connected) {
                    known.alone_since.get_or_insert(seen.now);
                }
            }
            Input::Interrupt | Input::Delete => {
                for socket in self.told_to_stop() {
                    ensure!(
                        seen.effects.contains(&Effect::Send(socket, ToWrapper::Kill)),
                        Law::Execution,
                        "the wrapper at {socket} is not told to stop, but {:?}",
                        seen.effects
                    );
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn take_claim(&mut self, seen: &Observation, socket: SocketId, id: &Id) -> Result<(), Violation> {
        let expected = match self.known.get(id) {
            None => Err(IngestRefusal::UnknownExecution),
            Some(known) if !known.is_unfinished() => Err(IngestRefusal::ExecutionOver),
            Some(_) if self.active().is_some_and(|(active, _)| active != *id) => {
                Err(IngestRefusal::AnotherExecution)
            }
            Some(_) => Ok(()),
        };
        ensure!(
            matches!(seen.reply, Reply::Ingest(answer) if *answer == expected),
            Law::Execution,
            "{id} should be let in with {expected:?}, not {:?}",
            seen.reply
        );
        if expected.is_err() {
            ensure!(
                seen.writes.is_empty() && seen.effects.is_empty(),
                Law::Execution,
                "the refusal {expected:?} led to {:?} and {:?}",
                seen.writes,
                seen.effects
            );
            return Ok(());
        }
        for (replaced, _) in self.sockets.iter().filter(|(_, of)| *of == id) {
            ensure!(
                seen.effects.contains(&Effect::Close(*replaced, CLOSE_REPLACED)),
                Law::Execution,
                "the socket {replaced} was not replaced"
            );
        }
        self.sockets.insert(socket, id.clone());
        if let Some(known) = self.known.get_mut(id) {
            "running".clone_into(&mut known.status);
            known.was_connected = true;
            known.alone_since = None;
            known.closing = Closing::default();
        }
        Ok(())
    }

    /// Takes in an event that belongs to an execution. How the execution ended, if it did with that event.
    pub fn take_event(
        &mut self,
        seen: &Observation,
        event: &Event,
    ) -> Result<Option<(&Execution, End)>, Violation> {
        let id = self
            .known
            .keys()
            .find(|id| Origin::of(id) == event.origin)
            .cloned();
        let Some(id) = id else {
            return Err(Violation::new(
                Law::Execution,
                format!("{event:?} belongs to nothing that is known"),
            ));
        };
        let end = match seen.input {
            // The stream's law says that it is the frame of whom it belongs to.
            Input::IngestEvent { .. } => {
                if !seen.is_last_word() {
                    return Ok(None);
                }
                last_word(event)
            }
            Input::Interrupt | Input::Delete => End {
                status: "interrupted",
                error: None,
                gate: None,
            },
            _ => End {
                status: "failed",
                error: event.data["error"].as_str().map(str::to_owned),
                gate: None,
            },
        };
        let known = self.known.get_mut(&id).expect("it was just found");
        ensure!(
            known.is_unfinished() && is_justified(known, seen, event),
            Law::Execution,
            "at {} {event:?} came after {known:?}",
            seen.now
        );
        end.status.clone_into(&mut known.status);
        known.alone_since = None;
        known.was_connected = false;
        Ok(Some((&known.left, end)))
    }

    pub fn take_command(&self, seen: &Observation, command: ToWrapper) -> Result<(), Violation> {
        ensure!(
            command == ToWrapper::Kill
                && matches!(seen.input, Input::Interrupt | Input::Delete | Input::Wake),
            Law::Execution,
            "{:?} led to the command {command:?}",
            seen.input
        );
        Ok(())
    }

    /// Judges that nothing that was due is still to come.
    pub fn conclude(&self, seen: &Observation) -> Result<(), Violation> {
        let is_over = matches!(seen.input, Input::Interrupt | Input::Delete);
        let is_woken = matches!(seen.input, Input::Wake);
        let lapsed = |at: Timestamp| is_woken && at.max(self.resumed_at + PROTOCOL.resume_delay) <= seen.now;
        for known in self.known.values().filter(|known| known.is_unfinished()) {
            ensure!(
                !is_over && !lapsed(known.times_out()) && !known.grace_ends().is_some_and(lapsed),
                Law::Execution,
                "{known:?} should have ended, it is {}",
                seen.now
            );
        }
        Ok(())
    }

    /// Judges what the session says of its executions to whoever asks.
    pub fn judge_at_rest(&self, session: &Session) -> Result<(), Violation> {
        for (id, known) in &self.known {
            let status = session.execution(id).map(Execution::status);
            ensure!(
                status == Some(known.status.as_str()),
                Law::StateIsTold,
                "{id} was told to be {known:?} and is {status:?}"
            );
        }
        let active = session.active_execution().map(Execution::id);
        ensure!(
            active == self.active().map(|(id, _)| id).as_ref(),
            Law::StateIsTold,
            "{active:?} is said to be under way"
        );
        Ok(())
    }

    pub fn knows_socket(&self, socket: SocketId) -> bool {
        self.sockets.contains_key(&socket)
    }

    /// Sockets of wrappers whose work an interrupt ends.
    pub fn told_to_stop(&self) -> Vec<SocketId> {
        let unfinished = self.known.iter().filter(|(_, known)| known.is_unfinished());
        unfinished.filter_map(|(id, _)| self.socket_of(id)).collect()
    }

    fn socket_of(&self, id: &Id) -> Option<SocketId> {
        let newest = self.sockets.iter().rfind(|(_, of)| *of == id);
        newest.map(|(socket, _)| *socket)
    }

    /// The execution that began last of those that are not over, and its socket.
    pub fn active(&self) -> Option<(Id, Option<SocketId>)> {
        let unfinished = self.known.iter().filter(|(_, known)| known.is_unfinished());
        let (id, _) = unfinished.max_by_key(|(id, known)| (known.left.started_at, *id))?;
        Some((id.clone(), self.socket_of(id)))
    }

    /// One that never was, then those that there are in the order of their beginning.
    pub fn ids(&self) -> Vec<Id> {
        let mut ids: Vec<&Id> = self.known.keys().collect();
        ids.sort_by_key(|id| (self.known[id].left.started_at, *id));
        [unknown_execution()]
            .into_iter()
            .chain(ids.into_iter().cloned())
            .collect()
    }

    pub fn unfinished(&self) -> usize {
        self.known.values().filter(|known| known.is_unfinished()).count()
    }

    pub fn all_ended(&self) -> bool {
        self.unfinished() == 0
    }
}

/// Whether the event may end the execution now.
fn is_justified(known: &Known, seen: &Observation, event: &Event) -> bool {
    let data = &event.data;
    match (seen.input, event.stream_event_type.as_str()) {
        (Input::IngestEvent { .. }, _) => true,
        (Input::Interrupt | Input::Delete, "interrupted") => event.id > 0,
        (Input::Wake, "wrapper_disconnected") => {
            let code = known.closing.code.unwrap_or(NO_CLOSING_FRAME);
            known.grace_ends().is_some_and(|at| at <= seen.now)
                && event.id == 0
                && data["wsCloseCode"] == code
                && data["wsCloseReason"] == known.closing.reason.as_str()
                && data["fatal"] == true
                && data["error"].is_string()
        }
        (Input::Wake, "error") => {
            known.times_out() <= seen.now
                && event.id > 0
                && data["fatal"] == true
                && data["error"].is_string()
        }
        _ => false,
    }
}

/// How a wrapper's last word ends its execution.
fn last_word(event: &Event) -> End {
    let text = |key: &str| event.data[key].as_str().map(str::to_owned);
    match event.stream_event_type.as_str() {
        "complete" => End {
            status: "completed",
            error: None,
            gate: text("gateResult"),
        },
        "interrupted" => End {
            status: "interrupted",
            error: None,
            gate: None,
        },
        _ => End {
            status: "failed",
            error: text("error"),
            gate: None,
        },
    }
}
