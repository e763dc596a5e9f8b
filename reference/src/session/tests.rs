//! The session as a whole, driven by inputs and a clock that is a variable.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};
use turnstile_seams::Randomness;

use super::admission::{Ack, Admission, AgentChoice};
use super::message::Turn;
use super::metadata::{CallbackTarget, Finalization, GateThreshold, Model, Workspace};
use super::supervision::Deadline;
use super::wrapper::{Delivery, DeliveryFailure, FailureCode, IngestClaim};
use super::*;
use crate::legacy::execution::Closing;
use crate::limits::{
    COLD_RETRY_DELAYS, DISCONNECT_GRACE, DRAIN_DELAY, ENQUEUE_RETRY_DELAY, IDLE_RECONCILIATION_DELAY,
    NO_OUTPUT_TIMEOUT, PENDING_LIMIT, PING_INTERVAL, PONG_TIMEOUT, RESUME_DELAY, WARM_RETRY_DELAYS,
};
use crate::refusal::{Code, Refusal};

const KILO_SESSION: &str = "ses_root";

/// A session with a clock and everything it ever said.
struct Bench {
    now: Timestamp,
    session: Session,
    randomness: Randomness,
    events: Vec<Event>,
    effects: Vec<Effect>,
    sockets: SocketId,
}

impl Bench {
    fn new() -> Self {
        Self::with_gate(None)
    }

    fn with_gate(gate_threshold: Option<GateThreshold>) -> Self {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let randomness = Randomness::new(ChaCha8Rng::seed_from_u64(7));
        let session = "agent_00000000-0000-4000-8000-000000000001".parse().unwrap();
        let mut metadata = Metadata::new(session, "user".parse().unwrap(), now);
        metadata.identity.kilo_session_id = Some(KILO_SESSION.to_owned());
        metadata.agent.model = Some(Model::try_from("fake".to_owned()).unwrap());
        metadata.finalization.gate_threshold = gate_threshold;
        metadata.callback = Some(CallbackTarget {
            url: "http://receiver/".to_owned(),
            headers: BTreeMap::new(),
        });
        let session = Session::create(metadata, randomness.clone(), Sabotage::default());
        Self {
            now,
            session,
            randomness,
            events: Vec::new(),
            effects: Vec::new(),
            sockets: 0,
        }
    }

    fn put(&mut self, input: Input) -> Reply {
        let decision = self.session.handle(self.now, input);
        for effect in decision.effects {
            match effect {
                Effect::Broadcast(event) => self.events.push(event),
                other => self.effects.push(other),
            }
        }
        decision.reply
    }

