//! Tests of executions of an older service that belong to a message.

use super::*;
use crate::legacy::model::execution::{Execution, Id, State as ExecutionState};

const MESSAGE: &str = "msg_0123456789abABCDEFGHIJKLMN";

/// A session with a running execution of a message, whose wrapper is connected.
fn with_execution() -> (Bench, SocketId) {
    let mut bench = Bench::new();
    bench.put(Input::Prepare);
    let id = Id::try_from("exc_1".to_owned()).unwrap();
    let message = Some(MESSAGE.parse().unwrap());
    let execution = Execution::left(id.clone(), ExecutionState::Running, bench.now, message);
    let stored = Stored {
        metadata: bench.session.metadata().clone(),
        core: bench.session.core(),
        messages: Vec::new(),
        executions: vec![execution],
        entities: Vec::new(),
    };
    bench.session = Session::restore(stored, bench.randomness.clone(), bench.profile.clone());
    bench.put(Input::Resume);
    let socket = 1;
    bench.put(Input::ImportedIngestOpened {
        socket,
        execution: id,
    });
    (bench, socket)
}

/// The data of the event about the end of the message.
fn end(bench: &Bench) -> &Value {
    let ends: Vec<&Event> = bench
        .events
        .iter()
        .filter(|event| event.stream_event_type.starts_with("cloud.message."))
        .collect();
    let [end] = ends[..] else {
        panic!("{ends:?}");
    };
    assert_eq!(end.origin, Origin::default());
    &end.data
}

#[test]
fn the_message_of_a_completed_execution_completes() {
    let (mut bench, socket) = with_execution();
    let info = json!({"id": "a", "role": "assistant", "parentID": MESSAGE, "time": {"completed": 1}});
    bench.kilo_says(socket, "message.updated", json!({"info": info}));
    bench.wrapper_says(socket, "complete", json!({"exitCode": 0, "gateResult": "pass"}));
    let expected = json!({"messageId": MESSAGE, "status": "completed", "delivery": "sent", "accepted": true,
        "completionSource": "idle_reconciliation", "assistantMessageId": "a", "gateResult": "pass"});
    assert_eq!(*end(&bench), expected);
    assert_eq!(bench.jobs()[0].body["lastAssistantMessageText"], "");
}

#[test]
fn the_message_of_an_interrupted_execution_has_an_error_text() {
    let (mut bench, _) = with_execution();
    let reply = bench.put(Input::Interrupt);
    let Reply::Interrupt(report) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(
        (report.interrupted, report.imported, report.imported_stopped),
        (0, 1, true)
    );
    let expected = json!({"messageId": MESSAGE, "status": "interrupted", "delivery": "sent", "accepted": true,
        "completionSource": "interrupt", "reason": "interrupted", "error": "Interrupted by the user"});
    assert_eq!(*end(&bench), expected);
    assert_eq!(bench.jobs()[0].body["errorMessage"], "Interrupted by the user");
}

#[test]
fn the_message_of_a_lost_or_late_execution_fails_with_its_reason() {
    let (mut bench, socket) = with_execution();
    let closing = Closing::default();
    bench.put(Input::IngestClosed { socket, closing });
    bench.pass(bench.profile.disconnect_grace);
    assert_eq!(end(&bench)["reason"], "wrapper_disconnected");
    let (mut bench, _) = with_execution();
    bench.pass(bench.profile.execution_timeout);
    assert_eq!(end(&bench)["reason"], "wrapper_failure");
    let (mut bench, socket) = with_execution();
    bench.wrapper_says(socket, "error", json!({"fatal": true, "error": "no disk"}));
    let data = end(&bench);
    assert_eq!(
        (&data["reason"], &data["error"]),
        (&json!("wrapper_error"), &json!("no disk"))
    );
}
