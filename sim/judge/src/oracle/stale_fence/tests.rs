//! Handwritten traces of frames and sockets under fences that are not current any more.

use serde_json::{Value, json};

use crate::oracle::written::Writer;

const NOTHING: [&str; 0] = [];
const FOUND: [&str; 1] = ["stale-fence-counts-for-nothing"];

/// A message of the first run has failed, and a second run has another.
fn second_run() -> Writer {
    let mut writer = Writer::started("m1");
    writer.queued("m1");
    writer.bound(1);
    writer.opens_ingest(1);
    writer.delivered("m1");
    writer.sent("m1");
    writer
}

fn is_lost(writer: &mut Writer) {
    writer.failed("m1", json!({"completionSource": "wrapper_failure"}));
    writer.acked("send", "m2", json!({}));
    writer.queued("m2");
    writer.bound(2);
    writer.opens_ingest(2);
    writer.delivered("m2");
    writer.sent("m2");
}

fn reply(message: &str) -> Value {
    let info = json!({"id": "a", "role": "assistant", "parentID": message, "time": {"completed": 1}});
    json!({"event": "message.updated", "properties": {"info": info}})
}

#[test]
fn an_event_that_is_shown_after_the_change_is_found_whenever_it_was_sent() {
    for sent_before in [true, false] {
        let mut writer = second_run();
        if sent_before {
            writer.wrapper_sends(1, "kilocode", reply("m1"));
        }
        is_lost(&mut writer);
        if !sent_before {
            writer.wrapper_sends(1, "kilocode", reply("m1"));
        }
        assert_eq!(writer.clone().ended("m2"), NOTHING, "no client has received it");
        writer.event("kilocode", reply("m1"));
        let mut found = writer.ended("m2");
        found.dedup();
        assert_eq!(found, FOUND);
    }
}

#[test]
fn an_event_that_was_processed_before_the_change_is_allowed() {
    let mut writer = second_run();
    writer.wrapper_sends(1, "kilocode", reply("m1"));
    writer.event("kilocode", reply("m1"));
    is_lost(&mut writer);
    assert_eq!(writer.ended("m2"), NOTHING);
}

#[test]
fn the_servers_own_event_is_not_taken_for_a_frame_with_its_name() {
    let mut writer = second_run();
    writer.wrapper_sends(1, "connected", json!({}));
    is_lost(&mut writer);
    writer.client_replays("phone", 0, 0..5);
    assert!(!writer.ended("m2").contains(&FOUND[0].to_owned()));
}

#[test]
fn an_event_of_both_runs_may_be_shown_as_often_as_the_current_run_sent_it() {
    let idle = json!({"event": "session.idle", "properties": {"sessionID": "root"}});
    for (shown, rules) in [(1, &NOTHING[..]), (2, &FOUND[..])] {
        let mut writer = second_run();
        is_lost(&mut writer);
        for generation in [1, 2] {
            writer.wrapper_sends(generation, "kilocode", idle.clone());
        }
        for _ in 0..shown {
            writer.event("kilocode", idle.clone());
        }
        let mut found = writer.ended("m2");
        found.dedup();
        assert_eq!(found, rules);
    }
}

#[test]
fn a_message_that_is_ended_by_a_stale_frame_alone_is_found() {
    for (generation, rules) in [(1, &FOUND[..]), (2, &NOTHING[..])] {
        let mut writer = second_run();
        is_lost(&mut writer);
        writer.wrapper_sends(generation, "kilocode", reply("m2"));
        assert_eq!(writer.ended("m2"), rules);
    }
}

#[test]
fn an_interrupt_after_a_stale_frame_needs_a_user_who_interrupted_or_deleted() {
    for (procedure, is_found) in [
        ("getSession", true),
        ("interruptSession", false),
        ("deleteSession", false),
    ] {
        let mut writer = second_run();
        is_lost(&mut writer);
        writer.wrapper_sends(1, "interrupted", json!({"reason": "killed"}));
        writer.answered(
            procedure,
            json!({}),
            200,
            json!({"result": {"data": {"success": true}}}),
        );
        writer.interrupted("m2");
        let found = writer.judged().iter().any(|name| name == FOUND[0]);
        assert_eq!(found, is_found, "{procedure}");
    }
}

