//! Tests of the wrapper run: sockets, fence and supervision.

use super::*;
use crate::session::wrapper::{CLOSE_REPLACED, CLOSE_STALE, IngestRefusal};

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
    bench.pass(bench.profile.disconnect_grace - Duration::from_millis(1));
    let socket = bench.connect(&run);
    bench.pass(bench.profile.disconnect_grace * 2);
    assert!(!bench.session.message(&message).unwrap().is_terminal());

    bench.put(Input::IngestClosed {
        socket,
        closing: Closing::default(),
    });
    bench.pass(bench.profile.disconnect_grace);
    let outcome = bench.end_of(&message);
    assert_eq!(outcome.reason, Some(message::Reason::WrapperDisconnected));
    assert_eq!(outcome.error.as_deref(), Some("Wrapper disconnected"));
    assert_eq!(bench.current_run(), None);
    assert_eq!(bench.jobs().len(), 1);
}

#[test]
fn a_stale_fence_is_refused_and_its_frames_have_no_effect() {
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
        Reply::Ingest(Err(IngestRefusal::StaleConnection))
    ));

    let mut step = bench.step();
    bench.session.wrapper.clear(&mut step);
    let event_count = bench.events.len();
    bench.assistant_answers(socket, &message, "late");
    assert_eq!(bench.events.len(), event_count);
    assert!(bench.effects.contains(&Effect::Close(socket, CLOSE_STALE)));
}

#[test]
fn a_newer_socket_with_the_same_fence_replaces_the_older_one_without_a_grace() {
    let mut bench = Bench::new();
    bench.admit();
    let older = bench.deliver();
    let run = bench.current_run().unwrap();
    bench.connect(&run);
    assert!(bench.effects.contains(&Effect::Close(older, CLOSE_REPLACED)));
    bench.put(Input::IngestClosed {
        socket: older,
        closing: Closing::default(),
    });
    assert!(!bench.session.supervision.is_set(&Deadline::Grace));
}

#[test]
fn a_missing_pong_makes_a_wrapper_unhealthy_despite_output() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    bench.pass(bench.profile.ping_interval);
    assert!(bench.effects.contains(&Effect::Send(socket, ToWrapper::Ping)));
    bench.pass(bench.profile.pong_timeout / 2);
    bench.wrapper_says(socket, events::name::HEARTBEAT, json!({}));
    bench.pass(bench.profile.pong_timeout / 2);
    assert_eq!(
        bench.end_of(&message).reason,
        Some(message::Reason::WrapperFailure)
    );
}

#[test]
fn missing_output_makes_a_wrapper_unhealthy_despite_pongs() {
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
        bench.profile.no_output_timeout
    );
}

#[test]
fn a_restart_resumes_the_queue_and_the_grace() {
    let mut bench = Bench::new();
    let accepted = bench.admit();
    bench.deliver();
    let waiting = bench.admit();
    bench.restart();
    bench.pass(bench.profile.resume_delay);
    assert_eq!(
        bench.delivery().message.id,
        waiting,
        "a lost delivery is repeated"
    );
    bench.pass(bench.profile.disconnect_grace);
    assert_eq!(
        bench.end_of(&accepted).reason,
        Some(message::Reason::WrapperDisconnected)
    );
}

#[test]
fn a_ping_is_forgotten_when_the_wrapper_reconnects_inside_the_grace() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    let run = bench.current_run().unwrap();
    bench.pass(bench.profile.ping_interval + bench.profile.pong_timeout - Duration::from_secs(5));
    bench.disconnect(socket);
    // The pong is due inside the grace, in which it cannot arrive.
    bench.pass(bench.profile.disconnect_grace - Duration::from_millis(1));
    assert!(!bench.session.message(&message).unwrap().is_terminal());
    let socket = bench.connect(&run);
    assert!(!bench.effects.contains(&Effect::Send(socket, ToWrapper::Ping)));
    bench.pass(bench.profile.ping_interval - Duration::from_millis(1));
    assert!(!bench.effects.contains(&Effect::Send(socket, ToWrapper::Ping)));
    bench.pass(Duration::from_millis(1));
    assert!(bench.effects.contains(&Effect::Send(socket, ToWrapper::Ping)));
}

