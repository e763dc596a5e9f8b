//! What callbacks must contain, and what they may.

use serde_json::{Value, json};

use crate::oracle::written::Writer;

const NOTHING: [&str; 0] = [];
const FOUND: [&str; 1] = ["callbacks-tell-the-outcome"];

/// A session with a callback, whose message a wrapper has accepted.
fn accepted() -> Writer {
    let mut writer = Writer::with_callback("m1");
    writer.queued("m1");
    writer.delivered("m1");
    writer.sent("m1");
    writer
}

fn called_back(more: Value) -> Vec<String> {
    let mut writer = Writer::with_callback("m1");
    writer.turn("m1");
    writer.called_back("m1", more, 200);
    writer.judged()
}

#[test]
fn a_field_that_differs_from_the_log_is_found() {
    assert_eq!(called_back(json!({})), NOTHING);
    for wrong in [
        json!({"status": "failed"}),
        json!({"errorMessage": "none"}),
        json!({"lastAssistantMessageText": "never said"}),
        json!({"lastSeenBranch": "nobody's"}),
        json!({"kiloSessionId": "another"}),
        json!({"gateResult": "pass"}),
        json!({"sessionId": "another"}),
    ] {
        assert_eq!(called_back(wrong.clone()), FOUND, "{wrong}");
    }
}

#[test]
fn the_text_distinguishes_an_absent_field_from_one_with_null() {
    let text = |field: &str, value: Value| {
        let mut writer = Writer::with_callback("m1");
        writer.turn("m1");
        writer.called_back("m1", json!({field: value}), 200);
        writer.findings()[0].text.clone()
    };
    assert!(text("errorMessage", json!("x")).ends_with("has `errorMessage` \"x\", but it should have none"));
    let no_status = text("status", Value::Null);
    assert!(
        no_status.ends_with("has `status` null, but it should have \"completed\""),
        "{no_status}"
    );

    let mut writer = accepted();
    writer.part("a1", "p1", "one");
    writer.assistant("m1", "a1", json!({"completed": 1}));
    writer.completed_with("m1", json!({"assistantMessageId": "a1"}));
    writer.called_back("m1", json!({}), 200);
    let text = &writer.findings()[0].text;
    assert_eq!(
        text,
        "its callback has no `lastAssistantMessageText`, but it should have \"one\""
    );
}

fn with_text(text: &str) -> Vec<String> {
    let mut writer = accepted();
    for (part, text) in [("p2", "two "), ("p1", " one "), ("p3", "three")] {
        writer.part("a1", part, text);
    }
    writer.kilo("message.part.removed", json!({"messageID": "a1", "partID": "p3"}));
    writer.assistant("m1", "a1", json!({"completed": 1}));
    let more = json!({"assistantMessageId": "a1"});
    writer.completed_with("m1", more);
    writer.idle();
    writer.called_back("m1", json!({"lastAssistantMessageText": text}), 200);
    writer.judged()
}

#[test]
fn the_text_consists_of_the_remaining_parts_in_order() {
    assert_eq!(with_text("one two"), NOTHING);
    assert_eq!(with_text("two  one"), FOUND);
    assert_eq!(with_text("one two three"), FOUND);
}

/// The text of a callback for a turn with two assistant messages. The first one ends the message, and the second
/// one has this last version.
fn text_of_tool_loop(second: Option<Value>, text: Value) -> Vec<String> {
    let mut writer = accepted();
    writer.part("a1", "p1", "first");
    writer.assistant("m1", "a1", json!({"completed": 1}));
    writer.completed_with("m1", json!({"assistantMessageId": "a1"}));
    if let Some(time) = second {
        writer.part("a2", "p2", "second");
        writer.assistant("m1", "a2", time);
    }
    writer.idle();
    writer.called_back("m1", json!({"lastAssistantMessageText": text}), 200);
    writer.judged()
}

#[test]
fn the_text_is_that_of_the_latest_finished_answer() {
    let (finished, unfinished) = (json!({"completed": 2}), json!({}));
    for (second, right, wrong) in [
        (None, "first", "second"),
        (Some(unfinished), "first", "second"),
        (Some(finished), "second", "first"),
    ] {
        assert_eq!(
            text_of_tool_loop(second.clone(), json!(right)),
            NOTHING,
            "{second:?}"
        );
        assert_eq!(
            text_of_tool_loop(second.clone(), json!(wrong)),
            FOUND,
            "{second:?}"
        );
    }
}

#[test]
fn an_answer_at_the_same_time_as_the_idle_counts_if_it_was_shown_before() {
    for (text, rules) in [("second", &NOTHING[..]), ("first", &FOUND)] {
        let mut writer = accepted();
        writer.part("a1", "p1", "first");
        writer.at_once(|writer| {
            writer.assistant("m1", "a1", json!({"completed": 1}));
            writer.completed_with("m1", json!({"assistantMessageId": "a1"}));
            writer.part("a2", "p2", "second");
            writer.assistant("m1", "a2", json!({"completed": 2}));
            writer.idle();
        });
        writer.called_back("m1", json!({"lastAssistantMessageText": text}), 200);
        assert_eq!(writer.judged(), rules, "{text}");
    }
}

