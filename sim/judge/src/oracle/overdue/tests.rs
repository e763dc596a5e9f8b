//! Handwritten traces of turns that outlive a deadline, and of turns that do not.

use serde_json::{Value, json};
use turnstile_events::world::WorldEvent;
use turnstile_fault::{ClockChange, ConnectionEnd, Fault, Link, LinkEffect, Place};

use crate::oracle::written::Writer;
use crate::parties::{SERVER, WRAPPER};

const NOTHING: [&str; 0] = [];
const FOUND: [&str; 1] = ["no-turn-outlives-its-deadlines"];

/// The oracle's findings if the message completes.
fn completed(mut writer: Writer) -> Vec<String> {
    writer.completed("m1");
    found(writer)
}

fn found(writer: Writer) -> Vec<String> {
    let mut found = writer.judged();
    found.retain(|rule| rule == FOUND[0]);
    found
}

/// The wrapper answers its pings for that many minutes.
fn answers_pings(writer: &mut Writer, minutes: u64) {
    for _ in 0..minutes {
        writer.wait(58);
        writer.is_pinged(1);
        writer.wrapper_sends(1, "pong", Value::Null);
    }
}

#[test]
fn a_turn_without_output_ends_after_the_time_out() {
    for (minutes, rules) in [(4, &NOTHING[..]), (6, &FOUND)] {
        let mut writer = Writer::at_work();
        answers_pings(&mut writer, minutes);
        assert_eq!(completed(writer), rules, "{minutes}");
    }
    let mut restarted = Writer::at_work();
    answers_pings(&mut restarted, 4);
    restarted.wrapper_sends_assistant(1, "m1", "a1", json!({}));
    answers_pings(&mut restarted, 4);
    assert_eq!(completed(restarted), NOTHING);
}

#[test]
fn heartbeats_and_idles_are_no_output() {
    let mut writer = Writer::at_work();
    for _ in 0..6 {
        answers_pings(&mut writer, 1);
        writer.wrapper_sends(1, "heartbeat", json!({}));
    }
    assert_eq!(completed(writer), FOUND);
}

#[test]
fn a_turn_without_a_sign_of_life_ends_after_ping_and_pong() {
    for (seconds, rules) in [(85, &NOTHING[..]), (95, &FOUND)] {
        let mut writer = Writer::at_work();
        writer.wait(seconds);
        assert_eq!(completed(writer), rules, "{seconds}");
    }
}

#[test]
fn only_a_pong_answers_a_ping() {
    for (answer, rules) in [
        ("pong", &NOTHING[..]),
        ("heartbeat", &FOUND),
        ("something", &FOUND),
    ] {
        let mut writer = Writer::at_work();
        writer.wait(60);
        writer.is_pinged(1);
        writer.wrapper_sends(1, answer, Value::Null);
        writer.wait(35);
        assert_eq!(completed(writer), rules, "{answer}");
    }
}

#[test]
fn a_new_socket_restarts_the_wait_for_a_pong() {
    let mut writer = Writer::at_work();
    writer.wait(60);
    writer.is_pinged(1);
    writer.wait(20);
    writer.ingest_ends(1);
    writer.opens_ingest(1);
    writer.wait(60);
    assert_eq!(completed(writer), NOTHING);
}

#[test]
fn a_turn_without_a_socket_ends_after_the_grace() {
    for (seconds, rules) in [(8, &NOTHING[..]), (12, &FOUND)] {
        let mut writer = Writer::at_work();
        writer.ingest_ends(1);
        writer.wait(seconds);
        assert_eq!(completed(writer), rules, "{seconds}");
    }
    for (seconds, rules) in [(8, &NOTHING[..]), (12, &FOUND)] {
        let mut given_up = Writer::at_work();
        given_up.ingest_ends(1);
        given_up.wait(5);
        given_up.gives_up_ingest(1);
        given_up.wait(seconds);
        assert_eq!(completed(given_up), rules, "{seconds}");
    }
    let mut back = Writer::at_work();
    back.ingest_ends(1);
    back.opens_ingest(1);
    back.wait(25);
    assert_eq!(completed(back), NOTHING);
}

#[test]
fn a_turn_ends_after_the_grace_also_if_its_wrapper_is_cut_off() {
    for (is_reset, seconds, rules) in [
        (true, 8, &NOTHING[..]),
        (true, 12, &FOUND),
        // The server may not have noticed anything.
        (false, 12, &NOTHING),
    ] {
        let mut writer = Writer::at_work();
        if is_reset {
            let reset = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
            writer.world(WorldEvent::ended_connections(&reset, 1));
        }
        writer.world(WorldEvent::of(&Fault::cut(&Link::between(WRAPPER, SERVER))));
        writer.wait(seconds);
        assert_eq!(completed(writer), rules, "{is_reset} {seconds}");
    }
}

#[test]
fn a_finished_reply_ends_its_turn_at_once() {
    for (time, waits, rules) in [
        (json!({"completed": 2}), true, &FOUND[..]),
        (json!({"completed": 2}), false, &NOTHING),
        (json!({}), true, &NOTHING),
    ] {
        let mut writer = Writer::at_work();
        writer.at_once(|writer| {
            writer.wrapper_sends_assistant(1, "m1", "a1", time.clone());
            writer.wait(u64::from(waits));
            writer.completed("m1");
        });
        assert_eq!(found(writer), rules, "{time} {waits}");
    }
}

