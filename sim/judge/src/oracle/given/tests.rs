use serde_json::{Value, json};

use crate::oracle::written::Writer;

const NOTHING: [&str; 0] = [];
const FOUND: [&str; 1] = ["wrapper-gets-what-was-asked"];

/// What the session is created with.
fn created() -> Value {
    json!({
        "message": {"prompt": "one"},
        "agent": {"mode": "code", "model": "kilo/big", "variant": "high"},
        "finalization": {"autoCommit": true},
        "repository": {"type": "github", "repo": "owner/name", "branch": "next"},
        "profile": {"envVars": {"NAME": "value"}, "setupCommands": ["make"], "appendSystemPrompt": "short"},
        "options": {"kilocodeOrganizationId": "org"},
    })
}

/// The body with which the wrapper is made ready.
fn ready(user: &str) -> Value {
    json!({
        "agentSessionId": "s", "userId": "a/b", "orgId": "org", "kiloSessionId": "root",
        "workspace": {"branchName": "next", "upstreamBranch": "next"},
        "repo": {"kind": "github", "repo": "owner/name"},
        "materialized": {"env": {"NAME": "value", "MORE": "1"}, "setupCommands": ["make"]},
        "session": {"ingestUrl": format!("ws://server:8787/sessions/{user}/s/ingest"), "upstreamBranch": "next"},
    })
}

/// The body with which the first message is handed over.
fn turn() -> Value {
    json!({
        "message": {"id": "m1", "prompt": "one"},
        "agent": {"mode": "code", "model": {"providerID": "kilo", "modelID": "big"}, "variant": "high", "system": "short"},
        "finalization": {"autoCommit": true},
        "session": {"ingestUrl": "ws://server:8787/sessions/a%2Fb/s/ingest", "upstreamBranch": "next"},
    })
}

fn set(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}

/// The wrapper receives a message and accepts it, and the message completes.
fn runs(writer: &mut Writer, message: &str, content: &str, body: Value) {
    writer.message_event(
        "queued",
        message,
        json!({"delivery": "queued", "content": content}),
    );
    let path = if body["message"].is_null() {
        "/job/command"
    } else {
        "/job/prompt"
    };
    let exchange = writer.wrapper_receives(path, body);
    writer.wrapper_answers(exchange, 200, json!({"status": "sent", "messageId": message}));
    writer.sent(message);
    writer.completed(message);
    writer.idle();
}

fn judged(input: Value, ready: Value, turn: Value) -> Vec<String> {
    let mut writer = Writer::started_with("m1", input);
    let exchange = writer.wrapper_receives("/session/ready", ready);
    writer.wrapper_answers(exchange, 200, json!({"status": "ready", "kiloSessionId": "root"}));
    runs(&mut writer, "m1", "one", turn);
    writer.judged()
}

#[test]
fn a_turn_with_another_value_is_found() {
    assert_eq!(judged(created(), ready("a%2Fb"), turn()), NOTHING);
    for (pointer, value) in [
        ("/message/prompt", json!("two")),
        ("/message/attachments", json!(["an image"])),
        ("/agent/mode", json!("ask")),
        ("/agent/model/modelID", json!("small")),
        ("/agent/variant", json!("low")),
        ("/agent/variant", Value::Null),
        ("/agent/system", Value::Null),
        ("/finalization/autoCommit", json!(false)),
        ("/finalization/condenseOnComplete", json!(true)),
        ("/finalization/gateThreshold", json!("all")),
    ] {
        let turn = set(turn(), pointer, value.clone());
        assert_eq!(
            judged(created(), ready("a%2Fb"), turn),
            FOUND,
            "{pointer} {value}"
        );
    }
}