#[test]
fn an_empty_text_is_empty_or_absent() {
    for (text, rules) in [
        (json!(""), &NOTHING[..]),
        (Value::Null, &NOTHING),
        (json!("some"), &FOUND),
    ] {
        let mut writer = accepted();
        writer.assistant("m1", "a1", json!({"completed": 1}));
        writer.completed_with("m1", json!({"assistantMessageId": "a1"}));
        writer.idle();
        writer.called_back("m1", json!({"lastAssistantMessageText": text}), 200);
        assert_eq!(writer.judged(), rules, "{text}");
    }
}

#[test]
fn an_answer_that_answers_another_message_later_may_have_been_the_latest() {
    for (text, rules) in [("", &NOTHING[..]), ("one", &NOTHING), ("two", &FOUND)] {
        let mut writer = accepted();
        writer.part("a1", "p1", "one");
        writer.assistant("m1", "a1", json!({"completed": 1}));
        writer.completed_with("m1", json!({"assistantMessageId": "a1"}));
        writer.assistant("m1", "a2", json!({"completed": 1}));
        writer.idle();
        writer.called_back("m1", json!({"lastAssistantMessageText": text}), 200);
        writer.assistant("m2", "a2", json!({"completed": 1}));
        assert_eq!(writer.judged(), rules, "{text}");
    }
}

#[test]
fn a_part_that_was_removed_after_the_end_may_be_in_the_text() {
    for (text, rules) in [("one two", &NOTHING[..]), ("one", &NOTHING), ("two", &FOUND)] {
        let mut writer = accepted();
        writer.part("a1", "p1", "one ");
        writer.part("a1", "p2", "two");
        writer.assistant("m1", "a1", json!({"completed": 1}));
        writer.completed_with("m1", json!({"assistantMessageId": "a1"}));
        writer.kilo("message.part.removed", json!({"messageID": "a1", "partID": "p2"}));
        writer.idle();
        writer.called_back("m1", json!({"lastAssistantMessageText": text}), 200);
        assert_eq!(writer.judged(), rules, "{text}");
    }
}

#[test]
fn a_text_or_an_error_may_be_cut_for_its_size() {
    let cut = |length: usize, retained: usize| json!({"originalUtf8ByteLength": length, "retainedUtf8ByteLength": retained});
    for (length, retained, rules) in [(5, 0, &NOTHING[..]), (6, 0, &FOUND), (5, 1, &FOUND)] {
        let mut writer = accepted();
        writer.part("a1", "p1", "first");
        writer.assistant("m1", "a1", json!({"completed": 1}));
        writer.completed_with("m1", json!({"assistantMessageId": "a1"}));
        writer.idle();
        let more = json!({"lastAssistantMessageTextTruncation": cut(length, retained)});
        writer.called_back("m1", more, 200);
        assert_eq!(writer.judged(), rules, "{length} {retained}");
    }
    for (error, retained, rules) in [("lo", 2, &NOTHING[..]), ("lo", 3, &FOUND), ("no", 2, &FOUND)] {
        let mut writer = accepted();
        writer.failed(
            "m1",
            json!({"completionSource": "wrapper_failure", "error": "long"}),
        );
        let cut = json!({"originalUtf8ByteLength": 4, "retainedUtf8ByteLength": retained});
        let more = json!({"status": "failed", "errorMessage": error, "errorMessageTruncation": cut});
        writer.called_back("m1", more, 200);
        assert_eq!(writer.judged(), rules, "{error} {retained}");
    }
}

#[test]
fn a_gate_result_of_an_earlier_run_is_found() {
    for (result, rules) in [("fail", &NOTHING[..]), ("pass", &FOUND)] {
        let mut writer = Writer::with_callback("m1");
        let gate = json!({"gateThreshold": "all"});
        for (message, reported, called_back) in [("m1", "pass", "pass"), ("m2", "fail", result)] {
            if message == "m2" {
                writer.acked("send", message, json!({}));
            }
            writer.queued(message);
            writer.delivered_with(message, gate.clone());
            writer.sent(message);
            writer.completed(message);
            writer.idle();
            writer.event("complete", json!({"exitCode": 0, "gateResult": reported}));
            writer.called_back(message, json!({"gateResult": called_back}), 200);
        }
        assert_eq!(writer.judged(), rules, "{result}");
    }
}

#[test]
fn a_reported_gate_result_is_in_the_callback() {
    for (more, rules) in [
        (json!({"gateResult": "fail"}), &NOTHING[..]),
        (json!({"gateResult": "pass"}), &FOUND),
        (json!({}), &FOUND),
    ] {
        let mut writer = Writer::with_callback("m1");
        writer.bound(1);
        writer.queued("m1");
        writer.delivered_with("m1", json!({"gateThreshold": "all"}));
        writer.sent("m1");
        writer.completed("m1");
        writer.idle();
        writer.event("complete", json!({"exitCode": 0, "gateResult": "fail"}));
        writer.called_back("m1", more, 200);
        assert_eq!(writer.judged(), rules);
    }
}