    /// Lets time pass, waking the session exactly when it wants to be woken.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(deadline) = self.session.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.put(Input::Wake);
        }
        self.now = end;
    }

    /// What a crash and a restart leave of the session.
    fn restart(&mut self) {
        let stored = Stored {
            metadata: self.session.metadata().clone(),
            core: serde_json::from_value(serde_json::to_value(self.session.core()).unwrap()).unwrap(),
            messages: self.session.messages().cloned().collect(),
            executions: Vec::new(),
            entities: Vec::new(),
        };
        self.session = Session::restore(stored, self.randomness.clone(), Sabotage::default());
        self.put(Input::Resume);
    }

    fn admission(&self, id: &MessageId, prompt: &str) -> Admission {
        Admission {
            id: id.clone(),
            turn: Turn::Prompt {
                prompt: prompt.to_owned(),
                images: None,
            },
            agent: AgentChoice::default(),
            finalization: Finalization::default(),
        }
    }

    fn try_admit(&mut self, id: &MessageId, prompt: &str) -> Result<Ack, Refusal> {
        let admission = self.admission(id, prompt);
        match self.put(Input::Admit(Box::new(admission))) {
            Reply::Admission(admitted) => admitted,
            other => panic!("an admission is answered with one, not {other:?}"),
        }
    }

    fn admit(&mut self) -> MessageId {
        let id = MessageId::draw(self.now, &self.randomness);
        self.try_admit(&id, "hello").unwrap();
        id
    }

    /// The delivery that was asked for last.
    fn delivery(&mut self) -> Delivery {
        let found = self
            .effects
            .iter()
            .rposition(|effect| matches!(effect, Effect::Deliver(_)));
        match self.effects.remove(found.expect("a delivery was asked for")) {
            Effect::Deliver(delivery) => *delivery,
            _ => unreachable!(),
        }
    }

    fn deliveries(&self) -> usize {
        self.effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Deliver(_)))
            .count()
    }

    /// Waits for the next delivery and has the wrapper take it. Returns the ingest socket.
    fn deliver(&mut self) -> SocketId {
        self.pass(DRAIN_DELAY);
        let delivery = self.delivery();
        let run = delivery.run.clone();
        if delivery.ensure_ready {
            let reply = self.put(Input::Prepared {
                run: run.id.clone(),
                workspace: workspace(),
            });
            assert!(matches!(reply, Reply::Proceed(true)));
        }
        let socket = self.connect(&run);
        self.put(Input::Delivered {
            message: delivery.message.id,
            run: run.id,
            result: Ok(()),
        });
        socket
    }

    fn connect(&mut self, run: &Run) -> SocketId {
        self.sockets += 1;
        let claim = IngestClaim {
            run: run.id.clone(),
            fence: run.fence.clone(),
        };
        let reply = self.put(Input::IngestOpened {
            socket: self.sockets,
            claim,
        });
        assert!(matches!(reply, Reply::Ingest(Ok(()))), "{reply:?}");
        self.sockets
    }

    fn fail_delivery(&mut self, failure: DeliveryFailure) {
        let delivery = self.delivery();
        let (message, run) = (delivery.message.id, delivery.run.id);
        self.put(Input::Delivered {
            message,
            run,
            result: Err(failure),
        });
    }

    fn wrapper_says(&mut self, socket: SocketId, stream_event_type: &str, data: Value) {
        self.put(Input::IngestEvent {
            socket,
            stream_event_type: stream_event_type.to_owned(),
            data,
        });
    }

    fn kilo_says(&mut self, socket: SocketId, event: &str, properties: Value) {
        let data = json!({"event": event, "type": event, "properties": properties});
        self.wrapper_says(socket, events::name::KILOCODE, data);
    }

    fn assistant_answers(&mut self, socket: SocketId, message: &MessageId, text: &str) {
        let part = json!({"id": "p1", "messageID": format!("a-{message}"), "type": "text", "text": text});
        self.kilo_says(socket, "message.part.updated", json!({"part": part}));
        let info = json!({"id": format!("a-{message}"), "role": "assistant", "parentID": message,
            "time": {"created": 1, "completed": 2}});
        self.kilo_says(socket, "message.updated", json!({"info": info}));
    }

    fn root_idle(&mut self, socket: SocketId) {
        self.kilo_says(socket, "session.idle", json!({"sessionID": KILO_SESSION}));
    }

    /// Names of the events about messages so far.
    fn told_of(&self, message: &MessageId) -> Vec<&str> {
        self.events
            .iter()
            .filter(|event| event.data["messageId"] == json!(message))
            .map(|event| event.stream_event_type.strip_prefix("cloud.message.").unwrap())
            .collect()
    }

    fn end_of(&self, message: &MessageId) -> &Outcome {
        self.session
            .message(message)
            .unwrap()
            .outcome()
            .expect("the message has ended")
    }

    fn jobs(&self) -> Vec<&CallbackJob> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Enqueue(job) => Some(&**job),
                _ => None,
            })
            .collect()
    }

    fn current_run(&self) -> Option<Run> {
        self.session.core.run.clone()
    }
}

fn workspace() -> Workspace {
    Workspace {
        workspace_path: Some("/w".to_owned()),
        sandbox_id: Some("s".to_owned()),
        session_home: Some("/h".to_owned()),
        branch_name: Some("main".to_owned()),
        kilo_session_id: Some(KILO_SESSION.to_owned()),
    }
}

#[test]
fn a_turn_is_queued_sent_and_completed_and_its_callback_has_the_text() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.assistant_answers(socket, &message, " hi ");
    assert!(bench.jobs().is_empty(), "there was no idle yet");
    bench.root_idle(socket);
    assert_eq!(bench.told_of(&message), ["queued", "sent", "completed"]);
    let jobs = bench.jobs();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].body["lastAssistantMessageText"], "hi");
    assert_eq!(jobs[0].body["idempotencyKey"], json!(message));
}