#[test]
fn a_reply_on_a_connection_that_went_silent_before_may_be_lost() {
    let mut writer = Writer::at_work();
    let silence = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Silence);
    writer.world(WorldEvent::ended_connections(&silence, 1));
    writer.wait(20);
    writer.wrapper_sends_assistant(1, "m1", "a1", json!({"completed": 2}));
    writer.wait(20);
    assert_eq!(completed(writer), NOTHING);
}

#[test]
fn an_older_socket_that_lingers_does_not_stop_the_grace() {
    let mut writer = Writer::at_work();
    writer.opens_ingest(1);
    writer.ingest_ends(1);
    writer.wait(25);
    assert_eq!(completed(writer), FOUND);
}

#[test]
fn a_socket_whose_answer_was_held_up_may_be_older_than_one_that_stays() {
    let stall = Fault::on(&Link::between(SERVER, WRAPPER), LinkEffect::Stall);
    let place = stall.place().expect("a link is a place");
    for (is_held_up, rules) in [(false, &FOUND[..]), (true, &NOTHING)] {
        let mut writer = Writer::at_work();
        if is_held_up {
            writer.world(WorldEvent::of(&stall));
        }
        writer.wait(4);
        if is_held_up {
            writer.world(WorldEvent::Ended { place: place.clone() });
        }
        writer.opens_ingest(1);
        writer.ingest_ends(1);
        writer.wait(40);
        assert_eq!(completed(writer), rules, "{is_held_up}");
    }
}

#[test]
fn a_turn_ends_after_the_idle_unless_kilo_is_busy_again() {
    let busy = json!({"sessionID": "root", "status": {"type": "busy"}});
    for (is_busy, seconds, rules) in [
        (false, 10, &NOTHING[..]),
        (false, 20, &FOUND),
        (true, 20, &NOTHING),
    ] {
        let mut writer = Writer::at_work();
        writer.idle();
        writer.part("a1", "p1", "output does not cancel it");
        if is_busy {
            writer.kilo("session.status", busy.clone());
        }
        writer.wait(seconds);
        assert_eq!(completed(writer), rules, "{is_busy} {seconds}");
    }
}

#[test]
fn an_idle_before_the_acceptance_counts_if_the_message_was_reported() {
    for (is_reported, rules) in [(false, &NOTHING[..]), (true, &FOUND)] {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.bound(1);
        writer.opens_ingest(1);
        writer.delivered_to("m1", 1);
        if is_reported {
            writer.assistant("m1", "a1", json!({}));
        }
        writer.idle();
        writer.sent("m1");
        writer.wait(20);
        assert_eq!(completed(writer), rules, "{is_reported}");
    }
}

#[test]
fn a_turn_ends_with_its_run() {
    let mut replaced = Writer::at_work();
    replaced.bound(2);
    assert_eq!(completed(replaced), FOUND);

    for (is_at_once, rules) in [(true, &NOTHING[..]), (false, &FOUND)] {
        let mut writer = Writer::at_work();
        writer.wrapper_sends(1, "error", json!({"fatal": true}));
        let data = json!({"completionSource": "wrapper_failure", "reason": "wrapper_error"});
        writer.at_once(|writer| {
            writer.event("error", json!({"fatal": true}));
            if is_at_once {
                writer.failed("m1", data.clone());
            }
        });
        if !is_at_once {
            writer.wait(1);
            writer.failed("m1", data);
        }
        assert_eq!(found(writer), rules, "{is_at_once}");
    }
}

#[test]
fn waits_begin_anew_after_a_fault() {
    let reset = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
    let cut = Fault::cut(&Link::between(WRAPPER, SERVER));
    for (fault, seconds, rules) in [
        (&cut, 60, &NOTHING[..]),
        (&cut, 120, &FOUND),
        (&reset, 60, &NOTHING),
        (&reset, 120, &FOUND),
    ] {
        let mut writer = Writer::at_work();
        writer.wait(60);
        writer.world(WorldEvent::of(fault));
        writer.world(WorldEvent::Ended {
            place: Place::EveryLink,
        });
        writer.wait(seconds);
        assert_eq!(completed(writer), rules, "{seconds}");
    }
    let mut lasting = Writer::at_work();
    lasting.world(WorldEvent::of(&cut));
    lasting.wait(500);
    assert_eq!(completed(lasting), NOTHING);
}

#[test]
fn a_deadline_survives_a_crash_of_the_server() {
    let mut writer = Writer::at_work();
    writer.world(WorldEvent::of(&Fault::crash(SERVER)));
    writer.wait(5);
    writer.world(WorldEvent::Ended {
        place: Place::host(SERVER),
    });
    writer.wait(200);
    assert_eq!(completed(writer), FOUND);
}

#[test]
fn a_wait_begins_again_after_a_clock_was_set_back() {
    let day = ClockChange::Back("24h".parse().unwrap());
    for (seconds, rules) in [(20, &NOTHING[..]), (40, &FOUND)] {
        let mut writer = Writer::at_work();
        writer.bound_with(1, json!({"kiloSessionId": "root"}));
        writer.idle();
        writer.clock_is_set(day);
        writer.opens_ingest(1);
        writer.wait(seconds);
        assert_eq!(completed(writer), rules, "{seconds}");
    }
}
