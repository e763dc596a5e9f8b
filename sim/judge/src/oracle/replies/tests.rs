use serde_json::{Value, json};
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Place};

use crate::oracle::written::Writer;
use crate::parties::{OBSERVER, SERVER};

const FOUND: [&str; 1] = ["replies-follow-from-the-log"];
/// The time at which written traces begin, in Unix milliseconds.
const EPOCH: u64 = 1_767_225_600_000;

fn created() -> Value {
    json!({
        "message": {"prompt": "one"},
        "agent": {"mode": "code", "model": "kilo/big"},
        "repository": {"type": "github", "repo": "owner/name"},
    })
}

/// A session whose first message is queued.
fn queued() -> Writer {
    let mut writer = Writer::started_with("m1", created()).also_judged_by(FOUND[0]);
    writer.orders_by_hand();
    writer.queued("m1");
    writer
}

/// The same with the message accepted in run 1.
fn at_work() -> Writer {
    let mut writer = queued();
    writer.bound(1);
    writer.opens_ingest(1);
    writer.delivered_to("m1", 1);
    writer.sent("m1");
    writer
}

/// The findings of this oracle.
fn found(writer: Writer) -> Vec<String> {
    let mut found = writer.judged();
    found.retain(|rule| rule == FOUND[0]);
    found
}

fn set(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}

fn answered(mut writer: Writer, procedure: &str, input: Value, data: Value) -> Writer {
    writer.answered(procedure, input, 200, json!({"result": {"data": data}}));
    writer
}

fn ack(delivery: &str, run: Value) -> Value {
    json!({"cloudAgentSessionId": "s", "status": "started", "streamUrl": "/stream?cloudAgentSessionId=s",
        "messageId": "m1", "delivery": delivery, "wrapperRunId": run})
}

#[test]
fn the_first_acknowledgement_is_judged_too() {
    // The written acknowledgement of `start` has no delivery.
    assert_eq!(found(queued()), FOUND);
}

/// The findings about a repeat of the first message, without the one about the first acknowledgement.
fn repeated(writer: Writer, prompt: &str, status: u16, data: Value) -> usize {
    let mut writer = writer;
    let agent = json!({"mode": "code", "model": "big"});
    let input = json!({"message": {"id": "m1", "prompt": prompt}, "agent": agent});
    let body = if status == 200 {
        json!({"result": {"data": data}})
    } else {
        json!({"error": {}})
    };
    writer.answered("send", input, status, body);
    let findings = writer.findings();
    findings.iter().filter(|finding| finding.rule == FOUND[0]).count() - 1
}

#[test]
fn a_repeat_is_answered_by_the_state_of_its_message() {
    let ended = || {
        let mut writer = at_work();
        writer.completed("m1");
        writer
    };
    for (place, (writer, prompt, status, data, wrong)) in [
        (queued(), "one", 200, ack("queued", Value::Null), 0),
        (queued(), "one", 200, ack("sent", json!("wr_1")), 1),
        (queued(), "one", 400, Value::Null, 1),
        (queued(), "two", 400, Value::Null, 0),
        (queued(), "two", 200, ack("queued", Value::Null), 1),
        (at_work(), "one", 200, ack("sent", json!("wr_1")), 0),
        (at_work(), "one", 200, ack("sent", json!("wr_0")), 1),
        (at_work(), "one", 200, ack("sent", Value::Null), 1),
        (at_work(), "one", 200, ack("queued", Value::Null), 1),
        (ended(), "one", 400, Value::Null, 0),
        (ended(), "one", 200, ack("sent", json!("wr_1")), 1),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(repeated(writer, prompt, status, data), wrong, "{place}");
    }
}

/// A reply of `getSession` with that status of its work, which started so many milliseconds after the beginning.
fn view(status: &str, started_at: u64) -> Value {
    json!({
        "sessionId": "s", "userId": "user-1", "sandboxId": "sandbox-s", "kiloSessionId": "root",
        "githubRepo": "owner/name", "prompt": "one", "mode": "code", "model": "big",
        "execution": {"id": "m1", "status": status, "startedAt": EPOCH + started_at, "health": "healthy"},
        "timestamp": EPOCH + 6000, "version": 2,
    })
}