#[test]
fn the_eleventh_pending_message_is_refused_and_its_id_stays_free() {
    let mut bench = Bench::new();
    for _ in 0..PENDING_LIMIT {
        bench.admit();
    }
    let id = MessageId::draw(bench.now, &bench.randomness);
    let refusal = bench.try_admit(&id, "hello").unwrap_err();
    assert_eq!(refusal.code, Code::TooManyRequests);
    assert!(refusal.text.contains("PENDING_QUEUE_FULL"), "{refusal}");
    assert!(bench.session.message(&id).is_none());
}

#[test]
fn a_repeated_id_is_acked_with_the_same_intent_and_refused_with_another_or_after_its_end() {
    let mut bench = Bench::new();
    let id = bench.admit();
    assert_eq!(
        bench.try_admit(&id, "hello").unwrap().delivery,
        admission::Delivery::Queued
    );
    assert!(
        bench
            .try_admit(&id, "other")
            .unwrap_err()
            .text
            .contains("another intent")
    );
    let socket = bench.deliver();
    assert_eq!(
        bench.try_admit(&id, "hello").unwrap().delivery,
        admission::Delivery::Sent
    );
    bench.assistant_answers(socket, &id, "");
    assert!(
        bench
            .try_admit(&id, "hello")
            .unwrap_err()
            .text
            .contains("already terminal")
    );
    assert_eq!(bench.told_of(&id), ["queued", "sent", "completed"]);
}

#[test]
fn failed_deliveries_follow_both_schedules_to_the_second_and_the_last_one_exhausts() {
    for (warm, delays) in [(false, &COLD_RETRY_DELAYS[..]), (true, &WARM_RETRY_DELAYS[..])] {
        let mut bench = Bench::new();
        if warm {
            bench.session.metadata.workspace = Some(workspace());
        }
        let message = bench.admit();
        let mut delivered_at = bench.now + DRAIN_DELAY;
        for (count, delay) in delays.iter().enumerate() {
            bench.pass(
                Duration::try_from(delivered_at.duration_since(bench.now)).unwrap()
                    - Duration::from_millis(1),
            );
            assert_eq!(bench.deliveries(), 0, "delivery {count} came early");
            bench.pass(Duration::from_millis(1));
            bench.fail_delivery(DeliveryFailure::new(FailureCode::SandboxConnectFailed, "no"));
            delivered_at += *delay;
        }
        assert_eq!(bench.end_of(&message).reason, Some(message::Reason::Exhausted));
        let last = bench
            .events
            .iter()
            .rfind(|event| event.stream_event_type == events::name::FAILED)
            .unwrap();
        assert_eq!(last.data["attempts"], delays.len());
        assert_eq!(last.data["delivery"], "queued");
        assert_eq!(bench.jobs().len(), 1, "exhaustion needs no idle");
    }
}

#[test]
fn a_failure_that_no_retry_can_mend_ends_the_message_at_once_and_lets_the_next_one_pass() {
    let mut bench = Bench::new();
    let (first, second) = (bench.admit(), bench.admit());
    bench.pass(DRAIN_DELAY);
    bench.fail_delivery(DeliveryFailure::new(FailureCode::BadRequest, "no"));
    assert_eq!(bench.end_of(&first).status, message::Status::Failed);
    bench.pass(DRAIN_DELAY);
    assert_eq!(bench.delivery().message.id, second);
}

#[test]
fn evidence_of_the_end_before_the_reply_to_the_delivery_counts_as_accepted_then_ended() {
    let mut bench = Bench::new();
    let message = bench.admit();
    bench.pass(DRAIN_DELAY);
    let delivery = bench.delivery();
    bench.put(Input::Prepared {
        run: delivery.run.id.clone(),
        workspace: workspace(),
    });
    let socket = bench.connect(&delivery.run);
    bench.assistant_answers(socket, &message, "early");
    bench.put(Input::Delivered {
        message: message.clone(),
        run: delivery.run.id,
        result: Ok(()),
    });
    assert_eq!(bench.told_of(&message), ["queued", "sent", "completed"]);
    assert!(!bench.effects.contains(&Effect::Send(socket, ToWrapper::Kill)));
}

