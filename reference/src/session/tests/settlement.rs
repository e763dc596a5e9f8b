//! Tests of the ends of messages.

use super::*;

#[test]
fn an_interrupt_ends_pending_messages_first_then_accepted_ones_and_releases_the_run() {
    let mut bench = Bench::new();
    let first = bench.admit();
    let socket = bench.deliver();
    let run = bench.current_run().unwrap();
    let (second, third) = (bench.admit(), bench.admit());
    let reply = bench.put(Input::Interrupt);
    let report = InterruptReport {
        interrupted: 3,
        ..InterruptReport::default()
    };
    assert!(matches!(reply, Reply::Interrupt(given) if given == report));
    let ended: Vec<&Value> = bench
        .events
        .iter()
        .filter(|event| event.stream_event_type == events::name::FAILED)
        .map(|event| &event.data["messageId"])
        .collect();
    assert_eq!(ended, [&json!(second), &json!(third), &json!(first)]);
    assert!(bench.effects.contains(&Effect::Send(socket, ToWrapper::Kill)));
    assert!(bench.effects.contains(&Effect::StopWrapper(run.id)));
    assert_eq!(bench.current_run(), None);
    assert_eq!(bench.jobs().len(), 1);
    assert_eq!(bench.jobs()[0].owner.message(), Some(&first));
    assert_eq!(bench.jobs()[0].body["errorMessage"], "Interrupted by the user");
}

#[test]
fn an_interrupt_of_pending_messages_only_keeps_the_run() {
    let mut bench = Bench::new();
    let first = bench.admit();
    let socket = bench.deliver();
    bench.assistant_answers(socket, &first, "1");
    bench.root_idle(socket);
    let second = bench.admit();
    let run = bench.current_run();
    bench.put(Input::Interrupt);
    assert_eq!(bench.events_of(&second), ["queued", "failed"]);
    assert_eq!(bench.current_run(), run);
}

#[test]
fn an_interrupt_without_anything_to_interrupt_does_nothing() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.assistant_answers(socket, &message, "1");
    let decision = bench.session.handle(bench.now, Input::Interrupt);
    assert!(matches!(decision.reply, Reply::Interrupt(report) if !report.is_anything_interrupted()));
    assert!(decision.effects.is_empty(), "{:?}", decision.effects);
}

/// A message that the wrapper has accepted. Returns its id and the socket.
fn accepted(bench: &mut Bench) -> (MessageId, SocketId) {
    let message = bench.admit();
    (message, bench.deliver())
}

#[test]
fn a_complete_settles_accepted_messages_by_the_transcript_at_once() {
    let mut bench = Bench::new();
    let (message, socket) = accepted(&mut bench);
    bench.wrapper_says(socket, events::name::COMPLETE, json!({"exitCode": 0}));
    let outcome = bench.end_of(&message);
    assert_eq!(outcome.reason, Some(message::Reason::MissingAssistantReply));
    assert_eq!(outcome.source, message::Source::IdleReconciliation);
    assert_eq!(bench.jobs().len(), 1, "no idle is expected any more");
}

#[test]
fn an_unfinished_reply_counts_only_if_the_profile_says_so() {
    for (counts, status) in [
        (false, message::Status::Failed),
        (true, message::Status::Completed),
    ] {
        let mut bench = Bench::with_profile(Profile {
            unfinished_reply_counts: counts,
            ..Profile::default()
        });
        let (message, socket) = accepted(&mut bench);
        bench.assistant_begins(socket, &message);
        bench.wrapper_says(socket, events::name::COMPLETE, json!({"exitCode": 0}));
        assert_eq!(bench.end_of(&message).status, status);
    }
}

#[test]
fn a_complete_with_invalid_data_settles_nothing() {
    let mut bench = Bench::new();
    let (message, socket) = accepted(&mut bench);
    let run = bench.current_run();
    for data in [json!({}), json!({"exitCode": 0, "gateResult": "maybe"})] {
        bench.wrapper_says(socket, events::name::COMPLETE, data);
    }
    assert!(!bench.session.message(&message).unwrap().is_terminal());
    assert_eq!(bench.current_run(), run);
    assert_eq!(bench.count(events::name::COMPLETE), 2);
}

/// A message in delivery to a wrapper that is ready and connected.
fn in_delivery(bench: &mut Bench) -> (Delivery, SocketId) {
    bench.admit();
    bench.pass(bench.profile.drain_delay);
    let delivery = bench.prepared_delivery();
    let socket = bench.connect(&delivery.run);
    (delivery, socket)
}

#[test]
fn a_message_shares_the_end_of_a_run_that_ended_before_it_was_confirmed() {
    for (name, data, reason) in [
        (events::name::INTERRUPTED, json!({}), message::Reason::Interrupted),
        (
            events::name::ERROR,
            json!({"fatal": true, "error": "x"}),
            message::Reason::WrapperError,
        ),
    ] {
        let mut bench = Bench::new();
        let (delivery, socket) = in_delivery(&mut bench);
        bench.wrapper_says(socket, name, data);
        assert_eq!(bench.current_run(), None);
        bench.report(&delivery, Ok(()));
        let message = &delivery.message.id;
        assert_eq!(bench.events_of(message), ["queued", "sent", "failed"]);
        assert_eq!(bench.end_of(message).reason, Some(reason));
        assert_eq!(bench.jobs().len(), 1);
    }
}