/// How the run of generation 1 ends.
type RunEnd = fn(&mut Writer);

const ENDS_OF_A_RUN: [RunEnd; 4] = [
    |writer| {
        writer.completed("m1");
        writer.wrapper_sends(1, "complete", json!({"exitCode": 0}));
        writer.event("complete", json!({"exitCode": 0}));
    },
    |writer| {
        writer.wrapper_sends(1, "error", json!({"fatal": true}));
        writer.at_once(|writer| {
            writer.event("error", json!({"fatal": true}));
            let data = json!({"completionSource": "wrapper_failure", "reason": "wrapper_error"});
            writer.failed("m1", data);
        });
    },
    |writer| writer.interrupts_with(true, |writer| writer.interrupted("m1")),
    |writer| {
        writer.ingest_ends(1);
        writer.wait(10);
        let data = json!({"completionSource": "wrapper_failure", "reason": "wrapper_disconnected"});
        writer.failed("m1", data);
    },
];

fn at_work() -> Writer {
    let mut writer = Writer::at_work();
    writer.wrapper_reports(1, "m1");
    writer
}

#[test]
fn an_event_after_the_end_of_its_run_is_found_if_it_is_shown() {
    // After the last one the wrapper has no socket to send on.
    for (place, end) in ENDS_OF_A_RUN[..3].iter().enumerate() {
        let mut writer = at_work();
        end(&mut writer);
        writer.wrapper_sends(1, "kilocode", reply("m1"));
        assert_eq!(writer.clone().judged(), NOTHING, "{place}");
        writer.event("kilocode", reply("m1"));
        let found = writer.judged();
        assert!(found.contains(&FOUND[0].to_owned()), "{place}: {found:?}");
    }
}

#[test]
fn an_ingest_after_the_end_of_its_run_is_found() {
    for (place, end) in ENDS_OF_A_RUN.into_iter().enumerate() {
        let mut writer = at_work();
        end(&mut writer);
        writer.opens_ingest(1);
        assert_eq!(writer.judged(), FOUND, "{place}");
    }
}

#[test]
fn a_complete_without_valid_data_or_with_a_pending_message_ends_no_run() {
    let ends: [RunEnd; 2] = [
        |writer| {
            writer.wrapper_sends(1, "complete", json!({"exitCode": "0"}));
            writer.event("complete", json!({"exitCode": "0"}));
        },
        |writer| {
            writer.acked("send", "m2", json!({}));
            writer.queued("m2");
            writer.wrapper_sends(1, "complete", json!({"exitCode": 0}));
            writer.event("complete", json!({"exitCode": 0}));
            writer.delivered_to("m2", 1);
            writer.sent("m2");
            writer.completed("m2");
        },
    ];
    for (place, end) in ends.into_iter().enumerate() {
        let mut writer = at_work();
        writer.completed("m1");
        end(&mut writer);
        writer.opens_ingest(1);
        assert_eq!(writer.judged(), NOTHING, "{place}");
    }
}

#[test]
fn a_message_in_delivery_may_end_with_its_run_after_it() {
    let mut writer = at_work();
    writer.acked("send", "m2", json!({}));
    writer.queued("m2");
    writer.delivered_to("m2", 1);
    writer.wrapper_sends(1, "interrupted", json!({}));
    writer.at_once(|writer| {
        writer.event("interrupted", json!({}));
        writer.interrupted("m1");
    });
    writer.at_once(|writer| {
        writer.sent("m2");
        writer.interrupted("m2");
    });
    assert_eq!(writer.judged(), NOTHING);
}

#[test]
fn an_ingest_under_a_superseded_or_unknown_fence_is_found() {
    for (generation, rules) in [(1, &FOUND[..]), (2, &NOTHING[..]), (3, &FOUND[..])] {
        let mut writer = second_run();
        is_lost(&mut writer);
        writer.opens_ingest(generation);
        assert_eq!(writer.ended("m2"), rules, "{generation}");
    }
}
