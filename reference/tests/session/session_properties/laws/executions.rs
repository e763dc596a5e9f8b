//! Executions of an older service: which wrappers may connect, and that each execution ends once, with evidence
//! (protocol §5, §10).

use std::collections::BTreeMap;

use jiff::Timestamp;
use turnstile_reference::identity::MessageId;
use turnstile_reference::legacy::model::Origin;
use turnstile_reference::legacy::model::execution::{Closing, Execution, Id};
use turnstile_reference::session::events::Event;
use turnstile_reference::session::wrapper::{CLOSE_REPLACED, IngestRefusal};
use turnstile_reference::session::{Effect, Input, Reply, Session, SocketId, ToWrapper};

use super::{Law, MessageEvent, Observation, Violation, ensure};
use crate::session_properties::protocol::PROTOCOL;
use crate::session_properties::setting::unknown_execution;

/// The close code that is reported for a connection without a close frame.
const NO_CLOSING_FRAME: u16 = 1006;

/// The state of executions and their sockets.
#[derive(Debug)]
pub struct Executions {
    known: BTreeMap<Id, Known>,
    /// The accepted sockets, with their executions.
    sockets: BTreeMap<SocketId, Id>,
    resumed_at: Timestamp,
}

#[derive(Debug)]
struct Known {
    /// The execution as imported.
    left: Execution,
    /// The status on the wire.
    status: String,
    /// Whether its wrapper has connected.
    was_connected: bool,
    /// The time of its last disconnection, unless it is connected.
    alone_since: Option<Timestamp>,
    closing: Closing,
    /// The number of events about the end of its message.
    message_ends: usize,
}

/// The end of an execution.
#[derive(Debug, Clone)]
pub struct End {
    /// The status on the wire.
    pub status: &'static str,
    /// The error text, unless it completed.
    pub error: Option<String>,
    /// The result of the gate.
    pub gate: Option<String>,
}

impl Known {
    fn is_unfinished(&self) -> bool {
        matches!(self.status.as_str(), "pending" | "running")
    }

    /// The end of the disconnect grace.
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
                message_ends: 0,
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

    /// The execution to which frames of `socket` belong.
    pub fn sender(&self, socket: SocketId) -> Option<Id> {
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
                for socket in self.sockets_to_stop() {
                    ensure!(
                        seen.effects.contains(&Effect::Send(socket, ToWrapper::Kill)),
                        Law::Execution,
                        "the wrapper at {socket} did not receive a kill, but {:?}",
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
            "{id} should be answered with {expected:?}, not {:?}",
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

    /// Handles an event of an execution. Returns the end of the execution, if the event ends it.
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
                format!("{event:?} belongs to no known execution"),
            ));
        };
        let end = match seen.input {
            // The stream's law checks that it is the sender's frame.
            Input::IngestEvent { .. } => {
                if !seen.is_terminal_event() {
                    return Ok(None);
                }
                terminal_end(event)
            }
            Input::Interrupt | Input::Delete => End {
                status: "interrupted",
                error: Some("Interrupted by the user".to_owned()),
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

    /// Whether an execution answers that message.
    pub fn answers(&self, message: &MessageId) -> bool {
        let mut answered = self.known.values().map(|known| known.left.message_id.as_ref());
        answered.any(|answered| answered == Some(message))
    }

    /// Judges the event about the end of a message that an execution answers (R10.43).
    pub fn take_message_end(&mut self, message: &MessageId, event: &MessageEvent) -> Result<(), Violation> {
        let MessageEvent::Ended(end) = event else {
            return Err(Violation::new(
                Law::Execution,
                format!("{message} belongs to an execution and is {event:?}"),
            ));
        };
        let source = match (end.status.as_str(), end.reason.as_deref()) {
            ("completed", None) => "idle_reconciliation",
            ("interrupted", Some("interrupted")) => "interrupt",
            ("failed", Some("wrapper_error" | "wrapper_disconnected" | "wrapper_failure")) => {
                "wrapper_failure"
            }
            _ => "none",
        };
        ensure!(
            end.source == source,
            Law::Execution,
            "the message {message} of an execution should have ended by {source:?}, not {end:?}"
        );
        let mut known = self.known.values_mut();
        let ended = known.find(|known| {
            known.left.message_id.as_ref() == Some(message)
                && known.left.is_unfinished()
                && known.status == end.status
                && known.message_ends == 0
        });
        match ended {
            Some(known) => known.message_ends = 1,
            None => {
                let text = format!("no execution of {message} has just ended as {end:?}");
                return Err(Violation::new(Law::Execution, text));
            }
        }
        Ok(())
    }

    /// Judges that nothing is overdue.
    pub fn conclude(&self, seen: &Observation) -> Result<(), Violation> {
        for known in self.known.values() {
            let has_ended_here = !known.is_unfinished() && known.left.is_unfinished();
            let expected = usize::from(has_ended_here && known.left.message_id.is_some());
            ensure!(
                known.message_ends == expected,
                Law::Execution,
                "the end of the message of {known:?} should be told {expected} times"
            );
        }
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

    /// Judges the session's public views of its executions.
    pub fn judge_at_rest(&self, session: &Session) -> Result<(), Violation> {
        for (id, known) in &self.known {
            let status = session.execution(id).map(Execution::status);
            ensure!(
                status == Some(known.status.as_str()),
                Law::ViewsMatchEvents,
                "{id} is {known:?} by its events and {status:?} in the view"
            );
        }
        let active = session.active_execution().map(Execution::id);
        ensure!(
            active == self.active().map(|(id, _)| id).as_ref(),
            Law::ViewsMatchEvents,
            "the view has the active execution {active:?}"
        );
        Ok(())
    }

    pub fn knows_socket(&self, socket: SocketId) -> bool {
        self.sockets.contains_key(&socket)
    }

    /// The sockets of wrappers that an interrupt must stop.
    pub fn sockets_to_stop(&self) -> Vec<SocketId> {
        let unfinished = self.known.iter().filter(|(_, known)| known.is_unfinished());
        unfinished.filter_map(|(id, _)| self.socket_of(id)).collect()
    }

    fn socket_of(&self, id: &Id) -> Option<SocketId> {
        let newest = self.sockets.iter().rfind(|(_, of)| *of == id);
        newest.map(|(socket, _)| *socket)
    }

    /// The unfinished execution that began last, and its socket.
    pub fn active(&self) -> Option<(Id, Option<SocketId>)> {
        let unfinished = self.known.iter().filter(|(_, known)| known.is_unfinished());
        let (id, _) = unfinished.max_by_key(|(id, known)| (known.left.started_at, *id))?;
        Some((id.clone(), self.socket_of(id)))
    }

    /// An unknown id, then all ids by start.
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

/// The end of an execution by its wrapper's terminal event.
fn terminal_end(event: &Event) -> End {
    let text = |key: &str| event.data[key].as_str().map(str::to_owned);
    match event.stream_event_type.as_str() {
        "complete" => End {
            status: "completed",
            error: None,
            gate: text("gateResult"),
        },
        "interrupted" => End {
            status: "interrupted",
            error: text("reason").or(Some("Interrupted by the wrapper".to_owned())),
            gate: None,
        },
        _ => End {
            status: "failed",
            error: text("error"),
            gate: None,
        },
    }
}
