use serde_json::json;
use turnstile_events::world::WorldEvent;
use turnstile_fault::Fault;

use crate::oracle::written::Writer;
use crate::parties::{OBSERVER, SERVER};

const NOTHING: [&str; 0] = [];
const FOUND: [&str; 1] = ["replay-is-exact"];

fn ended() -> Writer {
    let mut writer = Writer::started("m1");
    writer.turn("m1");
    writer
}

#[test]
fn a_late_client_receives_what_it_requests() {
    for from in [0, 2, 4] {
        let mut writer = ended();
        writer.client_replays("late", from, from..4);
        assert_eq!(writer.judged(), NOTHING, "{from}");
    }
}

#[test]
fn a_gap_in_a_replay_and_unrequested_events_are_found() {
    for shown in [0..3, 1..4] {
        let mut gap = ended();
        gap.client_replays("late", 0, shown);
        assert_eq!(gap.judged(), FOUND);
    }
    let mut too_much = ended();
    too_much.client_replays("late", 2, 1..4);
    assert_eq!(too_much.judged(), FOUND);
}

#[test]
fn a_filtered_stream_contains_what_passes_its_filters() {
    let completed = "eventTypes=cloud.message.completed,complete";
    for (asked, shown, expected) in [
        (completed, &[2_usize][..], &NOTHING[..]),
        (completed, &[], &FOUND),
        ("executionIds=exc_1", &[], &NOTHING),
        ("startTime=0", &[0, 1, 2, 3], &NOTHING),
        ("startTime=0", &[0, 2, 3], &FOUND),
        ("endTime=0", &[], &NOTHING),
        // What passes a filter that cannot be read is unknown.
        ("startTime=soon", &[], &NOTHING),
    ] {
        let mut writer = ended();
        writer.client_opens_with("late", &format!("fromId=0&{asked}"));
        for place in shown {
            writer.client_receives("late", *place);
        }
        writer.client_receives_unkept("late", "connected", json!({"cloudStatus": {"type": "ready"}}));
        assert_eq!(writer.judged(), expected, "{asked} {shown:?}");
    }
}

#[test]
fn an_event_that_is_lost_between_replay_and_live_is_found() {
    let mut writer = ended();
    writer.client_replays("late", 0, 0..4);
    writer.idle();
    assert_eq!(
        writer.clone().judged(),
        FOUND,
        "it has not received the last idle"
    );
    writer.client_receives("late", 4);
    assert_eq!(writer.judged(), NOTHING);
}

#[test]
fn events_after_a_silent_death_of_the_connection_are_not_required() {
    let mut writer = ended();
    writer.client_replays("late", 0, 0..4);
    writer.world(WorldEvent::of(&Fault::power_loss(SERVER)));
    writer.idle();
    assert_eq!(writer.judged(), NOTHING);
}

#[test]
fn a_replay_with_an_outdated_version_of_an_entity_is_found() {
    let mut writer = Writer::started("m1");
    writer.assistant("m1", "a1", json!({}));
    writer.assistant("m1", "a1", json!({"completed": 1}));
    writer.turn("m1");
    assert_eq!(writer.clone().judged(), NOTHING);
    let first_version = writer.version("a1", 0);
    writer.client_opens("late", 0);
    writer.client_receives_frame("late", first_version);
    for place in 1..5 {
        writer.client_receives("late", place);
    }
    writer.client_is_connected("late");
    assert_eq!(writer.judged(), FOUND);
}

#[test]
fn a_version_that_returned_while_no_client_saw_it_may_be_replayed() {
    let mut writer = Writer::started("m1");
    writer.bound(1);
    writer.opens_ingest(1);
    for changes in [json!({}), json!({"completed": 1})] {
        writer.wrapper_sends_assistant(1, "m1", "a1", changes.clone());
        writer.assistant("m1", "a1", changes);
    }
    for (returns, expected) in [(false, &FOUND[..]), (true, &NOTHING)] {
        let mut writer = writer.clone();
        if returns {
            writer.wrapper_sends_assistant(1, "m1", "a1", json!({}));
        }
        writer.turn("m1");
        let first_version = writer.version("a1", 0);
        writer.client_opens("late", 0);
        writer.client_receives_frame("late", first_version);
        for place in 1..5 {
            writer.client_receives("late", place);
        }
        writer.client_is_connected("late");
        assert_eq!(writer.judged(), expected, "{returns}");
    }
}

