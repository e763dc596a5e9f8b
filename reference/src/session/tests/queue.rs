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
fn a_message_has_one_attempt_more_than_its_list_has_delays() {
    let profile = Profile {
        delivery_retry_delays_cold: [2, 4, 8].map(Duration::from_secs).into(),
        delivery_retry_delays_warm: [3].map(Duration::from_secs).into(),
        ..Profile::default()
    };
    let (cold, warm) = (
        profile.delivery_retry_delays_cold.clone(),
        profile.delivery_retry_delays_warm.clone(),
    );
    for (warm, delays) in [(false, cold), (true, warm)] {
        let mut bench = Bench::with_profile(profile.clone());
        if warm {
            bench.session.metadata.workspace = Some(workspace());
        }
        let message = bench.admit();
        let mut delay = bench.profile.drain_delay;
        for count in 0..=delays.len() {
            bench.pass(delay - Duration::from_millis(1));
            assert_eq!(bench.deliveries(), 0, "delivery {count} came early");
            bench.pass(Duration::from_millis(1));
            // The delay counts from the failure, however long the attempt took (R4.23).
            bench.pass(Duration::from_secs(20));
            bench.fail_delivery(DeliveryFailure::new(FailureCode::SandboxConnectFailed, "no"));
            delay = delays.get(count).copied().unwrap_or_default();
        }
        assert_eq!(bench.end_of(&message).reason, Some(message::Reason::Exhausted));
        let last = bench
            .events
            .iter()
            .rfind(|event| event.stream_event_type == events::name::FAILED)
            .unwrap();
        assert_eq!(last.data["attempts"], delays.len() + 1);
        assert_eq!(last.data["delivery"], "queued");
        assert_eq!(bench.jobs().len(), 1, "exhaustion needs no idle");
    }
}

#[test]
fn no_refusal_is_permanent_by_default() {
    let mut bench = Bench::new();
    let message = bench.admit();
    bench.pass(bench.profile.drain_delay);
    bench.fail_delivery(DeliveryFailure::new(FailureCode::BadRequest, "no"));
    bench.pass(Duration::from_secs(2));
    bench.fail_delivery(DeliveryFailure::new(FailureCode::BadRequest, "no"));
    assert_eq!(bench.end_of(&message).error.as_deref(), Some("BAD_REQUEST: no"));
}

#[test]
fn a_permanent_refusal_exhausts_at_once_and_the_next_message_is_delivered() {
    let mut bench = Bench::with_profile(Profile {
        permanent_refusals: vec!["BAD_REQUEST".to_owned()],
        ..Profile::default()
    });
    let (first, second) = (bench.admit(), bench.admit());
    bench.pass(bench.profile.drain_delay);
    bench.fail_delivery(DeliveryFailure::new(FailureCode::BadRequest, "no"));
    assert_eq!(bench.end_of(&first).status, message::Status::Failed);
    bench.pass(bench.profile.drain_delay);
    assert_eq!(bench.delivery().message.id, second);
}

#[test]
fn an_attempt_that_a_restart_cuts_short_does_not_count() {
    let mut bench = Bench::new();
    let message = bench.admit();
    bench.pass(bench.profile.drain_delay);
    bench.delivery();
    bench.restart();
    bench.pass(bench.profile.resume_delay);
    bench.fail_delivery(DeliveryFailure::new(FailureCode::SandboxConnectFailed, "no"));
    let message = bench.session.message(&message).unwrap();
    assert!(message.is_queued());
    assert_eq!(message.failed_deliveries, 1);
}

#[test]
fn an_end_before_the_answer_to_the_delivery_counts_as_accepted_then_ended() {
    let mut bench = Bench::new();
    let message = bench.admit();
    bench.pass(bench.profile.drain_delay);
    let delivery = bench.prepared_delivery();
    let socket = bench.connect(&delivery.run);
    bench.assistant_answers(socket, &message, "early");
    bench.report(&delivery, Ok(()));
    assert_eq!(bench.events_of(&message), ["queued", "sent", "completed"]);
    assert!(!bench.effects.contains(&Effect::Send(socket, ToWrapper::Kill)));
}

#[test]
fn an_interrupt_cuts_a_delivery_short_and_the_next_message_does_not_wait_for_it() {
    let mut bench = Bench::new();
    let first = bench.admit();
    bench.pass(bench.profile.drain_delay);
    let delivery = bench.prepared_delivery();
    bench.put(Input::Interrupt);
    let run = delivery.run.id.clone();
    assert!(bench.effects.contains(&Effect::CancelDelivery(run.clone())));
    assert!(bench.effects.contains(&Effect::StopWrapper(run)));
    let next = bench.admit();
    bench.pass(bench.profile.drain_delay);
    let delivered = bench.delivery();
    assert_eq!(delivered.message.id, next);
    assert_ne!(delivered.run, delivery.run);
    // The report may have been on its way.
    bench.report(&delivery, Ok(()));
    assert_eq!(bench.events_of(&first), ["queued", "failed"]);
}

#[test]
fn only_the_preparation_of_a_workspace_is_reported() {
    let mut bench = Bench::new();
    let first = bench.admit();
    let socket = bench.deliver();
    assert_eq!(bench.count(events::name::PREPARING), 2);
    assert_eq!(
        bench.count(events::name::CLOUD_STATUS),
        3,
        "preparing, preparing, ready"
    );
    bench.assistant_answers(socket, &first, "1");
    bench.root_idle(socket);
    bench.admit();
    bench.deliver();
    assert_eq!(bench.count(events::name::PREPARING), 2);
    assert_eq!(
        bench.count(events::name::CLOUD_STATUS),
        4,
        "ready after every acceptance"
    );
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
