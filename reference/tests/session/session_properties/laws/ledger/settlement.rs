//! The effects of an input on the messages, and its reply, derived from the known state (protocol §3 to §6). Effects
//! of time alone are judged elsewhere.

use serde_json::Value;
use turnstile_reference::identity::{MessageId, WrapperRunId};
use turnstile_reference::model::metadata::Finalization;
use turnstile_reference::refusal::{Code, Refusal};
use turnstile_reference::session::admission::{Ack, Admission, AgentChoice, Delivery as Delivered};
use turnstile_reference::session::wrapper::{CLOSE_REPLACED, CLOSE_STALE, DeliveryFailure, IngestClaim, Run};
use turnstile_reference::session::{Effect, Input, InterruptReport, Reply, SocketId, ToWrapper};

use super::{Answer, InFlight, Ledger, Turn};
use crate::session_properties::laws::executions::Executions;
use crate::session_properties::laws::{Law, MessageEvent, Observation, Sender, Violation, ensure};
use crate::session_properties::protocol::PROTOCOL;

impl Ledger {
    /// Derives the expected effects of the input, and judges its reply.
    pub fn take_input(
        &mut self,
        seen: &Observation,
        sender: Option<&Sender>,
        executions: &Executions,
    ) -> Result<(), Violation> {
        self.events.clear();
        self.accepts = self.run.as_ref().map(|run| run.id.clone());
        if let (Some(_), Some(("message.updated", properties))) = (sender, seen.kilo()) {
            self.take_reply(&properties["info"]);
        }
        self.run_before.clone_from(&self.run);
        self.expected = Some(Vec::new());
        match seen.input {
            Input::Admit(admission) => self.take_admission(seen, admission)?,
            Input::Initiate => self.take_initiation(seen)?,
            Input::Interrupt => self.take_interrupt(seen, executions)?,
            Input::Delete => {
                self.expect_interrupted();
                self.judge_stop(seen)?;
            }
            Input::ClientConnected => self.take_client(seen)?,
            Input::Wake => self.expected = None,
            Input::Prepared { run, workspace } => {
                let wanted = self.in_flight.as_ref().is_some_and(|delivery| {
                    delivery.run == *run && self.is_current(run) && self.turns[&delivery.message].is_queued()
                });
                ensure!(
                    matches!(seen.reply, Reply::Proceed(proceed) if *proceed == wanted),
                    Law::Settlement,
                    "a prepared delivery (current: {wanted}) was answered with {:?}",
                    seen.reply
                );
                if wanted {
                    self.in_flight.as_mut().expect("it is in progress").is_prepared = true;
                    self.warm = true;
                    self.kilo_session = workspace.kilo_session_id.clone();
                }
            }
            Input::Delivered { message, run, result } => self.take_report(seen, message, run, result),
            Input::IngestOpened { socket, claim } => self.take_claim(seen, *socket, claim)?,
            Input::IngestEvent { socket, .. } => match sender {
                Some(Sender::Run(run)) => self.take_frame(seen, run),
                Some(Sender::Imported(_)) => {}
                None => ensure!(
                    *seen.effects == [Effect::Close(*socket, CLOSE_STALE)] && seen.writes.is_empty(),
                    Law::StaleFence,
                    "the frame {:?} led to {:?} and {:?}",
                    seen.input,
                    seen.writes,
                    seen.effects
                ),
            },
            Input::IngestClosed { socket, .. } => {
                self.sockets.remove(socket);
                self.replaced.remove(socket);
            }
            Input::Resume
            | Input::Enqueued { .. }
            | Input::Prepare
            | Input::SetCallbackTarget(_)
            | Input::ImportedIngestOpened { .. } => {}
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
            None if self.queued().count() >= PROTOCOL.pending_limit => Some(Code::TooManyRequests),
            Some(_) | None => None,
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
            delivery: if sent_by.is_some() {
                Delivered::Sent
            } else {
                Delivered::Queued
            },
            wrapper_run: sent_by,
        };
        ensure!(
            answer.as_ref().is_ok_and(|given| *given == ack),
            Law::AdmissionAnswer,
            "{answer:?} should be {ack:?}"
        );
        if !self.turns.contains_key(id) {
            self.expect(id, MessageEvent::Queued.summary());
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

    /// Initiating the prepared message is an admission. If it has no id, the first one that it gets is permanent.
    fn take_initiation(&mut self, seen: &Observation) -> Result<(), Violation> {
        let Reply::Admission(answer) = seen.reply else {
            return Err(Violation::new(Law::AdmissionAnswer, format!("{:?}", seen.reply)));
        };
        let Some(prepared) = self.prepared.clone() else {
            ensure!(
                answer
                    .as_ref()
                    .is_err_and(|refusal| refusal.code == Code::BadRequest)
                    && seen.writes.is_empty()
                    && seen.effects.is_empty(),
                Law::AdmissionAnswer,
                "a session without a prepared message answers {answer:?}"
            );
            return Ok(());
        };
        let given = prepared
            .id
            .or(answer.as_ref().ok().map(|ack| ack.message.clone()));
        let Some(id) = given else {
            let is_full = self.queued().count() >= PROTOCOL.pending_limit;
            ensure!(
                is_full && seen.writes.is_empty(),
                Law::AdmissionAnswer,
                "refused with {answer:?} although it is admissible"
            );
            return Ok(());
        };
        let admission = Admission {
            id: id.clone(),
            turn: prepared.turn,
            agent: AgentChoice::default(),
            finalization: Finalization::default(),
        };
        self.take_admission(seen, &admission)?;
        if let Some(prepared) = &mut self.prepared {
            prepared.id = Some(id);
        }
        Ok(())
    }

    /// The effect of a user interrupt on the messages.
    fn expect_interrupted(&mut self) -> usize {
        let mut ended: Vec<MessageId> = self.queued().map(|(id, _)| id.clone()).collect();
        ended.extend(self.accepted());
        for id in &ended {
            self.expect(id, "interrupted interrupted interrupt");
        }
        ended.len()
    }

    fn take_interrupt(&mut self, seen: &Observation, executions: &Executions) -> Result<(), Violation> {
        let has_work = !self.accepted().is_empty() || self.in_flight.is_some();
        let report = InterruptReport {
            interrupted: self.expect_interrupted(),
            imported: executions.unfinished(),
            imported_stopped: !executions.sockets_to_stop().is_empty(),
        };
        ensure!(
            matches!(seen.reply, Reply::Interrupt(given) if *given == report),
            Law::Settlement,
            "the interrupt should be answered with {report:?}, not {:?}",
            seen.reply
        );
        let releases = report.interrupted > 0 && has_work && self.run.is_some();
        let released = seen
            .effects
            .iter()
            .filter(|effect| matches!(effect, Effect::StopWrapper(_)));
        ensure!(
            released.count() == usize::from(releases),
            Law::Settlement,
            "an interrupt that ends {} messages, with work of the run: {has_work}, led to {:?}",
            report.interrupted,
            seen.effects
        );
        if releases { self.judge_stop(seen) } else { Ok(()) }
    }

    /// The connected wrapper must receive a kill.
    fn judge_stop(&self, seen: &Observation) -> Result<(), Violation> {
        let kill = self
            .current_socket()
            .map(|socket| Effect::Send(socket, ToWrapper::Kill));
        ensure!(
            kill.is_none_or(|kill| seen.effects.contains(&kill)),
            Law::Settlement,
            "{:?} does not send a kill: {:?}",
            seen.input,
            seen.effects
        );
        Ok(())
    }

    /// A client that connects changes nothing, and requests a snapshot from the wrapper if messages are accepted
    /// (R5.59).
    fn take_client(&mut self, seen: &Observation) -> Result<(), Violation> {
        let socket = self.current_socket().filter(|_| !self.accepted().is_empty());
        let asked = socket.map(|socket| Effect::Send(socket, ToWrapper::RequestSnapshot));
        ensure!(
            seen.effects.iter().eq(&asked) && seen.writes.is_empty() && matches!(seen.reply, Reply::None),
            Law::ViewsMatchEvents,
            "a client led to {:?} and {:?}",
            seen.writes,
            seen.effects
        );
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
            return; // The delivery was cancelled with its run.
        };
        match result {
            Ok(()) => {
                self.accepts = Some(run.clone());
                if self.turns[id].is_queued() {
                    self.expect(id, MessageEvent::Sent.summary());
                    if let Some(ended) = delivery.ended {
                        self.expect(id, ended);
                    }
                }
            }
            Err(failure) => {
                self.early_idle = None;
                if delivery.allocated && self.turns[id].sent_by.is_none() {
                    self.run = None;
                }
                if self.turns[id].is_queued() {
                    self.count_failure(seen, id, failure.code.as_str());
                }
            }
        }
    }

    /// A failed attempt is repeated after its delay, or exhausts the message (§4).
    fn count_failure(&mut self, seen: &Observation, id: &MessageId, code: &str) {
        let delays = if self.warm {
            &PROTOCOL.delivery_retry_delays_warm[..]
        } else {
            &PROTOCOL.delivery_retry_delays_cold[..]
        };
        let is_permanent = PROTOCOL
            .permanent_refusals
            .iter()
            .any(|permanent| permanent == code);
        let turn = self.turn_mut(id);
        turn.failures += 1;
        match delays.get(turn.failures - 1).filter(|_| !is_permanent) {
            Some(delay) => turn.retry_at = Some(seen.now + *delay),
            None => self.expect(id, "failed exhausted delivery_failure"),
        }
    }

    fn take_claim(
        &mut self,
        seen: &Observation,
        socket: SocketId,
        claim: &IngestClaim,
    ) -> Result<(), Violation> {
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
                    !self.replaced.insert(*replaced)
                        || seen.effects.contains(&Effect::Close(*replaced, CLOSE_REPLACED)),
                    Law::StaleFence,
                    "the socket {replaced} was not replaced"
                );
            }
            self.sockets.insert(socket, claimed);
        }
        Ok(())
    }

    fn take_reply(&mut self, info: &Value) {
        let answers = info["parentID"].as_str().map(str::parse);
        if let ("assistant", Some(id), Some(Ok(message))) = (
            info["role"].as_str().unwrap_or_default(),
            info["id"].as_str(),
            answers,
        ) {
            let answer = Answer {
                message,
                fails: !info["error"].is_null(),
                is_finished: !info["time"]["completed"].is_null(),
            };
            self.replies.insert(id.to_owned(), answer);
        }
    }

    /// The effects of a wrapper's frame (protocol §6).
    fn take_frame(&mut self, seen: &Observation, run: &Run) {
        match seen.kilo() {
            Some(("message.updated", properties)) => self.take_message_update(&properties["info"]),
            Some(("session.idle", properties))
                if self.is_root(&properties["sessionID"]) && self.taken().is_some() =>
            {
                self.early_idle = Some(seen.now);
            }
            _ => {}
        }
        if !seen.is_terminal_event() {
            return;
        }
        let taken = self.taken();
        if let Some(id) = &taken {
            self.expect(id, MessageEvent::Sent.summary());
        }
        let mut accepted = self.accepted();
        accepted.extend(taken.clone());
        accepted.sort_by_key(|id| (self.turns[id].admitted_at, id.clone()));
        let ended = match seen.frame() {
            Some((_, "interrupted", _)) => Some("interrupted interrupted interrupt"),
            Some((_, "error", _)) => Some("failed wrapper_error wrapper_failure"),
            _ => None,
        };
        for id in &accepted {
            self.expect(id, ended.unwrap_or_else(|| self.end_by_replies(id)));
        }
        let is_waiting = |delivery: &&mut InFlight| !accepted.contains(&delivery.message);
        let waiting = self.in_flight.as_mut().filter(is_waiting);
        let waiting = waiting.filter(|delivery| self.turns[&delivery.message].is_queued());
        match (waiting, ended) {
            // The message in delivery is about to become the run's work (R6.21).
            (Some(_), None) => return,
            (Some(delivery), Some(ended)) if delivery.is_prepared => delivery.ended = Some(ended.to_owned()),
            (Some(delivery), Some(_)) => {
                let id = delivery.message.clone();
                self.count_failure(seen, &id, "WRAPPER_START_FAILED");
            }
            (None, _) => {}
        }
        self.run.take_if(|current| current == run);
    }

    fn take_message_update(&mut self, info: &Value) {
        let parent = info["parentID"].as_str().filter(|_| info["role"] == "assistant");
        if let Some(delivery) = &mut self.in_flight {
            let reported = [info["id"].as_str(), parent];
            delivery.is_taken |= reported.contains(&Some(delivery.message.as_str()));
        }
        let ended = match (&info["error"], &info["time"]["completed"]) {
            (error, _) if !error.is_null() => "failed assistant_error assistant_message_event",
            (_, completed) if !completed.is_null() => "completed - assistant_message_event",
            _ => return,
        };
        let answered = parent.and_then(|id| id.parse().ok());
        if let Some(id) = answered.filter(|id| self.turns.get(id).is_some_and(|turn| turn.end.is_none())) {
            if self.turns[&id].is_queued() {
                self.expect(&id, MessageEvent::Sent.summary());
            }
            self.expect(&id, ended);
        }
    }

    /// The message in delivery, if it is queued and the wrapper has reported it.
    fn taken(&self) -> Option<MessageId> {
        let delivery = self.in_flight.as_ref().filter(|delivery| delivery.is_taken)?;
        let id = &delivery.message;
        self.turns[id].is_queued().then(|| id.clone())
    }

    fn is_root(&self, session: &Value) -> bool {
        session.as_str() == self.kilo_session.as_deref()
    }

    /// The end of a message by the answers to it (R7.21–R7.24).
    fn end_by_replies(&self, id: &MessageId) -> &'static str {
        let answers = || self.replies.values().filter(|answer| answer.message == *id);
        let is_completed = answers().any(|answer| answer.is_finished && !answer.fails);
        let is_failed = answers().any(|answer| answer.fails);
        let is_begun = answers().next().is_some();
        if is_completed || !is_failed && is_begun && PROTOCOL.unfinished_reply_counts {
            "completed - idle_reconciliation"
        } else if is_failed {
            "failed assistant_error idle_reconciliation"
        } else {
            "failed missing_assistant_reply idle_reconciliation"
        }
    }

    fn expect(&mut self, id: &MessageId, summary: impl Into<String>) {
        self.expected
            .get_or_insert_default()
            .push((id.clone(), summary.into()));
    }
}