/// The findings about one reply, without the one about the first acknowledgement.
fn wrong(writer: Writer, procedure: &str, data: Value) -> usize {
    let writer = answered(writer, procedure, json!({}), data);
    let findings = writer.findings();
    findings.iter().filter(|finding| finding.rule == FOUND[0]).count() - 1
}

#[test]
fn get_session_shows_the_current_work_and_what_was_asked() {
    // The message is queued 4 seconds after the beginning.
    let right = view("pending", 4000);
    assert_eq!(wrong(queued(), "getSession", right.clone()), 0);
    for (pointer, value) in [
        ("/sessionId", json!("other")),
        ("/githubRepo", json!("owner/other")),
        ("/variant", json!("high")),
        ("/prompt", json!("two")),
        ("/execution", Value::Null),
        ("/execution/status", json!("running")),
        ("/execution/id", json!("m2")),
        ("/execution/startedAt", json!(EPOCH)),
        ("/initiatedAt", json!(EPOCH)),
        ("/preparedAt", json!(EPOCH)),
        ("/timestamp", json!(EPOCH + 3_600_000)),
    ] {
        let data = set(right.clone(), pointer, value.clone());
        assert_eq!(wrong(queued(), "getSession", data), 1, "{pointer} {value}");
    }
}

#[test]
fn the_version_of_a_record_counts_its_changes() {
    for (version, expected) in [(2, 0), (3, 0), (1, 1)] {
        let writer = answered(queued(), "getSession", json!({}), view("pending", 4000));
        let again = set(view("pending", 4000), "/version", json!(version));
        assert_eq!(wrong(writer, "getSession", again), expected, "{version}");
    }
}

#[test]
fn health_reports_the_work_that_the_log_has() {
    let right = json!({"cloudAgentSessionId": "s", "sandboxStatus": "unknown", "executionHealth": "healthy",
        "activeExecutionId": "m1", "activeExecutionStatus": "pending"});
    assert_eq!(wrong(queued(), "getSessionHealth", right.clone()), 0);
    for (pointer, value) in [
        ("/executionHealth", json!("none")),
        ("/activeExecutionStatus", json!("running")),
        ("/activeExecutionId", Value::Null),
        ("/sandboxStatus", json!("healthy")),
    ] {
        let data = set(right.clone(), pointer, value.clone());
        assert_eq!(wrong(queued(), "getSessionHealth", data), 1, "{pointer} {value}");
    }
}

#[test]
fn of_two_messages_of_one_millisecond_either_may_be_the_first() {
    let health = |active: &str| {
        json!({"cloudAgentSessionId": "s", "sandboxStatus": "unknown", "executionHealth": "healthy",
            "activeExecutionId": active, "activeExecutionStatus": "pending"})
    };
    for (is_at_once, active, expected) in [
        (true, "m1", 0),
        (true, "m0", 0),
        (false, "m1", 0),
        (false, "m0", 1),
    ] {
        let mut writer = Writer::started_with("m1", created()).also_judged_by(FOUND[0]);
        writer.orders_by_hand();
        let both: fn(&mut Writer) = |writer| {
            writer.queued("m1");
            writer.queued("m0");
        };
        if is_at_once {
            writer.at_once(both);
        } else {
            both(&mut writer);
        }
        assert_eq!(
            wrong(writer, "getSessionHealth", health(active)),
            expected,
            "{is_at_once} {active}"
        );
    }
}

