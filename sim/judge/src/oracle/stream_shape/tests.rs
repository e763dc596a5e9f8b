use serde_json::{Value, json};
use turnstile_events::world::WorldEvent;
use turnstile_fault::Fault;

use crate::oracle::written::Writer;
use crate::parties::{OBSERVER, SERVER};

const NOTHING: [&str; 0] = [];
const FOUND: &str = "stream-has-its-shape";

/// Whether this oracle finds something. Another one may as well.
fn is_found(writer: Writer) -> bool {
    writer.showing_streams().judged().contains(&FOUND.to_owned())
}

/// A complete turn, and a client that opens a stream without a replay.
fn late() -> Writer {
    let mut writer = Writer::started("m1");
    writer.bound(1);
    writer.turn("m1");
    writer.wait(120);
    writer.client_opens("late", 4);
    writer
}

fn ready() -> Value {
    json!({"cloudStatus": {"type": "ready"}})
}

fn catalogue(names: &[&str]) -> Value {
    json!({"commands": names})
}

#[test]
fn connected_and_the_catalogue_begin_a_stream_in_either_order() {
    let connected = ("connected", ready());
    let commands = ("commands.available", catalogue(&[]));
    let delta = (
        "kilocode",
        json!({"event": "message.part.delta", "properties": {}}),
    );
    for (events, found) in [
        (vec![&connected, &commands, &delta], false),
        (vec![&commands, &connected, &delta], false),
        (vec![&connected, &delta, &commands], true),
        (vec![&connected, &delta], true),
        (vec![&connected], true),
    ] {
        let mut writer = late();
        for (name, data) in &events {
            writer.client_receives_unkept("late", name, data.clone());
        }
        assert_eq!(is_found(writer), found, "{events:?}");
    }
}

#[test]
fn a_stream_that_was_cut_off_may_have_no_catalogue() {
    let mut writer = late();
    writer.client_receives_unkept("late", "connected", ready());
    writer.world(WorldEvent::of(&Fault::power_loss(SERVER)));
    assert!(!is_found(writer));
}

#[test]
fn the_status_is_that_of_the_session() {
    let preparing = || json!({"cloudStatus": {"type": "preparing"}});
    for (is_queued, is_bound, status, found) in [
        (false, false, json!({}), false),
        (false, false, json!({"cloudStatus": null}), false),
        (false, false, preparing(), true),
        (false, false, ready(), true),
        (true, false, preparing(), false),
        (true, false, json!({}), true),
        (true, false, ready(), true),
        (true, true, ready(), false),
        (true, true, json!({}), true),
        (true, true, json!({"cloudStatus": {"type": "other"}}), true),
    ] {
        let mut writer = Writer::started("m1");
        if is_queued {
            writer.queued("m1");
        }
        if is_bound {
            writer.bound(1);
            writer.delivered("m1");
            writer.sent("m1");
        }
        writer.wait(120);
        writer.client_opens("late", 9);
        writer.client_receives_unkept("late", "connected", status.clone());
        writer.client_receives_unkept("late", "commands.available", catalogue(&[]));
        assert_eq!(is_found(writer), found, "{is_queued} {is_bound} {status}");
    }
}

#[test]
fn the_catalogue_is_the_latest_one_of_a_wrapper() {
    for (shown, found) in [(&["b"][..], false), (&["a"], true), (&[], true), (&["c"], true)] {
        let mut writer = Writer::at_work();
        for names in [["a"], ["b"]] {
            writer.wrapper_sends(1, "commands.available", catalogue(&names));
            writer.client_receives_unkept(OBSERVER, "commands.available", catalogue(&names));
        }
        writer.completed("m1");
        writer.wait(120);
        writer.client_opens("late", 9);
        writer.client_receives_unkept("late", "connected", ready());
        writer.client_receives_unkept("late", "commands.available", catalogue(shown));
        writer.wait(1);
        // The harness reads the log after a restart, which may lose the catalogue.
        writer.world(WorldEvent::of(&Fault::crash(SERVER)));
        writer.world(WorldEvent::Ended {
            place: turnstile_fault::Place::host(SERVER),
        });
        assert_eq!(is_found(writer), found, "{shown:?}");
    }
}

#[test]
fn the_snapshot_comes_before_live_events() {
    for (is_late, found) in [(false, false), (true, true)] {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.wait(120);
        writer.client_opens("late", 1);
        writer.client_is_connected("late");
        let delta = json!({"event": "message.part.delta", "properties": {}});
        if is_late {
            writer.client_receives_unkept("late", "kilocode", delta.clone());
        }
        writer.client_receives_unkept("late", "cloud.message.queued", json!({"messageId": "m1"}));
        if !is_late {
            writer.client_receives_unkept("late", "kilocode", delta);
        }
        assert_eq!(is_found(writer), found, "{is_late}");
    }
}

#[test]
fn an_event_from_before_the_stream_is_not_sent_live() {
    for (after_connected, found) in [(false, false), (true, true)] {
        let mut writer = Writer::started("m1");
        writer.bound(1);
        writer.turn("m1");
        writer.wait(120);
        writer.client_opens("late", 0);
        for place in 0..3 {
            writer.client_receives("late", place);
        }
        if !after_connected {
            writer.client_receives("late", 3);
        }
        writer.client_is_connected("late");
        if after_connected {
            writer.client_receives("late", 3);
        }
        assert_eq!(is_found(writer), found, "{after_connected}");
    }
}

#[test]
fn a_written_trace_has_the_shape() {
    let mut writer = Writer::started("m1").showing_streams();
    writer.queued("m1");
    writer.failed_in_queue("m1");
    assert_eq!(writer.judged(), NOTHING);
}