#[test]
fn versions_with_one_time_are_in_the_order_of_the_stream_that_shows_most_of_them() {
    // A viewer that lags and leaves has seen the first of two versions only.
    let mut writer = Writer::started("m1");
    writer.client_opens("slow", 0);
    writer.client_is_connected("slow");
    writer.at_once(|writer| {
        writer.assistant("m1", "a1", json!({}));
        writer.assistant("m1", "a1", json!({"completed": 1}));
    });
    let versions = [0, 1].map(|place| writer.version("a1", place));
    writer.client_receives_frame("slow", versions[0].clone());
    writer.client_leaves("slow");
    writer.turn("m1");
    for (version, expected) in versions.into_iter().zip([&FOUND[..], &NOTHING]) {
        let mut writer = writer.clone();
        writer.client_opens("late", 0);
        writer.client_receives_frame("late", version);
        for place in 1..5 {
            writer.client_receives("late", place);
        }
        writer.client_is_connected("late");
        assert_eq!(writer.judged(), expected);
    }
}

#[test]
fn a_replayed_version_that_is_sent_live_again_is_found() {
    let mut writer = Writer::started("m1");
    writer.bound(1);
    writer.opens_ingest(1);
    writer.wrapper_sends_assistant(1, "m1", "a1", json!({}));
    writer.assistant("m1", "a1", json!({}));
    writer.turn("m1");
    writer.client_replays("late", 0, 0..5);
    writer.client_receives("late", 0);
    assert_eq!(writer.judged(), FOUND);
}

#[test]
fn the_catalogue_may_come_before_the_end_of_the_replay() {
    let mut writer = ended();
    writer.client_opens("late", 4);
    writer.client_receives_unkept("late", "commands.available", json!({"commands": []}));
    writer.client_is_connected("late");
    assert_eq!(writer.judged(), NOTHING);
}

#[test]
fn a_stream_that_opens_and_stays_silent_is_found() {
    let mut silent = ended();
    silent.client_opens("late", 1_000_000);
    assert_eq!(silent.clone().judged(), FOUND);
    // The connection may have died silently.
    silent.world(WorldEvent::of(&Fault::power_loss(SERVER)));
    assert_eq!(silent.judged(), NOTHING);

    let mut live = ended();
    live.client_opens("late", 1_000_000);
    live.client_is_connected("late");
    assert_eq!(live.judged(), NOTHING);
}

#[test]
fn a_foreign_event_and_a_second_connected_are_found() {
    let mut stranger = ended();
    let mut frame = stranger.frame(3);
    frame["sessionId"] = json!("another");
    frame["eventId"] = json!(0);
    stranger.client_receives_frame(OBSERVER, frame);
    assert_eq!(stranger.judged(), FOUND);

    let mut nameless = ended();
    let mut frame = nameless.frame(3);
    frame.as_object_mut().unwrap().remove("sessionId");
    frame["eventId"] = json!(0);
    nameless.client_receives_frame(OBSERVER, frame);
    assert_eq!(nameless.judged(), FOUND);

    let mut again = ended();
    again.client_is_connected(OBSERVER);
    assert_eq!(again.judged(), FOUND);

    let mut unreadable = ended();
    unreadable.client_receives_frame(OBSERVER, json!({"type": "hello"}));
    assert_eq!(unreadable.judged(), FOUND);
}

#[test]
fn an_event_keeps_its_time() {
    for (timestamp, rules) in [(None, &NOTHING[..]), (Some("2026-01-01T00:00:00Z"), &FOUND)] {
        let mut writer = ended();
        writer.client_opens("late", 3);
        let mut frame = writer.frame(3);
        if let Some(timestamp) = timestamp {
            frame["timestamp"] = json!(timestamp);
        }
        writer.client_receives_frame("late", frame);
        writer.client_is_connected("late");
        assert_eq!(writer.judged(), rules, "{timestamp:?}");
    }
}
