//! Tests of admission and delivery.

use super::*;

#[test]
fn a_turn_is_queued_sent_and_completed_and_its_callback_has_the_text() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.assistant_answers(socket, &message, " hi ");
    assert!(bench.jobs().is_empty(), "there was no idle yet");
    bench.root_idle(socket);
    assert_eq!(bench.events_of(&message), ["queued", "sent", "completed"]);
    let jobs = bench.jobs();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].body["lastAssistantMessageText"], "hi");
    assert_eq!(jobs[0].body["idempotencyKey"], json!(message));
}

#[test]
fn the_eleventh_pending_message_is_refused_and_its_id_remains_free() {
    let mut bench = Bench::new();
    for _ in 0..bench.profile.pending_limit {
        bench.admit();
    }
    let id = MessageId::draw(bench.now, &bench.randomness);
    let refusal = bench.try_admit(&id, "hello").unwrap_err();
    assert_eq!(refusal.code, Code::TooManyRequests);
    assert!(refusal.text.contains("PENDING_QUEUE_FULL"), "{refusal}");
    assert!(bench.session.message(&id).is_none());
}

#[test]
fn a_repeated_id_is_acknowledged_only_with_the_same_intent_before_its_end() {
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
    assert_eq!(bench.events_of(&id), ["queued", "sent", "completed"]);
}

#[test]
fn failed_deliveries_follow_both_schedules_and_the_last_one_exhausts() {
    let Profile {
        delivery_retry_delays_cold: cold,
        delivery_retry_delays_warm: warm,
        ..
    } = Profile::default();
    for (warm, delays) in [(false, cold), (true, warm)] {
        let mut bench = Bench::new();
        if warm {
            bench.session.metadata.workspace = Some(workspace());
        }
        let message = bench.admit();
        let mut delivered_at = bench.now + bench.profile.drain_delay;
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
fn a_permanent_failure_exhausts_at_once_and_the_next_message_is_delivered() {
    let mut bench = Bench::new();
    let (first, second) = (bench.admit(), bench.admit());
    bench.pass(bench.profile.drain_delay);
    bench.fail_delivery(DeliveryFailure::new(FailureCode::BadRequest, "no"));
    assert_eq!(bench.end_of(&first).status, message::Status::Failed);
    bench.pass(bench.profile.drain_delay);
    assert_eq!(bench.delivery().message.id, second);
}

#[test]
fn an_end_before_the_answer_to_the_delivery_counts_as_accepted_then_ended() {
    let mut bench = Bench::new();
    let message = bench.admit();
    bench.pass(bench.profile.drain_delay);
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
    assert_eq!(bench.events_of(&message), ["queued", "sent", "completed"]);
    assert!(!bench.effects.contains(&Effect::Send(socket, ToWrapper::Kill)));
}

#[test]
fn a_cancelled_delivery_does_not_block_the_queue() {
    let mut bench = Bench::new();
    bench.admit();
    bench.pass(bench.profile.drain_delay);
    let cancelled = bench.delivery();
    bench.put(Input::Interrupt);
    let next = bench.admit();
    bench.pass(bench.profile.drain_delay);
    let failure = DeliveryFailure::new(FailureCode::WrapperStartFailed, "cancelled");
    let (message, run) = (cancelled.message.id, cancelled.run.id);
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
    let mut session = Session::create(metadata, bench.randomness.clone(), bench.profile.clone());
    let admission = bench.admission(&"msg_000000000000AAAAAAAAAAAAAA".parse().unwrap(), "hello");
    let decision = session.handle(bench.now, Input::Admit(Box::new(admission)));
    assert!(matches!(decision.reply, Reply::Admission(Err(_))));
    assert!(decision.writes.is_empty() && decision.effects.is_empty());
    assert!(!session.handle(bench.now, Input::Prepare).writes.is_empty());
}
