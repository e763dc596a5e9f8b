//! Tests of what queries and connecting clients see.

use super::*;
use crate::session::health::WorkHealth;

fn health(bench: &Bench) -> Option<WorkHealth> {
    bench.session.current_work(bench.now).unwrap().running
}

#[test]
fn the_current_work_is_the_oldest_accepted_message_and_else_the_first_pending_one() {
    let mut bench = Bench::new();
    assert_eq!(bench.session.current_work(bench.now), None);
    let first = bench.admit();
    let admitted_at = bench.now;
    bench.pass(Duration::from_millis(10));
    let second = bench.admit();
    let work = bench.session.current_work(bench.now).unwrap();
    assert_eq!(
        (work.message, work.started_at, work.running),
        (first.clone(), admitted_at, None)
    );
    let socket = bench.deliver();
    let work = bench.session.current_work(bench.now).unwrap();
    assert_eq!((work.message, work.started_at), (first.clone(), bench.now));
    assert_eq!(work.running, Some(WorkHealth::Healthy));
    bench.assistant_answers(socket, &first, "done");
    assert_eq!(bench.session.current_work(bench.now).unwrap().message, second);
}

#[test]
fn work_is_unknown_without_a_socket_or_a_pong_and_stale_once_a_deadline_has_passed() {
    let mut bench = Bench::new();
    bench.admit();
    let socket = bench.deliver();
    bench.pass(bench.profile.ping_interval);
    assert_eq!(
        health(&bench),
        Some(WorkHealth::Unknown),
        "the pong is outstanding"
    );
    bench.wrapper_says(socket, events::name::PONG, json!({}));
    assert_eq!(health(&bench), Some(WorkHealth::Healthy));
    let closing = Closing::default();
    bench.put(Input::IngestClosed { socket, closing });
    assert_eq!(health(&bench), Some(WorkHealth::Unknown), "there is no socket");
    // The grace has passed and has not been handled yet, as while the store fails.
    bench.now += bench.profile.disconnect_grace;
    assert_eq!(health(&bench), Some(WorkHealth::Stale));
}

#[test]
fn each_change_of_the_metadata_is_counted() {
    let mut bench = Bench::new();
    bench.admit();
    let before = bench.session.metadata().lifecycle.changes;
    assert_eq!(before, 1);
    bench.put(Input::SetCallbackTarget(None));
    assert_eq!(bench.session.metadata().lifecycle.changes, 2);
}

#[test]
fn the_snapshot_leaves_out_superseded_failures() {
    let mut bench = Bench::new();
    let first = bench.admit();
    bench.pass(bench.profile.drain_delay);
    // Two interrupts in the queue, then a message that a wrapper accepts.
    bench.put(Input::Interrupt);
    let shown = |bench: &Bench| -> Vec<Value> {
        let snapshot = bench.session.delivery_snapshot().into_iter();
        snapshot
            .map(|(name, data)| json!([name, data["messageId"]]))
            .collect()
    };
    let failure = [
        json!(["cloud.message.queued", first]),
        json!(["cloud.message.failed", first]),
    ];
    assert_eq!(shown(&bench), failure);
    bench.pass(Duration::from_millis(10));
    let second = bench.admit();
    assert_eq!(shown(&bench)[..2], failure, "a queued message supersedes nothing");
    let socket = bench.deliver();
    assert_eq!(shown(&bench), [] as [Value; 0]);
    bench.assistant_answers(socket, &second, "done");
    bench.pass(Duration::from_millis(10));
    let third = bench.admit();
    bench.put(Input::Interrupt);
    // A failure after the last accepted message is shown.
    let shown = shown(&bench);
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[1], json!(["cloud.message.failed", third]));
}

#[test]
fn the_commands_of_a_wrapper_are_remembered_over_a_restart() {
    let mut bench = Bench::new();
    bench.admit();
    let socket = bench.deliver();
    assert_eq!(bench.session.commands(), json!([]));
    let commands = json!([{"name": "review"}]);
    bench.wrapper_says(socket, "commands.available", json!({"commands": commands}));
    assert_eq!(bench.session.commands(), commands);
    let changes = bench.session.metadata().lifecycle.changes;
    bench.wrapper_says(socket, "commands.available", json!({"commands": commands}));
    bench.wrapper_says(socket, "commands.available", json!({"commands": "none"}));
    assert_eq!(bench.session.metadata().lifecycle.changes, changes);
    bench.restart();
    assert_eq!(bench.session.commands(), commands);
}

#[test]
fn the_cloud_status_follows_the_events_of_the_wrapper() {
    let mut bench = Bench::new();
    bench.admit();
    let socket = bench.deliver();
    bench.events.clear();
    bench.wrapper_says(
        socket,
        "autocommit_started",
        json!({"messageId": "m", "message": "Saving"}),
    );
    bench.wrapper_says(
        socket,
        "autocommit_completed",
        json!({"messageId": "m", "success": true}),
    );
    bench.wrapper_says(
        socket,
        "preparing",
        json!({"step": "clone", "message": "Cloning"}),
    );
    bench.wrapper_says(socket, "preparing", json!({"step": "no message"}));
    let status: Vec<&Value> = bench
        .events
        .iter()
        .filter(|event| event.stream_event_type == events::name::CLOUD_STATUS)
        .map(|event| &event.data["cloudStatus"])
        .collect();
    let expected = [
        json!({"type": "finalizing", "step": "committing", "message": "Saving"}),
        json!({"type": "ready"}),
        json!({"type": "preparing", "step": "clone", "message": "Cloning"}),
    ];
    assert_eq!(status, expected.iter().collect::<Vec<_>>());
}

#[test]
fn the_latest_assistant_message_survives_a_restart_in_the_order_of_appearance() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    // The ids of kilo are not in the order of appearance.
    for id in ["z", "a"] {
        let info = json!({"id": id, "role": "assistant", "parentID": message, "time": {"completed": 1}});
        bench.kilo_says(socket, "message.updated", json!({"info": info}));
        let part = json!({"id": "p", "messageID": id, "type": "text", "text": id});
        bench.kilo_says(socket, "message.part.updated", json!({"part": part}));
    }
    let latest = bench.session.latest_assistant_message().unwrap();
    assert_eq!(latest.info["id"], "a");
    assert_eq!(latest.parts[0]["text"], "a");
    bench.restart();
    assert_eq!(bench.session.latest_assistant_message(), Some(latest));
}