#[test]
fn a_reconnect_inside_the_grace_keeps_the_turn_and_its_end_fails_it() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    let run = bench.current_run().unwrap();
    bench.put(Input::IngestClosed {
        socket,
        closing: Closing::default(),
    });
    bench.pass(DISCONNECT_GRACE - Duration::from_millis(1));
    let socket = bench.connect(&run);
    bench.pass(DISCONNECT_GRACE * 2);
    assert!(!bench.session.message(&message).unwrap().is_terminal());

    bench.put(Input::IngestClosed {
        socket,
        closing: Closing::default(),
    });
    bench.pass(DISCONNECT_GRACE);
    let outcome = bench.end_of(&message);
    assert_eq!(outcome.reason, Some(message::Reason::WrapperDisconnected));
    assert_eq!(outcome.error.as_deref(), Some("Wrapper disconnected"));
    assert_eq!(bench.current_run(), None);
    assert_eq!(bench.jobs().len(), 1);
}

#[test]
fn a_stale_fence_is_refused_at_connect_and_its_frames_count_for_nothing() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    let run = bench.current_run().unwrap();
    let later = Run {
        fence: crate::identity::Fence {
            generation: 0,
            ..run.fence.clone()
        },
        ..run
    };
    let claim = IngestClaim {
        run: later.id,
        fence: later.fence,
    };
    let reply = bench.put(Input::IngestOpened { socket: 99, claim });
    assert!(matches!(
        reply,
        Reply::Ingest(Err(wrapper::IngestRefusal::StaleConnection))
    ));

    bench.session.core.run = None;
    let told = bench.events.len();
    bench.assistant_answers(socket, &message, "late");
    assert_eq!(bench.events.len(), told);
    assert!(
        bench
            .effects
            .contains(&Effect::Close(socket, wrapper::CLOSE_STALE))
    );
}

#[test]
fn a_newer_socket_with_the_same_fence_replaces_the_older_one_without_a_grace() {
    let mut bench = Bench::new();
    bench.admit();
    let older = bench.deliver();
    let run = bench.current_run().unwrap();
    bench.connect(&run);
    assert!(
        bench
            .effects
            .contains(&Effect::Close(older, wrapper::CLOSE_REPLACED))
    );
    bench.put(Input::IngestClosed {
        socket: older,
        closing: Closing::default(),
    });
    assert_eq!(bench.session.core.deadlines.get(&Deadline::Grace), None);
}

#[test]
fn an_interrupt_ends_accepted_messages_first_then_pending_ones_in_order() {
    let mut bench = Bench::new();
    let first = bench.admit();
    let socket = bench.deliver();
    let (second, third) = (bench.admit(), bench.admit());
    let reply = bench.put(Input::Interrupt);
    assert!(matches!(
        reply,
        Reply::Interrupt(InterruptReport {
            interrupted: 3,
            command_sent: true
        })
    ));
    let ended: Vec<&Value> = bench
        .events
        .iter()
        .filter(|event| event.stream_event_type == events::name::FAILED)
        .map(|event| &event.data["messageId"])
        .collect();
    assert_eq!(ended, [&json!(first), &json!(second), &json!(third)]);
    assert!(bench.effects.contains(&Effect::Send(socket, ToWrapper::Kill)));
    assert_eq!(bench.jobs().len(), 1);
    assert_eq!(bench.jobs()[0].owner.message(), Some(&third));
}

#[test]
fn only_the_last_message_of_a_batch_calls_back_and_a_later_turn_opens_another_batch() {
    let mut bench = Bench::new();
    let first = bench.admit();
    let socket = bench.deliver();
    let second = bench.admit();
    bench.assistant_answers(socket, &first, "1");
    bench.root_idle(socket);
    assert!(bench.jobs().is_empty(), "a message is pending");
    let socket = bench.deliver();
    bench.assistant_answers(socket, &second, "2");
    bench.root_idle(socket);
    let third = bench.admit();
    let socket = bench.deliver();
    bench.assistant_answers(socket, &third, "3");
    bench.root_idle(socket);
    let told: Vec<&MessageId> = bench
        .jobs()
        .iter()
        .filter_map(|job| job.owner.message())
        .collect();
    assert_eq!(told, [&second, &third]);
}

#[test]
fn a_refused_enqueue_is_tried_again_after_its_delay_also_across_a_restart_and_then_never_again() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.assistant_answers(socket, &message, "x");
    bench.root_idle(socket);
    bench.put(Input::Enqueued {
        owner: message.clone().into(),
        result: Err("no".to_owned()),
    });
    bench.restart();
    bench.pass(ENQUEUE_RETRY_DELAY - Duration::from_millis(1));
    assert_eq!(bench.jobs().len(), 1);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.jobs().len(), 2);
    assert_eq!(bench.jobs()[0], bench.jobs()[1]);
    bench.put(Input::Enqueued {
        owner: message.clone().into(),
        result: Ok(()),
    });
    bench.restart();
    bench.pass(Duration::from_secs(3600));
    assert_eq!(bench.jobs().len(), 2);
    let callback = bench.session.message(&message).unwrap().callback.clone().unwrap();
    assert_eq!(callback.callback_attempts, 1);
    assert!(callback.callback_enqueued_at.is_some());
}