#[test]
fn forms_of_the_same_value_are_accepted() {
    for (pointer, value) in [
        ("/message/attachments", json!([])),
        ("/agent/model/modelID", json!("kilo/big")),
        ("/finalization/condenseOnComplete", json!(false)),
        ("/finalization/gateThreshold", json!("off")),
        (
            "/message",
            json!({"id": "m1", "parts": [{"type": "text", "text": "one"}]}),
        ),
    ] {
        let turn = set(turn(), pointer, value.clone());
        assert_eq!(
            judged(created(), ready("a%2Fb"), turn),
            NOTHING,
            "{pointer} {value}"
        );
    }
}

#[test]
fn another_place_of_work_is_found() {
    for (pointer, value) in [
        ("/orgId", Value::Null),
        ("/kiloSessionId", json!("another")),
        ("/workspace/upstreamBranch", Value::Null),
        ("/session/upstreamBranch", Value::Null),
        ("/repo/repo", json!("owner/other")),
        ("/repo/kind", json!("git")),
        ("/materialized/env", json!({})),
        ("/materialized/setupCommands", json!([])),
    ] {
        let ready = set(ready("a%2Fb"), pointer, value.clone());
        assert_eq!(judged(created(), ready, turn()), FOUND, "{pointer} {value}");
    }
}

#[test]
fn an_address_that_does_not_encode_its_user_is_found() {
    for user in ["a/b", "a", "a%252Fb"] {
        assert_eq!(judged(created(), ready(user), turn()), FOUND, "{user}");
    }
    assert_eq!(judged(created(), ready("%61%2fb"), turn()), NOTHING);
}

#[test]
fn the_session_supplies_the_values_that_a_message_does_not_name() {
    let sent = json!({"message": {"prompt": "two", "images": ["an image"]}, "agent": {"mode": "ask", "model": "small"}});
    let given = |variant: Value| {
        let body = set(
            turn(),
            "/message",
            json!({"id": "m2", "prompt": "two", "attachments": ["an image"]}),
        );
        let body = set(body, "/agent/mode", json!("ask"));
        set(
            set(body, "/agent/model/modelID", json!("small")),
            "/agent/variant",
            variant,
        )
    };
    for (variant, rules) in [(json!("high"), &NOTHING[..]), (json!("low"), &FOUND)] {
        let mut writer = Writer::started_with("m1", created());
        runs(&mut writer, "m1", "one", turn());
        writer.acked("send", "m2", sent.clone());
        runs(&mut writer, "m2", "two", given(variant));
        assert_eq!(writer.judged(), rules);
    }
}

#[test]
fn a_command_keeps_its_arguments() {
    let payload = json!({"type": "command", "command": "init", "arguments": "src"});
    let given = |args: &str| {
        json!({"command": "init", "args": args, "messageId": "m2", "autoCommit": true,
            "session": {"ingestUrl": "ws://server:8787/sessions/a%2Fb/s/ingest"}})
    };
    for (args, rules) in [("src", &NOTHING[..]), ("", &FOUND)] {
        let mut writer = Writer::started_with("m1", created());
        runs(&mut writer, "m1", "one", turn());
        let message = json!({"messageId": "m2", "executionId": "m2"});
        writer.answered(
            "sendMessageV2",
            json!({"payload": payload}),
            200,
            json!({"result": {"data": message}}),
        );
        runs(&mut writer, "m2", "/init src", given(args));
        assert_eq!(writer.judged(), rules, "{args}");
    }
}

#[test]
fn a_message_of_a_request_without_an_answer_may_be_any_of_them() {
    for (prompt, rules) in [("two", &NOTHING[..]), ("three", &NOTHING), ("four", &FOUND)] {
        let mut writer = Writer::started_with("m1", created());
        runs(&mut writer, "m1", "one", turn());
        for asked in ["two", "three"] {
            writer.requests("send", json!({"message": {"prompt": asked}}));
        }
        let body = set(turn(), "/message", json!({"id": "m2", "prompt": prompt}));
        runs(&mut writer, "m2", prompt, body);
        assert_eq!(writer.judged(), rules, "{prompt}");
    }
}