#[test]
fn a_reconnect_inside_the_grace_gives_time_for_output_again() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    let run = bench.current_run().unwrap();
    let mut step = bench.step();
    bench.session.supervision.clear(&Deadline::Ping, &mut step);
    bench.session.supervision.clear(&Deadline::Pong, &mut step);
    bench.now += bench.profile.no_output_timeout - Duration::from_secs(5);
    bench.disconnect(socket);
    bench.pass(bench.profile.disconnect_grace / 2);
    assert!(!bench.session.message(&message).unwrap().is_terminal());
    let socket = bench.connect(&run);
    let reconnected_at = bench.now;
    while !bench.session.message(&message).unwrap().is_terminal() {
        bench.pass(Duration::from_secs(1));
        bench.wrapper_says(socket, events::name::PONG, json!({}));
    }
    assert_eq!(bench.now, reconnected_at + bench.profile.no_output_timeout);
}

#[test]
fn a_ping_is_sent_again_on_a_socket_that_replaces_an_open_one() {
    let mut bench = Bench::new();
    let message = bench.admit();
    bench.deliver();
    let run = bench.current_run().unwrap();
    bench.pass(bench.profile.ping_interval + bench.profile.pong_timeout / 2);
    let socket = bench.connect(&run);
    assert!(bench.effects.contains(&Effect::Send(socket, ToWrapper::Ping)));
    bench.pass(bench.profile.pong_timeout - Duration::from_millis(1));
    bench.wrapper_says(socket, events::name::PONG, json!({}));
    bench.pass(bench.profile.pong_timeout);
    assert!(!bench.session.message(&message).unwrap().is_terminal());
}

#[test]
fn the_grace_begins_with_the_last_socket_although_a_replaced_one_is_not_closed_yet() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let older = bench.deliver();
    let run = bench.current_run().unwrap();
    let newer = bench.connect(&run);
    bench.disconnect(newer);
    // Frames that were on their way on the replaced socket count (R5.64).
    bench.kilo_says(older, "message.part.delta", json!({"delta": "x"}));
    assert_eq!(
        bench.events.last().unwrap().stream_event_type,
        events::name::KILOCODE
    );
    bench.pass(bench.profile.disconnect_grace);
    assert_eq!(
        bench.end_of(&message).reason,
        Some(message::Reason::WrapperDisconnected)
    );
}

#[test]
fn a_heartbeat_does_not_put_off_the_ping() {
    let mut bench = Bench::new();
    bench.admit();
    let socket = bench.deliver();
    bench.pass(bench.profile.ping_interval - Duration::from_secs(1));
    for name in [events::name::HEARTBEAT, events::name::WRAPPER_RESUMED] {
        bench.wrapper_says(socket, name, json!({}));
    }
    bench.kilo_says(socket, "session.idle", json!({"sessionID": "ses_child"}));
    bench.pass(Duration::from_secs(1));
    assert!(bench.effects.contains(&Effect::Send(socket, ToWrapper::Ping)));
}

#[test]
fn a_wrapper_that_ended_its_run_is_not_heard_any_more() {
    for (name, data) in [
        (events::name::COMPLETE, json!({"exitCode": 0})),
        (events::name::INTERRUPTED, json!({})),
        (events::name::ERROR, json!({"fatal": true})),
    ] {
        let mut bench = Bench::new();
        bench.admit();
        let socket = bench.deliver();
        bench.wrapper_says(socket, name, data);
        assert_eq!(bench.current_run(), None, "{name}");
        assert!(!bench.effects.contains(&Effect::Close(socket, CLOSE_STALE)));
        let seen = bench.events.len();
        bench.root_idle(socket);
        assert_eq!(bench.events.len(), seen, "{name}");
        assert!(bench.effects.contains(&Effect::Close(socket, CLOSE_STALE)));
    }
}
