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
fn a_lost_kill_is_sent_again_on_reconnect() {
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
        "the wrapper has confirmed the kill"
    );
}

#[test]
fn a_message_after_an_unconfirmed_kill_gets_a_new_run() {
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
    bench.pass(bench.profile.drain_delay);
    let delivery = bench.delivery();
    assert!(delivery.ensure_ready);
    assert_ne!(delivery.run, run);
    assert!(bench.effects.contains(&Effect::StopWrapper(run.id)));
}

#[test]
fn a_lost_ping_is_sent_again_on_reconnect() {
    let mut bench = Bench::new();
    let message = bench.admit();
    let socket = bench.deliver();
    let run = bench.current_run().unwrap();
    bench.pass(bench.profile.ping_interval);
    bench.put(Input::IngestClosed {
        socket,
        closing: Closing::default(),
    });
    bench.pass(bench.profile.disconnect_grace / 2);
    let socket = bench.connect(&run);
    assert!(bench.effects.contains(&Effect::Send(socket, ToWrapper::Ping)));
    bench.pass(bench.profile.pong_timeout - Duration::from_millis(1));
    bench.wrapper_says(socket, events::name::PONG, json!({}));
    bench.pass(bench.profile.pong_timeout);
    assert!(!bench.session.message(&message).unwrap().is_terminal());
}
