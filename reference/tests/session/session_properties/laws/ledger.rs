//! The messages as the session told of them, the run that is current and the sockets that are open; and
//! what each input must make of them. Nothing of time but the retry of deliveries.

mod settlement;

use std::collections::BTreeMap;

use jiff::Timestamp;
use turnstile_reference::identity::{MessageId, WrapperRunId};
use turnstile_reference::model::metadata::{GateThreshold, InitialMessage};
use turnstile_reference::session::admission::Admission;
use turnstile_reference::session::wrapper::{Delivery, Run};
use turnstile_reference::session::{Input, Session, SocketId};

use super::{End, Law, Observation, Told, Violation, ensure};
use crate::session_properties::protocol::PROTOCOL;

/// What is known of messages, runs and sockets.
#[derive(Debug)]
pub struct Ledger {
    turns: BTreeMap<MessageId, Turn>,
    /// The run that is current.
    pub run: Option<Run>,
    /// The run that was current when the present input came.
    run_before: Option<Run>,
    last_generation: u64,
    /// Sockets that were let in, and for which run.
    sockets: BTreeMap<SocketId, Run>,
    in_flight: Option<InFlight>,
    /// Whether a workspace was ever ready (protocol §4).
    warm: bool,
    /// The message that is to be asked for later.
    prepared: Option<InitialMessage>,
    /// The root session of kilo's, once it is known.
    pub kilo_session: Option<String>,
    /// What the present input should have told; none if time decides.
    expected: Option<Vec<(MessageId, String)>>,
    told: Vec<(MessageId, String)>,
}

/// A message.
#[derive(Debug)]
pub struct Turn {
    admission: Admission,
    admitted_at: Timestamp,
    /// The run that took it.
    pub sent_by: Option<WrapperRunId>,
    /// How it ended.
    pub end: Option<End>,
    failures: usize,
    retry_at: Option<Timestamp>,
}

