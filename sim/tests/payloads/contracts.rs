//! The contracts refuse what they must refuse. The test `engine` compares the payloads of the suite with them, `plays` those
//! of this test's scripts.

use serde_json::{Value, json};

use crate::schemas::{CALLBACK, REPLY, breaches, contract};

/// All contract files, relative to the snapshot folder.
pub const FILES: [&str; 2] = [CALLBACK, REPLY];

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
