//! The messages by their events, the current run and the open sockets; and the expected effects of each input on
//! them. Of the effects of time, only retries of deliveries are here.

mod settlement;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use turnstile_reference::identity::{MessageId, WrapperRunId};
use turnstile_reference::model::metadata::{GateThreshold, InitialMessage};
use turnstile_reference::session::admission::Admission;
use turnstile_reference::session::wrapper::{Delivery, Run};
use turnstile_reference::session::{Input, Session, SocketId};

use super::{End, Law, MessageEvent, Observation, Violation, ensure};
use crate::session_properties::protocol::PROTOCOL;

/// The state of messages, runs and sockets.
#[derive(Debug)]
pub struct Ledger {
    turns: BTreeMap<MessageId, Turn>,
    /// The current run.
    pub run: Option<Run>,
    /// The run that was current before the current input.
    run_before: Option<Run>,
    last_generation: u64,
    /// The accepted sockets, with their runs.
    sockets: BTreeMap<SocketId, Run>,
    /// The sockets that a newer one replaced and whose end was not reported.
    replaced: BTreeSet<SocketId>,
    in_flight: Option<InFlight>,
    /// The run that accepts messages in the current input.
    accepts: Option<WrapperRunId>,
    /// The time of a root idle after the wrapper had reported the message in delivery (R6.40).
    pub early_idle: Option<Timestamp>,
    /// The assistant messages, with the turns that they answer.
    replies: BTreeMap<String, Answer>,
    /// Whether a workspace was ever ready (protocol §4).
    warm: bool,
    /// The prepared message.
    prepared: Option<InitialMessage>,
    /// kilo's root session, once known.
    pub kilo_session: Option<String>,
    /// The events that the current input should cause. `None` for effects of time.
    expected: Option<Vec<(MessageId, String)>>,
    events: Vec<(MessageId, String)>,
}

/// A message.
#[derive(Debug)]
pub struct Turn {
    admission: Admission,
    admitted_at: Timestamp,
    /// The run that accepted it.
    pub sent_by: Option<WrapperRunId>,
    /// Its end.
    pub end: Option<End>,
    failures: usize,
    retry_at: Option<Timestamp>,
}

#[derive(Debug)]
struct InFlight {
    message: MessageId,
    run: WrapperRunId,
    allocated: bool,
    /// Whether the workspace is ready.
    is_prepared: bool,
    /// Whether the wrapper has reported the message.
    is_taken: bool,
    /// The end of the message if the wrapper confirms it, because its run has ended (R6.31).
    ended: Option<String>,
}

/// An assistant message by its last update.
#[derive(Debug)]
struct Answer {
    message: MessageId,
    fails: bool,
    is_finished: bool,
}

impl Ledger {
    pub fn new(session: &Session) -> Self {
        let metadata = session.metadata();
        Self {
            turns: BTreeMap::new(),
            run: None,
            run_before: None,
            last_generation: 0,
            sockets: BTreeMap::new(),
            replaced: BTreeSet::new(),
            in_flight: None,
            accepts: None,
            early_idle: None,
            replies: BTreeMap::new(),
            warm: metadata.workspace.is_some() || metadata.lifecycle.prepared_at.is_some(),
            prepared: metadata.initial_message.clone(),
            kilo_session: metadata.identity.kilo_session_id.clone(),
            expected: None,
            events: Vec::new(),
        }
    }

    /// The run to which frames of `socket` belong, if it is current.
    pub fn sender(&self, socket: SocketId) -> Option<Run> {
        let run = self.sockets.get(&socket)?;
        (self.run.as_ref() == Some(run)).then(|| run.clone())
    }

    /// Handles an event of a message: each kind occurs once, and in order.
    pub fn take_message_event(&mut self, id: &MessageId, event: &MessageEvent) -> Result<(), Violation> {
        self.events.push((id.clone(), event.summary()));
        let accepts = self.accepts.clone();
        let turn = self.turn_mut(id);
        let is_first = match event {
            MessageEvent::Queued | MessageEvent::Sent => turn.is_queued(),
            MessageEvent::Ended(_) => turn.end.is_none(),
        };
        ensure!(
            is_first,
            Law::TerminalOnce,
            "{} of {id} came after {turn:?}",
            event.summary()
        );
        match event {
            MessageEvent::Queued => {}
            MessageEvent::Sent => {
                turn.sent_by = accepts;
            }
            MessageEvent::Ended(end) => {
                let failures = (end.source == "delivery_failure").then_some(turn.failures as u64);
                ensure!(
                    end.accepted == turn.sent_by.is_some() && end.attempts == failures,
                    Law::Settlement,
                    "{end:?} does not fit {turn:?}"
                );
                turn.end = Some(end.clone());
            }
        }
        let pending = self.queued().count();
        ensure!(
            pending <= PROTOCOL.pending_limit,
            Law::PendingLimit,
            "{pending} messages are pending"
        );
        Ok(())
    }