#[derive(Debug)]
struct InFlight {
    message: MessageId,
    run: WrapperRunId,
    allocated: bool,
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
            in_flight: None,
            warm: metadata.workspace.is_some() || metadata.lifecycle.prepared_at.is_some(),
            prepared: metadata.initial_message.clone(),
            kilo_session: metadata.identity.kilo_session_id.clone(),
            expected: None,
            told: Vec::new(),
        }
    }

    /// The run on whose behalf frames of `socket` count.
    pub fn speaker(&self, socket: SocketId) -> Option<Run> {
        let run = self.sockets.get(&socket)?;
        (self.run.as_ref() == Some(run)).then(|| run.clone())
    }

    /// Takes in what the session told of a message: each thing once, and in its order.
    pub fn take_told(&mut self, id: &MessageId, told: &Told) -> Result<(), Violation> {
        self.told.push((id.clone(), told.gist()));
        let run = self.run.as_ref().map(|run| run.id.clone());
        let turn = self.turn_mut(id);
        let is_first = match told {
            Told::Queued | Told::Sent => turn.is_queued(),
            Told::Ended(_) => turn.end.is_none(),
        };
        ensure!(
            is_first,
            Law::TerminalOnce,
            "{} of {id} came after {turn:?}",
            told.gist()
        );
        match told {
            Told::Queued => {}
            Told::Sent => {
                turn.sent_by = run;
            }
            Told::Ended(end) => {
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
        let at_work = self.current_socket().is_some() && !self.accepted().is_empty();
        ensure!(
            delivery.ensure_ready != at_work,
            Law::Settlement,
            "a wrapper at work ({at_work}) is fed with ensure_ready {}",
            delivery.ensure_ready
        );
        let allocated = self.run.is_none();
        ensure!(
            if allocated {
                run.fence.generation > self.last_generation
            } else {
                self.run.as_ref() == Some(run)
            },
            Law::StaleFence,
            "{run:?} takes over from {:?} of generation {}",
            self.run,
            self.last_generation
        );
        self.in_flight = Some(InFlight {
            message: id.clone(),
            run: run.id.clone(),
            allocated,
        });
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
            "the socket {socket} is of {run:?} and is sent a command while {:?} is current",
            self.run
        );
        Ok(())
    }

    /// The wrapper of `run` was given up, and with it what was being delivered to it.
    pub fn take_loss(&mut self, run: &WrapperRunId) {
        self.run.take_if(|current| current.id == *run);
        self.in_flight.take_if(|delivery| delivery.run == *run);
    }

    pub fn crash(&mut self) {
        self.sockets.clear();
        self.in_flight = None;
    }

    /// Judges what was told against what was expected.
    pub fn conclude(&self, seen: &Observation) -> Result<(), Violation> {
        if let Some(expected) = &self.expected {
            ensure!(
                self.told == *expected,
                Law::Settlement,
                "{:?} told {:#?} and should have told {expected:#?}",
                seen.input,
                self.told
            );
        }
        let is_asked_for = matches!(
            seen.input,
            Input::Prepare | Input::Resume | Input::ClientConnected
        );
        if !self.told.is_empty() || is_asked_for {
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
                "a message waits since {} and nothing is planned before {planned:?}",
                head.admitted_at
            );
        }
        Ok(())
    }

    /// Judges what the session says of its messages to whoever asks.
    pub fn judge_at_rest(&self, session: &Session) -> Result<(), Violation> {
        for (id, turn) in &self.turns {
            let known = session.message(id);
            ensure!(
                known.is_some_and(|message| {
                    message.is_queued() == turn.is_queued()
                        && message.is_terminal() == turn.end.is_some()
                        && message.accepted_by == turn.sent_by
                }),
                Law::StateIsTold,
                "{id} was told to be {turn:?} and is {known:?}"
            );
        }
        Ok(())
    }

    /// Judges what a client that connects is told of the messages (protocol §9).
    fn judge_snapshot(&self, session: &Session) -> Result<(), Violation> {
        let told = session.delivery_snapshot();
        let mut shown: Vec<_> = self
            .turns
            .iter()
            .filter(|(_, turn)| {
                let ended_in_queue = turn.end.is_some() && turn.sent_by.is_none();
                turn.is_queued() || ended_in_queue
            })
            .collect();
        shown.sort_by_key(|(id, turn)| (turn.admitted_at, *id));
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
            shown.eq(told
                .iter()
                .map(|(name, data)| (*name, data["messageId"].as_str().unwrap_or_default()))),
            Law::StateIsTold,
            "a client that connects is told {told:?}"
        );
        let is_preparing = self.queued().next().is_some();
        let expected = if self.warm {
            Some("ready")
        } else {
            is_preparing.then_some("preparing")
        };
        ensure!(
            session.cloud_status() == expected,
            Law::StateIsTold,
            "a client that connects is told {:?} and should be told {expected:?}",
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
            .expect("nothing is told of a message that was never admitted")
    }

    pub fn knows(&self, id: &MessageId) -> bool {
        self.turns.contains_key(id)
    }

    pub fn turn(&self, id: &MessageId) -> &Turn {
        &self.turns[id]
    }

    /// The message's gate, its own or the session's.
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

    /// Messages that wait, oldest first.
    pub fn queued(&self) -> impl Iterator<Item = (&MessageId, &Turn)> {
        self.unfinished().filter(|(_, turn)| turn.is_queued())
    }

    /// Messages that a wrapper works on, oldest first.
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
            .rfind(|(_, run)| *run == current)
            .map(|(socket, _)| *socket)
    }

    pub fn all_ended(&self) -> bool {
        self.unfinished().next().is_none()
    }

    pub fn is_delivering(&self) -> bool {
        self.in_flight.is_some()
    }

    pub fn waited_for(&self) -> String {
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

    /// Whether a turn that comes again asks for the same (protocol §3). What it leaves to the session is the
    /// same for both: nothing changes a session's own agent.
    fn has_intent_of(&self, other: &Admission) -> bool {
        let own = &self.admission;
        own.turn == other.turn
            && own.agent == other.agent
            && own.finalization.auto_commit == other.finalization.auto_commit
            && own.finalization.condense_on_complete == other.finalization.condense_on_complete
    }
}
