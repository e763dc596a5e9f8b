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

/// A turn with several assistant messages, each with a text.
fn tool_loop(bench: &mut Bench, socket: SocketId, message: &MessageId, texts: &[&str]) {
    for (number, text) in texts.iter().enumerate() {
        // The ids of kilo are in another order than the messages.
        let id = format!("a{}", 9 - number);
        let part = json!({"id": "p1", "messageID": id, "type": "text", "text": text});
        bench.kilo_says(socket, "message.part.updated", json!({"part": part}));
        let info = json!({"id": id, "role": "assistant", "parentID": message, "time": {"completed": 1}});
        bench.kilo_says(socket, "message.updated", json!({"info": info}));
    }
}

#[test]
fn the_callback_has_the_text_of_the_latest_finished_assistant_message() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    tool_loop(&mut bench, socket, &message, &["first", "second", "last"]);
    let unfinished = json!({"id": "a0", "role": "assistant", "parentID": message, "time": {}});
    bench.kilo_says(socket, "message.updated", json!({"info": unfinished}));
    assert_eq!(bench.end_of(&message).assistant_message_id.as_deref(), Some("a9"));
    bench.root_idle(socket);
    assert_eq!(bench.jobs()[0].body["lastAssistantMessageText"], "last");
}

#[test]
fn an_answer_without_text_has_an_empty_text() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    tool_loop(&mut bench, socket, &message, &["  "]);
    bench.root_idle(socket);
    assert_eq!(bench.jobs()[0].body["lastAssistantMessageText"], "");
}

#[test]
fn a_text_that_is_too_long_for_the_queue_is_left_out() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    let text = "x".repeat(bench.profile.callback_job_limit);
    bench.assistant_answers(socket, &message, &text);
    bench.root_idle(socket);
    let body = &bench.jobs()[0].body;
    assert_eq!(body.get("lastAssistantMessageText"), None);
    let truncation = json!({"originalUtf8ByteLength": text.len(), "retainedUtf8ByteLength": 0});
    assert_eq!(body["lastAssistantMessageTextTruncation"], truncation);
}

#[test]
fn a_job_that_is_too_large_in_any_form_is_given_up_once() {
    let mut bench = Bench::new();
    let url = format!("http://receiver/{}", "x".repeat(bench.profile.callback_job_limit));
    let headers = BTreeMap::new();
    bench.put(Input::SetCallbackTarget(Some(CallbackTarget { url, headers })));
    let message = bench.admit();
    let socket = bench.deliver();
    bench.assistant_answers(socket, &message, "done");
    bench.root_idle(socket);
    bench.restart();
    bench.pass(Duration::from_secs(3600));
    assert!(bench.jobs().is_empty());
    let given_up = |effect: &&Effect| matches!(effect, Effect::CallbackGivenUp(..));
    assert_eq!(bench.effects.iter().filter(given_up).count(), 1);
    let callback = bench.session.message(&message).unwrap().callback.clone().unwrap();
    assert!(callback.callback_last_error.is_some());
}

#[test]
fn a_job_that_the_queue_refuses_for_its_size_is_given_up() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.assistant_answers(socket, &message, "done");
    bench.root_idle(socket);
    let too_large = job_size::TooLarge {
        size: 300,
        limit: 200,
    };
    bench.put(Input::Enqueued {
        owner: message.into(),
        result: Err(too_large.into()),
    });
    bench.pass(Duration::from_secs(3600));
    assert_eq!(bench.jobs().len(), 1);
}

#[test]
fn a_deletion_keeps_the_callbacks_unless_the_profile_drops_them() {
    for keeps in [true, false] {
        let mut bench = Bench::with_profile(Profile {
            delete_keeps_callbacks: keeps,
            ..Profile::default()
        });
        bench.admit();
        let decision = bench.session.handle(bench.now, Input::Delete);
        let is_submitted = |effect: &Effect| matches!(effect, Effect::Enqueue(_));
        assert_eq!(decision.effects.iter().any(is_submitted), keeps);
        assert_eq!(decision.writes.removal, !keeps);
    }
}