    pub fn take_delivery(&mut self, now: Timestamp, delivery: &Delivery) -> Result<(), Violation> {
        let (id, run) = (&delivery.message.id, &delivery.run);
        let is_due = |turn: &Turn| turn.retry_at.is_none_or(|retry_at| retry_at <= now);
        ensure!(
            self.in_flight.is_none()
                && self
                    .queued()
                    .next()
                    .is_some_and(|(head, turn)| head == id && is_due(turn)),
            Law::HeadBlocks,
            "{id} is delivered at {now}, with {:?} in flight and {:?} at the head",
            self.in_flight,
            self.queued().next()
        );
        let allocated = self.run.is_none();
        ensure!(
            if allocated {
                run.fence.generation > self.last_generation
            } else {
                self.run.as_ref() == Some(run)
            },
            Law::StaleFence,
            "{run:?} follows {:?} of generation {}",
            self.run,
            self.last_generation
        );
        self.in_flight = Some(InFlight {
            message: id.clone(),
            run: run.id.clone(),
            allocated,
            is_prepared: false,
            is_taken: false,
            ended: None,
        });
        self.early_idle = None;
        self.last_generation = run.fence.generation;
        self.run = Some(run.clone());
        Ok(())
    }

    pub fn take_command(&self, socket: SocketId) -> Result<(), Violation> {
        let run = self.sockets.get(&socket);
        ensure!(
            run.is_some()
                && [&self.run_before, &self.run]
                    .into_iter()
                    .any(|current| current.as_ref() == run),
            Law::StaleFence,
            "a command for the socket {socket} of {run:?}, while {:?} is current",
            self.run
        );
        Ok(())
    }

    /// The run was released.
    pub fn take_loss(&mut self, run: &WrapperRunId) {
        self.run.take_if(|current| current.id == *run);
    }

    /// The delivery in progress was cut short.
    pub fn take_cancellation(&mut self, run: &WrapperRunId) -> Result<(), Violation> {
        let cancelled = self.in_flight.take_if(|delivery| delivery.run == *run);
        ensure!(
            cancelled.is_some(),
            Law::Settlement,
            "a delivery to {run} was cut short, and {:?} is in progress",
            self.in_flight
        );
        self.early_idle = None;
        Ok(())
    }

    pub fn crash(&mut self) {
        self.sockets.clear();
        self.replaced.clear();
        self.in_flight = None;
        self.early_idle = None;
    }

    /// Judges the events that occurred against the expected ones.
    pub fn conclude(&self, seen: &Observation) -> Result<(), Violation> {
        if let Some(expected) = &self.expected {
            ensure!(
                self.events == *expected,
                Law::Settlement,
                "{:?} caused {:#?}, expected {expected:#?}",
                seen.input,
                self.events
            );
        }
        let is_stale = |delivery: &InFlight| delivery.ended.is_none() && !self.is_current(&delivery.run);
        ensure!(
            !self.in_flight.as_ref().is_some_and(is_stale),
            Law::Settlement,
            "{:?} is still in progress, and {:?} is current",
            self.in_flight,
            self.run
        );
        let can_change_snapshot = matches!(
            seen.input,
            Input::Prepare | Input::Resume | Input::ClientConnected
        );
        if !self.events.is_empty() || can_change_snapshot {
            self.judge_snapshot(seen.session)?;
        }
        if let (true, Some((_, head)), Input::Wake) =
            (self.in_flight.is_none(), self.queued().next(), seen.input)
        {
            let latest = head.retry_at.max(Some(seen.now + PROTOCOL.drain_delay));
            let planned = seen.session.next_deadline();
            ensure!(
                planned.is_some() && planned <= latest,
                Law::HeadBlocks,
                "a message has been queued since {}, but the next deadline is {planned:?}",
                head.admitted_at
            );
        }
        Ok(())
    }

    /// Judges the session's public views of its messages.
    pub fn judge_at_rest(&self, session: &Session) -> Result<(), Violation> {
        for (id, turn) in &self.turns {
            let known = session.message(id);
            ensure!(
                known.is_some_and(|message| {
                    message.is_queued() == turn.is_queued()
                        && message.is_terminal() == turn.end.is_some()
                        && message.accepted_by == turn.sent_by
                }),
                Law::ViewsMatchEvents,
                "{id} is {turn:?} by its events and {known:?} in the view"
            );
        }
        Ok(())
    }