#[test]
fn the_last_status_is_the_error_of_the_wrapper_although_a_message_is_accepted_with_it() {
    for is_reported in [false, true] {
        let mut bench = Bench::new();
        let (delivery, socket) = in_delivery(&mut bench);
        if is_reported {
            bench.wrapper_reports(socket, &delivery.message.id);
        }
        bench.wrapper_says(socket, events::name::ERROR, json!({"fatal": true, "error": "x"}));
        bench.report(&delivery, Ok(()));
        let message = &delivery.message.id;
        assert_eq!(bench.events_of(message), ["queued", "sent", "failed"]);
        let is_status = |event: &&Event| event.stream_event_type == events::name::CLOUD_STATUS;
        let last = bench.events.iter().rfind(is_status).unwrap();
        assert_eq!(
            last.data["cloudStatus"]["type"], "error",
            "reported: {is_reported}"
        );
    }
}

#[test]
fn a_delivery_that_fails_after_the_end_of_its_run_is_a_failed_attempt() {
    let mut bench = Bench::new();
    let (delivery, socket) = in_delivery(&mut bench);
    bench.wrapper_says(socket, events::name::INTERRUPTED, json!({}));
    let lost = DeliveryFailure::new(FailureCode::WrapperStartFailed, "no answer");
    bench.report(&delivery, Err(lost));
    let message = bench.session.message(&delivery.message.id).unwrap();
    assert!(message.is_queued());
    assert_eq!(message.failed_deliveries, 1);
    bench.pass(Duration::from_secs(2));
    assert_ne!(bench.delivery().run, delivery.run);
}

#[test]
fn a_run_that_ends_while_its_wrapper_gets_ready_is_a_failed_attempt() {
    let mut bench = Bench::new();
    let (first, socket) = accepted(&mut bench);
    bench.assistant_answers(socket, &first, "1");
    bench.root_idle(socket);
    let second = bench.admit();
    bench.pass(bench.profile.drain_delay);
    let delivery = bench.delivery();
    bench.wrapper_says(socket, events::name::ERROR, json!({"fatal": true}));
    assert!(bench.effects.contains(&Effect::CancelDelivery(delivery.run.id)));
    assert_eq!(bench.session.message(&second).unwrap().failed_deliveries, 1);
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.delivery().message.id, second);
}

#[test]
fn a_complete_during_a_delivery_keeps_the_run_until_the_wrapper_has_reported_the_message() {
    let complete = json!({"exitCode": 0});
    let mut bench = Bench::new();
    let (delivery, socket) = in_delivery(&mut bench);
    bench.wrapper_says(socket, events::name::COMPLETE, complete.clone());
    assert_eq!(bench.current_run().as_ref(), Some(&delivery.run));
    bench.wrapper_reports(socket, &delivery.message.id);
    bench.wrapper_says(socket, events::name::COMPLETE, complete);
    assert_eq!(bench.current_run(), None);
    let message = &delivery.message.id;
    assert_eq!(bench.events_of(message), ["queued", "sent", "failed"]);
    let cancelled = Effect::CancelDelivery(delivery.run.id.clone());
    assert!(bench.effects.contains(&cancelled));
}

#[test]
fn an_idle_before_the_acceptance_is_reconciled_in_its_time() {
    let mut bench = Bench::new();
    let (delivery, socket) = in_delivery(&mut bench);
    bench.wrapper_reports(socket, &delivery.message.id);
    bench.root_idle(socket);
    bench.pass(bench.profile.idle_reconciliation_delay / 3);
    bench.report(&delivery, Ok(()));
    bench.pass(bench.profile.idle_reconciliation_delay * 2 / 3);
    let outcome = bench.end_of(&delivery.message.id);
    assert_eq!(outcome.reason, Some(message::Reason::MissingAssistantReply));
    assert_eq!(bench.jobs().len(), 1);
}

#[test]
fn an_idle_before_the_wrapper_reported_the_message_does_not_end_it() {
    let mut bench = Bench::new();
    let (delivery, socket) = in_delivery(&mut bench);
    bench.root_idle(socket);
    bench.wrapper_reports(socket, &delivery.message.id);
    bench.report(&delivery, Ok(()));
    bench.pass(bench.profile.idle_reconciliation_delay * 2);
    assert!(!bench.session.message(&delivery.message.id).unwrap().is_terminal());
}

#[test]
fn an_idle_with_an_unanswered_message_is_reconciled_after_the_delay() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.root_idle(socket);
    bench.kilo_says(socket, "session.idle", json!({"sessionID": "ses_child"}));
    bench.pass(bench.profile.idle_reconciliation_delay);
    assert_eq!(
        bench.end_of(&message).reason,
        Some(message::Reason::MissingAssistantReply)
    );
    assert_eq!(bench.jobs().len(), 1);
}

#[test]
fn later_evidence_does_not_change_an_end() {
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
    assert_eq!(bench.events_of(&message), ["queued", "sent", "failed"]);
}
