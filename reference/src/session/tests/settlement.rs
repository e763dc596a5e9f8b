//! Tests of the ends of messages.

use super::*;

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
            imported: 0,
            imported_stopped: false
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