#[test]
fn the_latest_assistant_message_is_the_one_with_the_highest_row() {
    let answered = || {
        let mut writer = at_work();
        writer.part("a1", "p1", "first");
        writer.assistant("m1", "a1", json!({"completed": 1}));
        writer.part("a2", "p2", "second");
        writer.assistant("m1", "a2", json!({}));
        writer
    };
    let info = |id: &str, time: Value| json!({"id": id, "role": "assistant", "parentID": "m1", "time": time});
    let part = |id: &str, text: &str| json!({"id": id, "messageID": "a2", "type": "text", "text": text});
    // Each record takes a second, and an event happens a second before it is received.
    let latest = json!({"eventId": 6, "timestamp": EPOCH + 14_000, "info": info("a2", json!({})),
        "parts": [part("p2", "second")]});
    let count = |message: Value| {
        wrong(
            answered(),
            "getLatestAssistantMessage",
            json!({"message": message}),
        )
    };
    assert_eq!(count(latest.clone()), 0);
    for (pointer, value) in [
        ("/eventId", json!(4)),
        ("/timestamp", json!(EPOCH)),
        ("/info", info("a2", json!({"completed": 1}))),
        ("/parts", json!([])),
        ("/parts", json!([part("p2", "other")])),
    ] {
        assert_eq!(
            count(set(latest.clone(), pointer, value.clone())),
            1,
            "{pointer} {value}"
        );
    }
    assert_eq!(count(Value::Null), 1);
}

#[test]
fn the_latest_assistant_message_may_have_versions_that_no_stream_showed() {
    for (is_watched, is_after_crash, is_after_idle, expected) in [
        (false, false, false, 0),
        (false, false, true, 1),
        (true, false, false, 1),
        (true, true, false, 1),
    ] {
        let mut writer = at_work();
        if is_after_crash {
            writer.client_leaves(OBSERVER);
            writer.world(WorldEvent::of(&Fault::crash(SERVER)));
            writer.world(WorldEvent::Ended {
                place: Place::host(SERVER),
            });
            writer.client_replays(OBSERVER, 2, 0..0);
            writer.wait(1);
        }
        if !is_watched {
            writer.client_leaves(OBSERVER);
        }
        let info = json!({"id": "a1", "role": "assistant", "parentID": "m1", "time": {}});
        let row = if is_after_idle { 4 } else { 3 };
        let message = json!({"eventId": row, "timestamp": EPOCH, "info": info, "parts": []});
        let latest = json!({"message": message});
        writer = answered(writer, "getLatestAssistantMessage", json!({}), latest);
        writer.wait(1);
        if !is_watched {
            writer.client_replays(OBSERVER, 2, 0..0);
        }
        if is_after_idle {
            writer.idle();
        }
        writer.assistant("m1", "a1", json!({"completed": 1}));
        let findings = writer.findings().into_iter();
        let of_row = findings.filter(|finding| finding.text.contains("with the row"));
        assert_eq!(
            of_row.count(),
            expected,
            "{is_watched} {is_after_crash} {is_after_idle}"
        );
    }
}

#[test]
fn an_interrupt_reports_whether_there_was_work() {
    let reply = |success: bool| json!({"success": success, "processesFound": false, "message": "some"});
    assert_eq!(wrong(at_work(), "interruptSession", reply(false)), 1);
    let mut idle = at_work();
    idle.completed("m1");
    assert_eq!(wrong(idle.clone(), "interruptSession", reply(false)), 0);
    assert_eq!(wrong(idle, "interruptSession", reply(true)), 1);
}

#[test]
fn a_deleted_session_answers_nothing() {
    let deleted = || {
        let mut writer = at_work();
        writer.completed("m1");
        answered(
            writer,
            "deleteSession",
            json!({"sessionId": "s"}),
            json!({"success": true}),
        )
    };
    let mut gone = deleted();
    gone.answered("getSession", json!({}), 404, json!({}));
    assert_eq!(found(gone), FOUND);
    let still_there = answered(deleted(), "getSession", json!({}), json!({}));
    assert_eq!(
        still_there
            .findings()
            .iter()
            .filter(|finding| finding.rule == FOUND[0])
            .count(),
        2
    );
}

#[test]
fn a_session_that_nothing_uses_is_gone_after_its_lifetime() {
    for (days, expected) in [(89, 0), (100, 1)] {
        let mut writer = queued();
        writer.completed("m1");
        writer.client_leaves("observer");
        writer.wait(days * 24 * 3600);
        let writer = answered(
            writer,
            "getLatestAssistantMessage",
            json!({}),
            json!({"message": null}),
        );
        let findings = writer.findings();
        let outlived = findings
            .iter()
            .filter(|finding| finding.text.contains("nothing had happened"));
        assert_eq!(outlived.count(), expected, "{days}");
    }
}
