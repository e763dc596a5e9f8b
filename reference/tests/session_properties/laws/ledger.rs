//! The messages as the session told of them, the run that is current and the sockets that are open; and
//! what each input must make of them. Nothing of time but the retry of deliveries.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use turnstile_reference::identity::{MessageId, WrapperRunId};
use turnstile_reference::limits::{COLD_RETRY_DELAYS, PENDING_LIMIT, WARM_RETRY_DELAYS};
use turnstile_reference::refusal::{Code, Refusal};
use turnstile_reference::session::admission::{Ack, Admission, Delivery as Delivered};
use turnstile_reference::session::wrapper::{
    CLOSE_REPLACED, CLOSE_STALE, Delivery, DeliveryFailure, IngestClaim, Run,
};
use turnstile_reference::session::{Effect, Input, InterruptReport, Reply, Session, SocketId};

use super::{End, Law, Observation, Told, Violation, ensure};

/// What is known of messages, runs and sockets.
#[derive(Debug)]
pub struct Ledger {
    turns: BTreeMap<MessageId, Turn>,
    /// The run that is current.
    pub run: Option<Run>,
    runs_seen: BTreeSet<WrapperRunId>,
    last_generation: u64,
    /// Sockets that were let in, and for which run.
    sockets: BTreeMap<SocketId, Run>,
    in_flight: Option<InFlight>,
    /// Whether a workspace was ever ready (protocol §4).
    warm: bool,
    /// The root session of kilo's, once it is known.
    pub kilo_session: Option<String>,
    /// What the present input should have told; none if time decides.
    expected: Option<Vec<String>>,
    told: Vec<String>,
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
        Self {
            turns: BTreeMap::new(),
            run: None,
            runs_seen: BTreeSet::new(),
            last_generation: 0,
            sockets: BTreeMap::new(),
            in_flight: None,
            warm: session.metadata().workspace.is_some(),
            kilo_session: session.metadata().identity.kilo_session_id.clone(),
            expected: None,
            told: Vec::new(),
        }
    }

    /// The run on whose behalf the frame that came counts.
    pub fn speaker(&self, seen: &Observation) -> Option<Run> {
        let (socket, ..) = seen.frame()?;
        let run = self.sockets.get(&socket)?;
        (self.run.as_ref() == Some(run)).then(|| run.clone())
    }

    /// Works out what the input should lead to, and judges its reply.
    pub fn take_input(&mut self, seen: &Observation, speaker: Option<&Run>) -> Result<(), Violation> {
        self.told.clear();
        self.expected = Some(Vec::new());
        match seen.input {
            Input::Admit(admission) => self.take_admission(seen, admission)?,
            Input::Interrupt => self.take_interrupt(seen)?,
            Input::Wake => self.expected = None,
            Input::Resume => {}
            Input::Prepared { run, workspace } => {
                let wanted = self.in_flight.as_ref().is_some_and(|delivery| {
                    delivery.run == *run && self.is_current(run) && self.turns[&delivery.message].is_queued()
                });
                ensure!(
                    matches!(seen.reply, Reply::Proceed(proceed) if *proceed == wanted),
                    Law::Settlement,
                    "a prepared delivery that is wanted ({wanted}) got {:?}",
                    seen.reply
                );
                if wanted {
                    self.warm = true;
                    self.kilo_session = Some(workspace.kilo_session_id.clone());
                }
            }
            Input::Delivered { message, run, result } => self.take_report(seen, message, run, result),
            Input::IngestOpened { socket, claim } => self.take_claim(seen, *socket, claim)?,
            Input::IngestEvent { socket, .. } => match speaker {
                Some(run) => self.take_frame(seen, run),
                None => ensure!(
                    *seen.effects == [Effect::Close(*socket, CLOSE_STALE)] && seen.writes.is_empty(),
                    Law::StaleFence,
                    "the frame {:?} led to {:?} and {:?}",
                    seen.input,
                    seen.writes,
                    seen.effects
                ),
            },
            Input::IngestClosed { socket } => {
                self.sockets.remove(socket);
            }
            Input::Enqueued { .. } => {}
        }
        Ok(())
    }

    fn take_admission(&mut self, seen: &Observation, admission: &Admission) -> Result<(), Violation> {
        let Reply::Admission(answer) = seen.reply else {
            return Err(Violation::new(Law::AdmissionAnswer, format!("{:?}", seen.reply)));
        };
        let id = &admission.id;
        let code = |answer: &Result<Ack, Refusal>| answer.as_ref().map_err(|refusal| refusal.code).err();
        let refusal = match self.turns.get(id) {
            Some(turn) if turn.end.is_some() || !turn.has_intent_of(admission) => Some(Code::BadRequest),
            Some(_) => None,
            None if self.queued().count() >= PENDING_LIMIT => Some(Code::TooManyRequests),
            None => None,
        };
        ensure!(
            code(answer) == refusal,
            Law::AdmissionAnswer,
            "{id} should be refused with {refusal:?}, not answered with {answer:?}"
        );
        if refusal.is_some() {
            ensure!(
                seen.writes.is_empty() && seen.effects.is_empty(),
                Law::PendingLimit,
                "the refusal {answer:?} led to {:?} and {:?}",
                seen.writes,
                seen.effects
            );
            return Ok(());
        }
        let sent_by = self.turns.get(id).and_then(|turn| turn.sent_by.clone());
        let ack = Ack {
            message: id.clone(),
            delivery: if sent_by.is_some() { Delivered::Sent } else { Delivered::Queued },
            wrapper_run: sent_by,
        };
        ensure!(
            answer.as_ref().is_ok_and(|given| *given == ack),
            Law::AdmissionAnswer,
            "{answer:?} should be {ack:?}"
        );
        if !self.turns.contains_key(id) {
            self.expect(Told::Queued.gist(id));
            let turn = Turn {
                admission: admission.clone(),
                admitted_at: seen.now,
                sent_by: None,
                end: None,
                failures: 0,
                retry_at: None,
            };
            self.turns.insert(id.clone(), turn);
        }
        Ok(())
    }

    fn take_interrupt(&mut self, seen: &Observation) -> Result<(), Violation> {
        let mut ended = self.accepted();
        ended.extend(self.queued().map(|(id, _)| id.clone()));
        let report = InterruptReport {
            interrupted: ended.len(),
            command_sent: self.current_socket().is_some(),
        };
        ensure!(
            matches!(seen.reply, Reply::Interrupt(given) if *given == report),
            Law::Settlement,
            "the interrupt should be answered with {report:?}, not {:?}",
            seen.reply
        );
        for id in &ended {
            self.expect_end(id, "interrupted interrupted interrupt");
        }
        Ok(())
    }

    fn take_report(
        &mut self,
        seen: &Observation,
        id: &MessageId,
        run: &WrapperRunId,
        result: &Result<(), DeliveryFailure>,
    ) {
        let is_this = |delivery: &mut InFlight| delivery.message == *id && delivery.run == *run;
        let Some(delivery) = self.in_flight.take_if(is_this) else {
            return; // It was called off with its run.
        };
        let turn = self.turn_mut(id);
        match result {
            Ok(()) => {
                if turn.is_queued() {
                    self.expect(Told::Sent.gist(id));
                }
            }
            Err(failure) => {
                if delivery.allocated && turn.sent_by.is_none() {
                    self.run = None;
                }
                let delays = if self.warm { &WARM_RETRY_DELAYS[..] } else { &COLD_RETRY_DELAYS[..] };
                let turn = self.turn_mut(id);
                if !turn.is_queued() {
                    return;
                }
                turn.failures += 1;
                if failure.retryable && turn.failures < delays.len() {
                    turn.retry_at = Some(seen.now + delays[turn.failures - 1]);
                } else {
                    self.expect_end(id, "failed exhausted delivery_failure");
                }
            }
        }
    }

    fn take_claim(&mut self, seen: &Observation, socket: SocketId, claim: &IngestClaim) -> Result<(), Violation> {
        let claimed = Run {
            id: claim.run.clone(),
            fence: claim.fence.clone(),
        };
        let current = self.run.as_ref() == Some(&claimed);
        ensure!(
            matches!(seen.reply, Reply::Ingest(answer) if answer.is_ok() == current),
            Law::StaleFence,
            "{claim:?} got {:?} while {:?} is current",
            seen.reply,
            self.run
        );
        if current {
            let closed = self.sockets.iter().filter(|(_, run)| **run == claimed);
            for (replaced, _) in closed {
                ensure!(
                    seen.effects.contains(&Effect::Close(*replaced, CLOSE_REPLACED)),
                    Law::StaleFence,
                    "the socket {replaced} was not replaced"
                );
            }
            self.sockets.insert(socket, claimed);
        }
        Ok(())
    }

    /// Words of a wrapper that count, as §6 reads them.
    fn take_frame(&mut self, seen: &Observation, run: &Run) {
        if let Some(("message.updated", properties)) = seen.kilo() {
            let info = &properties["info"];
            let ended = match (&info["error"], &info["time"]["completed"]) {
                (error, _) if !error.is_null() => "failed assistant_error assistant_message_event",
                (_, completed) if !completed.is_null() => "completed - assistant_message_event",
                _ => return,
            };
            let parent = info["parentID"].as_str().and_then(|id| id.parse().ok());
            if let Some(id) = parent.filter(|id| self.turns.get(id).is_some_and(|turn| turn.end.is_none()))
                && info["role"] == "assistant"
            {
                if self.turns[&id].is_queued() {
                    self.expect(Told::Sent.gist(&id));
                }
                self.expect_end(&id, ended);
            }
        }
        let (Some((_, name, _)), true) = (seen.frame(), seen.is_last_word()) else {
            return;
        };
        let ended = match name {
            "interrupted" => "interrupted interrupted interrupt",
            "error" => "failed wrapper_error wrapper_failure",
            _ => {
                if self.accepted().is_empty() {
                    self.run = None;
                }
                if self.in_flight.is_some() && self.run.is_none() && says_current(seen, run) {
                    // The protocol leaves open whether a message on its way to the run counts as its work.
                    self.run = Some(run.clone());
                }
                return;
            }
        };
        for id in self.accepted() {
            self.expect_end(&id, ended);
        }
    }

    fn expect(&mut self, gist: String) {
        self.expected.get_or_insert_default().push(gist);
    }

    fn expect_end(&mut self, id: &MessageId, end: &str) {
        self.expect(format!("{id} {end}"));
    }

    /// Takes in what the session told of a message: each thing once, and in its order.
    pub fn take_told(&mut self, id: &MessageId, told: &Told) -> Result<(), Violation> {
        self.told.push(told.gist(id));
        let run = self.run.as_ref().map(|run| run.id.clone());
        let turn = self.turn_mut(id);
        let is_first = match told {
            Told::Queued => turn.is_queued(),
            Told::Sent => turn.is_queued(),
            Told::Ended(_) => turn.end.is_none(),
        };
        ensure!(is_first, Law::TerminalOnce, "{} came after {turn:?}", told.gist(id));
        match told {
            Told::Queued => {}
            Told::Sent => {
                turn.sent_by = run;
                turn.retry_at = None;
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
        ensure!(pending <= PENDING_LIMIT, Law::PendingLimit, "{pending} messages are pending");
        Ok(())
    }

    pub fn take_delivery(&mut self, now: Timestamp, delivery: &Delivery) -> Result<(), Violation> {
        let (id, run) = (&delivery.message.id, &delivery.run);
        let is_due = |turn: &Turn| turn.retry_at.is_none_or(|retry_at| retry_at <= now);
        ensure!(
            self.in_flight.is_none() && self.queued().next().is_some_and(|(head, turn)| head == id && is_due(turn)),
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
            if allocated { run.fence.generation > self.last_generation } else { self.run.as_ref() == Some(run) },
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
        self.runs_seen.insert(run.id.clone());
        self.run = Some(run.clone());
        Ok(())
    }

    pub fn take_command(&self, socket: SocketId) -> Result<(), Violation> {
        ensure!(
            self.run.is_some() && self.sockets.get(&socket) == self.run.as_ref(),
            Law::StaleFence,
            "the socket {socket} is not of {:?} and is sent a command",
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
        if let (true, Some((_, head)), Input::Wake) = (self.in_flight.is_none(), self.queued().next(), seen.input) {
            let planned = seen.session.next_deadline();
            let latest = (seen.now + turnstile_reference::limits::DRAIN_DELAY).max(head.retry_at.unwrap_or(seen.now));
            ensure!(
                planned.is_some_and(|planned| planned <= latest),
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
            let failed = turn.end.is_some().then_some(("cloud.message.failed", id.as_str()));
            [Some(("cloud.message.queued", id.as_str())), failed].into_iter().flatten()
        });
        ensure!(
            shown.eq(told.iter().map(|(name, data)| (*name, data["messageId"].as_str().unwrap_or_default()))),
            Law::StateIsTold,
            "a client that connects is told {told:?}"
        );
        Ok(())
    }

    fn is_current(&self, run: &WrapperRunId) -> bool {
        self.run.as_ref().is_some_and(|current| current.id == *run)
    }

    fn turn_mut(&mut self, id: &MessageId) -> &mut Turn {
        self.turns.get_mut(id).expect("nothing is told of a message that was never admitted")
    }

    pub fn turn(&self, id: &MessageId) -> &Turn {
        &self.turns[id]
    }

    /// The message's gate, its own or the session's.
    pub fn wants_gate(&self, id: &MessageId, of_session: bool) -> bool {
        match self.turns[id].admission.finalization.gate_threshold {
            None => of_session,
            Some(threshold) => threshold != turnstile_reference::session::metadata::GateThreshold::Off,
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
        messages.extend(self.turns.iter().filter(|(_, turn)| turn.end.is_some()).map(|(id, _)| id.clone()));
        messages
    }

    /// The newest socket of the current run.
    pub fn current_socket(&self) -> Option<SocketId> {
        let current = self.run.as_ref()?;
        self.sockets.iter().rfind(|(_, run)| *run == current).map(|(socket, _)| *socket)
    }

    pub fn all_ended(&self) -> bool {
        self.unfinished().next().is_none()
    }

    pub fn is_delivering(&self) -> bool {
        self.in_flight.is_some()
    }

    pub fn waited_for(&self) -> String {
        let unfinished: Vec<_> = self.unfinished().collect();
        format!("unfinished {unfinished:?} with run {:?}", self.run)
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

/// Whether the session would let in another socket of `run`.
fn says_current(seen: &Observation, run: &Run) -> bool {
    let claim = IngestClaim {
        run: run.id.clone(),
        fence: run.fence.clone(),
    };
    let opened = Input::IngestOpened {
        socket: SocketId::MAX,
        claim,
    };
    matches!(seen.session.clone().handle(seen.now, opened).reply, Reply::Ingest(Ok(())))
}
