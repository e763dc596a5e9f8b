//! Contracts: JSON Schemas in `snapshots/contracts` for what known receivers of callbacks and old clients rely on.
//! Validates everything that the server sends in any script (the suite's and this test's) on every surface.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jsonschema::Validator;
use serde_json::{Value, json};
use turnstile_judge::oracle::history::History;

use crate::{book, plays};

/// What the security-analysis receiver accepts.
const CALLBACK: &str = "contracts/security-analysis-callback.schema.json";
/// What an old client can read.
const REPLY: &str = "contracts/v2-reply.schema.json";
/// All contract files, relative to the snapshot folder.
pub const FILES: [&str; 2] = [CALLBACK, REPLY];

/// The procedures that only old clients call (protocol §2).
const V2_PROCEDURES: [&str; 4] = [
    "prepareSession",
    "initiateFromKilocodeSessionV2",
    "sendMessageV2",
    "updateSession",
];

fn contract(file: &str) -> Validator {
    let text = fs::read_to_string(book::folder().join(file)).expect("the contract can be read");
    let schema: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Lists the violations of a contract by a payload.
fn breaches(contract: &Validator, payload: &Value) -> Vec<String> {
    let errors = contract.iter_errors(payload);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// All payloads sent to receivers or to old clients.
#[derive(Default)]
struct Sent {
    /// Bodies of callbacks, each with the title of its script.
    callbacks: Vec<(String, Value)>,
    /// `{procedure, status, body}` of V2 replies.
    replies: Vec<(String, Value)>,
}

impl Sent {
    fn of_all_scripts() -> Self {
        let mut sent = Self::default();
        for scenario in plays::all() {
            let history = History::read(&plays::play(&scenario).trace);
            let bodies = history
                .callbacks
                .into_iter()
                .map(|request| (scenario.title.clone(), request.body));
            sent.callbacks.extend(bodies);
            let replies = history.calls.into_iter().filter_map(|call| {
                let (_, status, body) = call.reply?;
                V2_PROCEDURES.contains(&call.procedure.as_str()).then(|| {
                    let reply = json!({"procedure": call.procedure, "status": status, "body": body});
                    (scenario.title.clone(), reply)
                })
            });
            sent.replies.extend(replies);
        }
        sent
    }
}

/// Counts the values of a field.
fn count<'a>(payloads: &'a [(String, Value)], field: &str) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for (_, payload) in payloads {
        if let Some(value) = payload.pointer(field).and_then(Value::as_str) {
            *counts.entry(value).or_default() += 1;
        }
    }
    counts
}