    /// Judges the snapshot for clients (R9.21).
    fn judge_snapshot(&self, session: &Session) -> Result<(), Violation> {
        let snapshot = session.delivery_snapshot();
        let mut turns: Vec<_> = self.turns.iter().collect();
        turns.sort_by_key(|(id, turn)| (turn.admitted_at, *id));
        let mut shown = Vec::new();
        for (id, turn) in turns {
            if turn.sent_by.is_some() {
                // Earlier failures are superseded (R9.69).
                shown.retain(|(_, earlier): &(_, &Turn)| earlier.end.is_none());
            } else {
                shown.push((id, turn));
            }
        }
        let shown = shown.into_iter().flat_map(|(id, turn)| {
            let failed = turn
                .end
                .is_some()
                .then_some(("cloud.message.failed", id.as_str()));
            [Some(("cloud.message.queued", id.as_str())), failed]
                .into_iter()
                .flatten()
        });
        ensure!(
            shown.eq(snapshot
                .iter()
                .map(|(name, data)| (*name, data["messageId"].as_str().unwrap_or_default()))),
            Law::ViewsMatchEvents,
            "the snapshot is {snapshot:?}"
        );
        let is_preparing = self.queued().next().is_some();
        let expected = if self.warm {
            Some("ready")
        } else {
            is_preparing.then_some("preparing")
        };
        ensure!(
            session.cloud_status() == expected,
            Law::ViewsMatchEvents,
            "the cloud status is {:?}, expected {expected:?}",
            session.cloud_status()
        );
        Ok(())
    }

    fn is_current(&self, run: &WrapperRunId) -> bool {
        self.run.as_ref().is_some_and(|current| current.id == *run)
    }

    fn turn_mut(&mut self, id: &MessageId) -> &mut Turn {
        self.turns
            .get_mut(id)
            .expect("events are about admitted messages")
    }

    pub fn knows(&self, id: &MessageId) -> bool {
        self.turns.contains_key(id)
    }

    pub fn turn(&self, id: &MessageId) -> &Turn {
        &self.turns[id]
    }

    /// Whether the message has a gate: its own, or the one of the session.
    pub fn wants_gate(&self, id: &MessageId, of_session: bool) -> bool {
        match self.turns[id].admission.finalization.gate_threshold {
            None => of_session,
            Some(threshold) => threshold != GateThreshold::Off,
        }
    }

    fn unfinished(&self) -> impl Iterator<Item = (&MessageId, &Turn)> {
        let mut unfinished: Vec<_> = self.turns.iter().filter(|(_, turn)| turn.end.is_none()).collect();
        unfinished.sort_by_key(|(id, turn)| (turn.admitted_at, *id));
        unfinished.into_iter()
    }

    /// The queued messages, oldest first.
    pub fn queued(&self) -> impl Iterator<Item = (&MessageId, &Turn)> {
        self.unfinished().filter(|(_, turn)| turn.is_queued())
    }

    /// The accepted messages, oldest first.
    pub fn accepted(&self) -> Vec<MessageId> {
        let accepted = self.unfinished().filter(|(_, turn)| turn.sent_by.is_some());
        accepted.map(|(id, _)| id.clone()).collect()
    }

    pub fn messages(&self) -> Vec<MessageId> {
        let mut messages: Vec<MessageId> = self.accepted();
        messages.extend(self.queued().map(|(id, _)| id.clone()));
        messages.extend(
            self.turns
                .iter()
                .filter(|(_, turn)| turn.end.is_some())
                .map(|(id, _)| id.clone()),
        );
        messages
    }

    /// The newest socket of the current run.
    pub fn current_socket(&self) -> Option<SocketId> {
        let current = self.run.as_ref()?;
        self.sockets
            .iter()
            .rfind(|(socket, run)| *run == current && !self.replaced.contains(socket))
            .map(|(socket, _)| *socket)
    }

    pub fn all_ended(&self) -> bool {
        self.unfinished().next().is_none()
    }

    pub fn is_delivering(&self) -> bool {
        self.in_flight.is_some()
    }

    pub fn describe_pending(&self) -> String {
        let queued: Vec<_> = self.queued().map(|(id, turn)| (id, turn.retry_at)).collect();
        format!(
            "accepted {:?}, queued {queued:?}, with {:?}",
            self.accepted(),
            self.run
        )
    }
}

impl Turn {
    fn is_queued(&self) -> bool {
        self.sent_by.is_none() && self.end.is_none()
    }

    /// Whether a repeated turn has the same intent (R3.9). Values from the session need no comparison, because
    /// nothing changes a session's own agent.
    fn has_intent_of(&self, other: &Admission) -> bool {
        let own = &self.admission;
        own.turn == other.turn
            && own.agent == other.agent
            && own.finalization.auto_commit == other.finalization.auto_commit
            && own.finalization.condense_on_complete == other.finalization.condense_on_complete
    }
}
