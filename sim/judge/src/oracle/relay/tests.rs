use serde_json::{Value, json};
use turnstile_events::world::WorldEvent;
use turnstile_fault::{ConnectionEnd, Fault};

use crate::oracle::written::Writer;
use crate::parties::{OBSERVER, SERVER, WRAPPER};

const NOTHING: [&str; 0] = [];
const FOUND: [&str; 1] = ["relay-is-exact"];

fn delta(text: &str) -> Value {
    json!({"event": "message.part.delta", "properties": {"delta": text}})
}

fn sends(writer: &mut Writer, text: &str) {
    writer.wrapper_sends(1, "kilocode", delta(text));
}

fn receives(writer: &mut Writer, client: &str, text: &str) {
    writer.client_receives_unkept(client, "kilocode", delta(text));
}

/// The wrapper sends deltas, and the observer receives deltas.
fn relayed(sent: &[&str], received: &[&str]) -> Writer {
    let mut writer = Writer::at_work().showing_streams();
    for text in sent {
        sends(&mut writer, text);
    }
    for text in received {
        receives(&mut writer, OBSERVER, text);
    }
    writer
}

#[test]
fn every_frame_is_shown_once_in_order() {
    for (sent, received, rules) in [
        (&["a", "b", "a"][..], &["a", "b", "a"][..], &NOTHING[..]),
        (&["a", "b", "c"], &["a", "c"], &FOUND),
        (&["a", "b", "c"], &["b", "a", "c"], &FOUND),
        (&["a", "b"], &["a"], &FOUND),
        (&["a", "b"], &["a", "b", "b"], &FOUND),
        (&["a"], &["a", "b"], &FOUND),
        (&["a", "a"], &["a"], &FOUND),
    ] {
        let writer = relayed(sent, received);
        assert_eq!(writer.ended("m1"), rules, "{sent:?} {received:?}");
    }
}

#[test]
fn a_frame_explains_only_what_is_received_after_it() {
    for (twice_before, rules) in [(false, &FOUND[..]), (true, &NOTHING)] {
        let mut writer = relayed(&["a"], &["a"]);
        if twice_before {
            sends(&mut writer, "a");
        }
        receives(&mut writer, OBSERVER, "a");
        if !twice_before {
            sends(&mut writer, "a");
        }
        assert_eq!(writer.ended("m1"), rules, "{twice_before}");
    }
}

#[test]
fn every_connected_client_receives_a_frame() {
    for (received, rules) in [(&["a", "b"][..], &NOTHING[..]), (&["b"], &FOUND)] {
        let mut writer = Writer::at_work().showing_streams();
        writer.client_replays("phone", 2, 2..2);
        for text in ["a", "b"] {
            sends(&mut writer, text);
            receives(&mut writer, OBSERVER, text);
        }
        for text in received {
            receives(&mut writer, "phone", text);
        }
        writer.completed("m1");
        writer.client_receives("phone", 2);
        assert_eq!(writer.judged(), rules, "{received:?}");
    }
}

#[test]
fn a_client_receives_no_frame_from_before_its_connection() {
    let mut writer = relayed(&["a"], &["a"]);
    writer.client_replays("phone", 2, 2..2);
    writer.completed("m1");
    writer.client_receives("phone", 2);
    assert_eq!(writer.judged(), NOTHING);
}

#[test]
fn the_last_frames_before_a_disturbance_may_be_lost() {
    for (received, rules) in [(&["a"][..], &NOTHING[..]), (&["b"], &FOUND)] {
        let mut writer = relayed(&["a", "b"], received);
        let reset = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
        writer.world(WorldEvent::ended_connections(&reset, 1));
        assert_eq!(writer.ended("m1"), rules, "{received:?}");
    }
}

#[test]
fn a_frame_that_is_answered_with_a_close_may_be_lost() {
    let mut writer = relayed(&["a"], &[]);
    writer.ingest_ends(1);
    assert_eq!(writer.ended("m1"), NOTHING);
}

#[test]
fn a_frame_with_other_data_is_found() {
    let mut writer = relayed(&["a"], &[]);
    let mut changed = delta("a");
    changed["more"] = json!(true);
    writer.client_receives_unkept(OBSERVER, "kilocode", changed);
    assert_eq!(writer.ended("m1"), FOUND);
}

#[test]
fn an_invalid_frame_and_a_name_of_the_server_are_not_relayed() {
    let mut writer = relayed(&[], &[]);
    writer.wrapper_sends(1, "cloud.status", json!({}));
    writer.wrapper_receives_error(1, "WS_PROTOCOL_ERROR");
    assert_eq!(writer.ended("m1"), NOTHING);
}

#[test]
fn kept_kinds_have_ids_and_other_kinds_have_none() {
    let idle = json!({"event": "session.idle", "properties": {"sessionID": "root"}});
    let updated = json!({"event": "message.updated", "properties": {"info": {"id": "a"}}});
    for (name, data, is_kept) in [
        ("kilocode", idle, true),
        ("kilocode", updated, true),
        ("kilocode", delta("a"), false),
        ("autocommit_started", json!({"messageId": "m1"}), true),
        ("heartbeat", json!({}), false),
    ] {
        for has_id in [true, false] {
            let mut writer = Writer::at_work().showing_streams();
            writer.wrapper_sends(1, name, data.clone());
            if has_id {
                writer.event(name, data.clone());
            } else {
                writer.client_receives_unkept(OBSERVER, name, data.clone());
            }
            let rules = if has_id == is_kept { &NOTHING[..] } else { &FOUND };
            assert_eq!(writer.ended("m1"), rules, "{name} {data} {has_id}");
        }
    }
}

#[test]
fn frames_of_imported_executions_are_relayed_too() {
    for (received, rules) in [("a", &NOTHING[..]), ("b", &FOUND)] {
        let mut writer = Writer::at_work().showing_streams();
        writer.opens_ingest_of("exc_1");
        writer.imported_wrapper_sends("exc_1", "kilocode", delta("a"));
        receives(&mut writer, OBSERVER, received);
        assert_eq!(writer.ended("m1"), rules, "{received}");
    }
}