#[test]
fn payloads_of_all_scripts_satisfy_the_contracts() {
    let Sent { callbacks, replies } = Sent::of_all_scripts();
    let mut failures = Vec::new();
    for (contract, payloads) in [(contract(CALLBACK), &callbacks), (contract(REPLY), &replies)] {
        for (title, payload) in payloads {
            let breaches = breaches(&contract, payload);
            if !breaches.is_empty() {
                failures.push(format!("{title}: {payload}\n  {}", breaches.join("\n  ")));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));

    // Check that the payloads cover every kind, otherwise the validation above proves nothing.
    let seen = |counts: BTreeMap<&str, usize>| counts.into_keys().map(str::to_owned).collect::<BTreeSet<_>>();
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(
        seen(count(&callbacks, "/status")),
        names(&["completed", "failed", "interrupted"])
    );
    assert_eq!(seen(count(&callbacks, "/gateResult")), names(&["fail", "pass"]));
    let of_executions = callbacks.iter().filter(|(_, body)| {
        let id = body["executionId"].as_str();
        id.is_some_and(|id| id.starts_with("exc_"))
    });
    assert!(of_executions.count() > 0, "no callback of an execution");
    assert_eq!(seen(count(&replies, "/procedure")), names(&V2_PROCEDURES));
    let codes = count(&replies, "/body/error/data/code");
    assert!(
        codes.contains_key("TOO_MANY_REQUESTS") && codes.contains_key("UNAUTHORIZED"),
        "{codes:?}"
    );
}

#[test]
fn a_callback_that_the_receiver_rejects_violates_the_contract() {
    let contract = contract(CALLBACK);
    let callback = json!({
        "sessionId": "agent_6f1b2c3d-0000-4000-8000-00000000abcd",
        "cloudAgentSessionId": "agent_6f1b2c3d-0000-4000-8000-00000000abcd",
        "executionId": "msg_9b76a2c00000AAAAAAAAAAAAAA",
        "status": "completed",
        "lastAssistantMessageText": "hello",
        "more": "is ignored",
    });
    assert_eq!(breaches(&contract, &callback), Vec::<String>::new());
    let mut empty = callback.clone();
    empty["lastAssistantMessageText"] = json!("");
    assert_eq!(breaches(&contract, &empty), Vec::<String>::new());
    for field in ["sessionId", "cloudAgentSessionId", "executionId", "status"] {
        for wrong in [None, Some(json!(null)), Some(json!(1)), Some(json!(""))] {
            let mut callback = callback.clone();
            let fields = callback.as_object_mut().expect("it is an object");
            match wrong {
                None => fields.remove(field),
                Some(wrong) => fields.insert(field.to_owned(), wrong),
            };
            assert!(!contract.is_valid(&callback), "{callback}");
        }
    }
    for (field, wrong) in [
        ("status", json!("done")),
        ("errorMessage", json!(null)),
        ("lastAssistantMessageText", json!(["hello"])),
        ("gateResult", json!("maybe")),
        (
            "lastAssistantMessageTextTruncation",
            json!({"originalUtf8ByteLength": 5}),
        ),
    ] {
        let mut callback = callback.clone();
        callback[field] = wrong;
        assert!(!contract.is_valid(&callback), "{callback}");
    }
}

#[test]
fn a_reply_that_an_old_client_cannot_read_violates_the_contract() {
    let contract = contract(REPLY);
    let data = json!({
        "cloudAgentSessionId": "agent_6f1b2c3d-0000-4000-8000-00000000abcd",
        "status": "started",
        "streamUrl": "/stream?cloudAgentSessionId=agent_6f1b2c3d-0000-4000-8000-00000000abcd",
        "messageId": "msg_9b76a2c00000AAAAAAAAAAAAAA",
        "executionId": "msg_9b76a2c00000AAAAAAAAAAAAAA",
        "delivery": "queued",
    });
    let reply = |data: &Value| json!({"procedure": "sendMessageV2", "status": 200, "body": {"result": {"data": data}}});
    assert_eq!(breaches(&contract, &reply(&data)), Vec::<String>::new());
    for field in [
        "cloudAgentSessionId",
        "status",
        "streamUrl",
        "messageId",
        "executionId",
        "delivery",
    ] {
        for wrong in [None, Some(json!(null)), Some(json!(1)), Some(json!("other"))] {
            let mut data = data.clone();
            let fields = data.as_object_mut().expect("it is an object");
            match wrong {
                None => fields.remove(field),
                Some(wrong) => fields.insert(field.to_owned(), wrong),
            };
            assert!(!contract.is_valid(&reply(&data)), "{data}");
        }
    }

    let refusal = |status: u16, code: i32, name: &str, more: Value| {
        let mut data = json!({"code": name, "httpStatus": status, "path": "sendMessageV2"});
        for (field, value) in more.as_object().expect("it is an object") {
            data[field] = value.clone();
        }
        let error = json!({"message": "…", "code": code, "data": data});
        json!({"procedure": "sendMessageV2", "status": status, "body": {"error": error}})
    };
    let unavailable = json!({"error": "KILO_SERVER_FAILED", "retryable": true});
    for right in [
        refusal(429, -32029, "TOO_MANY_REQUESTS", json!({})),
        refusal(503, -32603, "SERVICE_UNAVAILABLE", unavailable.clone()),
    ] {
        assert_eq!(breaches(&contract, &right), Vec::<String>::new());
    }
    for wrong in [
        refusal(429, -32004, "TOO_MANY_REQUESTS", json!({})),
        refusal(400, -32029, "TOO_MANY_REQUESTS", json!({})),
        refusal(200, -32029, "TOO_MANY_REQUESTS", json!({})),
        refusal(503, -32603, "SERVICE_UNAVAILABLE", json!({})),
        refusal(
            503,
            -32603,
            "SERVICE_UNAVAILABLE",
            json!({"error": "TIRED", "retryable": true}),
        ),
        refusal(418, -32600, "TEAPOT", json!({})),
    ] {
        assert!(!contract.is_valid(&wrong), "{wrong}");
    }
}