#[test]
fn a_gate_result_is_awaited_until_the_run_completes() {
    let mut bench = Bench::with_gate(Some(GateThreshold::Warning));
    let message = bench.admit();
    let socket = bench.deliver();
    bench.assistant_answers(socket, &message, "x");
    bench.root_idle(socket);
    assert!(bench.jobs().is_empty());
    bench.wrapper_says(
        socket,
        events::name::COMPLETE,
        json!({"exitCode": 0, "gateResult": "fail"}),
    );
    assert_eq!(bench.jobs()[0].body["gateResult"], "fail");
}

#[test]
fn a_wrapper_that_vanishes_between_the_reply_and_the_idle_still_leaves_a_callback() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.assistant_answers(socket, &message, "x");
    bench.put(Input::IngestClosed {
        socket,
        closing: Closing::default(),
    });
    bench.pass(DISCONNECT_GRACE);
    assert_eq!(bench.jobs().len(), 1);
    assert_eq!(bench.jobs()[0].body["status"], "completed");
}

#[test]
fn a_wrapper_that_answers_no_ping_is_unhealthy_and_output_does_not_stand_for_a_pong() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.pass(PING_INTERVAL);
    assert!(bench.effects.contains(&Effect::Send(socket, ToWrapper::Ping)));
    bench.pass(PONG_TIMEOUT / 2);
    bench.wrapper_says(socket, events::name::HEARTBEAT, json!({}));
    bench.pass(PONG_TIMEOUT / 2);
    assert_eq!(
        bench.end_of(&message).reason,
        Some(message::Reason::WrapperFailure)
    );
}

#[test]
fn a_wrapper_that_answers_pings_and_shows_nothing_else_is_unhealthy_after_the_output_timeout() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    let started = bench.now;
    while !bench.session.message(&message).unwrap().is_terminal() {
        bench.pass(Duration::from_secs(1));
        bench.wrapper_says(socket, events::name::PONG, json!({}));
    }
    assert_eq!(
        Duration::try_from(bench.now.duration_since(started)).unwrap(),
        NO_OUTPUT_TIMEOUT
    );
}

#[test]
fn an_idle_with_an_unanswered_message_is_reconciled_after_its_delay() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.root_idle(socket);
    bench.kilo_says(socket, "session.idle", json!({"sessionID": "ses_child"}));
    bench.pass(IDLE_RECONCILIATION_DELAY);
    assert_eq!(
        bench.end_of(&message).reason,
        Some(message::Reason::MissingAssistantReply)
    );
    assert_eq!(bench.jobs().len(), 1);
}

#[test]
fn a_restart_takes_up_the_queue_and_the_grace() {
    let mut bench = Bench::new();
    let accepted = bench.admit();
    bench.deliver();
    let waiting = bench.admit();
    bench.restart();
    bench.pass(RESUME_DELAY);
    assert_eq!(
        bench.delivery().message.id,
        waiting,
        "a lost delivery is made again"
    );
    bench.pass(DISCONNECT_GRACE);
    assert_eq!(
        bench.end_of(&accepted).reason,
        Some(message::Reason::WrapperDisconnected)
    );
}

#[test]
fn an_end_is_final_against_every_other_evidence() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.put(Input::Interrupt);
    let outcome = bench.end_of(&message).clone();
    bench.assistant_answers(socket, &message, "late");
    bench.wrapper_says(socket, events::name::ERROR, json!({"fatal": true, "error": "x"}));
    bench.wrapper_says(socket, events::name::INTERRUPTED, json!({}));
    bench.root_idle(socket);
    bench.pass(Duration::from_secs(3600));
    assert_eq!(bench.end_of(&message), &outcome);
    assert_eq!(bench.told_of(&message), ["queued", "sent", "failed"]);
}

