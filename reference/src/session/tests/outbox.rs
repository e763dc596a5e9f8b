//! Tests of idle batches and callbacks.

use super::*;

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
    let called_back: Vec<&MessageId> = bench
        .jobs()
        .iter()
        .filter_map(|job| job.owner.message())
        .collect();
    assert_eq!(called_back, [&second, &third]);
}

#[test]
fn a_rejected_job_is_submitted_again_after_its_delay_until_accepted() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.assistant_answers(socket, &message, "x");
    bench.root_idle(socket);
    bench.put(Input::Enqueued {
        owner: message.clone().into(),
        result: Err(EnqueueError::new("no")),
    });
    bench.restart();
    bench.pass(bench.profile.enqueue_retry_delay - Duration::from_millis(1));
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
fn a_wrapper_lost_between_reply_and_idle_still_causes_a_callback() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.assistant_answers(socket, &message, "x");
    bench.put(Input::IngestClosed {
        socket,
        closing: Closing::default(),
    });
    bench.pass(bench.profile.disconnect_grace);
    assert_eq!(bench.jobs().len(), 1);
    assert_eq!(bench.jobs()[0].body["status"], "completed");
}

#[test]
fn a_lost_answer_for_an_ended_turn_keeps_the_run_and_the_callback() {
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
    let lost = DeliveryFailure::new(FailureCode::WrapperStartFailed, "no answer");
    bench.put(Input::Delivered {
        message,
        run: delivery.run.id,
        result: Err(lost),
    });
    bench.root_idle(socket);
    assert_eq!(bench.jobs().len(), 1);
}