#[test]
fn a_stop_that_was_lost_with_its_socket_is_told_again_when_the_wrapper_is_back() {
    let mut bench = Bench::new();
    bench.admit();
    let socket = bench.deliver();
    let run = bench.current_run().unwrap();
    bench.put(Input::Interrupt);
    bench.put(Input::IngestClosed {
        socket,
        closing: Closing::default(),
    });
    let socket = bench.connect(&run);
    assert!(bench.effects.contains(&Effect::Send(socket, ToWrapper::Kill)));
    bench.wrapper_says(socket, events::name::INTERRUPTED, json!({}));
    bench.put(Input::IngestClosed {
        socket,
        closing: Closing::default(),
    });
    let socket = bench.connect(&run);
    assert!(
        !bench.effects.contains(&Effect::Send(socket, ToWrapper::Kill)),
        "it has said that it stopped"
    );
}

#[test]
fn a_message_after_a_stop_that_nobody_confirmed_gets_a_wrapper_run_of_its_own() {
    let mut bench = Bench::new();
    bench.admit();
    let socket = bench.deliver();
    let run = bench.current_run().unwrap();
    bench.put(Input::IngestClosed {
        socket,
        closing: Closing::default(),
    });
    bench.put(Input::Interrupt);
    bench.restart();
    bench.admit();
    bench.pass(DRAIN_DELAY);
    let delivery = bench.delivery();
    assert!(delivery.ensure_ready);
    assert_ne!(delivery.run, run);
    assert!(bench.effects.contains(&Effect::StopWrapper(run.id)));
}

#[test]
fn a_ping_that_was_lost_with_its_socket_is_asked_again_when_the_wrapper_is_back() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    let run = bench.current_run().unwrap();
    bench.pass(PING_INTERVAL);
    bench.put(Input::IngestClosed {
        socket,
        closing: Closing::default(),
    });
    bench.pass(DISCONNECT_GRACE / 2);
    let socket = bench.connect(&run);
    assert!(bench.effects.contains(&Effect::Send(socket, ToWrapper::Ping)));
    bench.pass(PONG_TIMEOUT - Duration::from_millis(1));
    bench.wrapper_says(socket, events::name::PONG, json!({}));
    bench.pass(PONG_TIMEOUT);
    assert!(!bench.session.message(&message).unwrap().is_terminal());
}

#[test]
fn a_lost_answer_to_the_delivery_of_a_turn_that_has_ended_costs_neither_its_run_nor_its_callback() {
    let mut bench = Bench::new();
    let message = bench.admit();
    bench.pass(DRAIN_DELAY);
    let delivery = bench.delivery();
    bench.put(Input::Prepared {
        run: delivery.run.id.clone(),
        workspace: workspace(),
    });
    let socket = bench.connect(&delivery.run);
    bench.assistant_answers(socket, &message, "early");
    let lost = DeliveryFailure::new(FailureCode::WrapperStartFailed, "no answer");
    bench.put(Input::Delivered {
        message,
        run: delivery.run.id,
        result: Err(lost),
    });
    bench.root_idle(socket);
    assert_eq!(bench.jobs().len(), 1);
}

#[test]
fn a_delivery_that_was_called_off_with_its_run_does_not_keep_the_queue_waiting() {
    let mut bench = Bench::new();
    bench.admit();
    bench.pass(DRAIN_DELAY);
    let called_off = bench.delivery();
    bench.put(Input::Interrupt);
    let next = bench.admit();
    bench.pass(DRAIN_DELAY);
    let failure = DeliveryFailure::new(FailureCode::WrapperStartFailed, "called off");
    let (message, run) = (called_off.message.id, called_off.run.id);
    bench.put(Input::Delivered {
        message,
        run,
        result: Err(failure),
    });
    assert_eq!(bench.delivery().message.id, next);
}

#[test]
fn a_session_whose_first_message_is_refused_writes_nothing() {
    let bench = Bench::new();
    let mut metadata = bench.session.metadata().clone();
    metadata.agent.model = None;
    let mut session = Session::create(metadata, bench.randomness.clone(), Sabotage::default());
    let admission = bench.admission(&"msg_000000000000AAAAAAAAAAAAAA".parse().unwrap(), "hello");
    let decision = session.handle(bench.now, Input::Admit(Box::new(admission)));
    assert!(matches!(decision.reply, Reply::Admission(Err(_))));
    assert!(decision.writes.is_empty() && decision.effects.is_empty());
    assert!(!session.handle(bench.now, Input::Prepare).writes.is_empty());
}
