//! The bodies of requests to wrappers (protocol §5): to get ready, and of turns.
//!
//! Whether a value is the one that was asked for is not judged here, and neither is the fence.

use serde_json::Value;

use super::{Field, Mismatch, Shape, field};
use crate::oracle::history::{Delivery, History, Preparation};
use crate::oracle::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(in crate::oracle) const ORACLE: Oracle = Oracle {
    name: "wrapper-requests-have-their-shape",
    rule: "Every request to get ready and every turn has its path and the fields that the protocol states, each of the \
        stated form, with the complete binding.",
    why: "Wrappers of other makers read these fields by name. One that is missing makes the wrapper refuse the turn, \
        or report to nobody.",
    moment: Moment::Always,
    protocol: &ids(["R5.3", "R5.27", "R5.30", "R5.31", "R5.72"]),
    check: Check::Run(check),
};

const BINDING: &[Field] = &[
    field("ingestUrl", Shape::Text),
    field("workerAuthToken", Shape::Text),
    field("wrapperRunId", Shape::RunId),
    field("wrapperGeneration", Shape::Whole),
    field("wrapperConnectionId", Shape::Text),
    field("ingestToken", Shape::Nullable(&Shape::Text)).or_absent(),
    field("upstreamBranch", Shape::Nullable(&Shape::Text)).or_absent(),
];

const READY: &[Field] = &[
    field("agentSessionId", Shape::SessionId),
    field("userId", Shape::Text),
    field("orgId", Shape::Nullable(&Shape::Text)).or_absent(),
    field("sandboxId", Shape::Text),
    field("kiloSessionId", Shape::Text),
    field(
        "workspace",
        Shape::Object(&[
            field("workspacePath", Shape::Text),
            field("sessionHome", Shape::Text),
            field("branchName", Shape::Text),
        ]),
    ),
    field("repo", Shape::Nullable(&Shape::AnyObject)).or_absent(),
    field("materialized", Shape::Object(&[field("env", Shape::AnyObject)])),
    field("session", Shape::Object(BINDING)).by("R5.72"),
];

const PROMPT: &[Field] = &[
    field("message", Shape::Object(&[field("id", Shape::MessageId)])),
    field("agent", Shape::Nullable(&Shape::AnyObject)).or_absent(),
    field("finalization", Shape::Nullable(&Shape::AnyObject)).or_absent(),
    field("session", Shape::Object(BINDING)).by("R5.72"),
];

const COMMAND: &[Field] = &[
    field("command", Shape::Text),
    field("args", Shape::Nullable(&Shape::Text)).or_absent(),
    field("messageId", Shape::MessageId),
    field("session", Shape::Object(BINDING)).by("R5.72"),
];

fn check(history: &History) -> Vec<Finding> {
    let preparations = history.preparations.iter().filter_map(of_preparation);
    let deliveries = history.deliveries.iter().filter_map(of_delivery);
    let nameless = history.nameless_jobs.iter().map(|(at, path)| {
        let text = format!("a request to `{path}` names no message");
        ORACLE.finding(&ids(["R5.3"]), *at, None, text)
    });
    preparations.chain(deliveries).chain(nameless).collect()
}

fn of_preparation(preparation: &Preparation) -> Option<Finding> {
    let mismatch = Shape::Object(READY).mismatch(&preparation.body, RuleId::named("R5.27"))?;
    let text = mismatch.about("a request to get ready");
    Some(ORACLE.finding(&[mismatch.rule], preparation.at, None, text))
}

fn of_delivery(delivery: &Delivery) -> Option<Finding> {
    let mismatch = mismatch(&delivery.path, &delivery.body)?;
    let text = mismatch.about(&format!("a request to `{}`", delivery.path));
    Some(ORACLE.finding_about(&[mismatch.rule], delivery.at, &delivery.message, text))
}

/// Why a turn does not have the shape of its path.
fn mismatch(path: &str, body: &Value) -> Option<Mismatch> {
    let (fields, rule) = match path {
        "/job/prompt" => (PROMPT, "R5.30"),
        "/job/command" => (COMMAND, "R5.31"),
        _ => {
            return Some(Mismatch {
                rule: RuleId::named("R5.3"),
                place: String::new(),
                text: "has a turn, but is not the path of one".to_owned(),
            });
        }
    };
    let rule = RuleId::named(rule);
    let mismatch = Shape::Object(fields).mismatch(body, rule);
    mismatch.or_else(|| {
        let message = &body["message"];
        let is_empty = path == "/job/prompt" && message["prompt"].is_null() && message["parts"].is_null();
        is_empty.then(|| Mismatch {
            rule,
            place: "message".to_owned(),
            text: "has neither `prompt` nor `parts`".to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn binding() -> Value {
        json!({
            "ingestUrl": "ws://server:8787/sessions/u/agent_1/ingest", "workerAuthToken": "t",
            "wrapperRunId": "wr_0123456789abcdef0123456789abcdef", "wrapperGeneration": 1,
            "wrapperConnectionId": "6f1b2c3d-0000-4000-8000-000000000001",
        })
    }

    fn set(mut body: Value, pointer: &str, value: Option<Value>) -> Value {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => parent.insert(name.to_owned(), value),
            None => parent.remove(name),
        };
        body
    }

    #[test]
    fn a_turn_has_its_path_its_message_and_the_complete_binding() {
        let id = "msg_0123456789abABCDEFGHIJKLMN";
        let prompt = json!({"message": {"id": id, "prompt": "x"}, "session": binding()});
        let command = json!({"command": "init", "args": "", "messageId": id, "session": binding()});
        assert_eq!(mismatch("/job/prompt", &prompt), None);
        assert_eq!(mismatch("/job/command", &command), None);
        assert!(mismatch("/job/commands", &command).is_some());
        assert!(mismatch("/job/prompt", &command).is_some());
        for pointer in [
            "/session/wrapperRunId",
            "/session/wrapperGeneration",
            "/session/wrapperConnectionId",
            "/session/workerAuthToken",
            "/session/ingestUrl",
            "/session",
        ] {
            for (path, body) in [("/job/prompt", &prompt), ("/job/command", &command)] {
                for value in [None, Some(Value::Null)] {
                    let wrong = set(body.clone(), pointer, value);
                    let rule = mismatch(path, &wrong).map(|mismatch| mismatch.rule);
                    assert_eq!(rule, Some(RuleId::named("R5.72")), "{path} {pointer}");
                }
            }
        }
        assert!(mismatch("/job/prompt", &set(prompt.clone(), "/message/prompt", None)).is_some());
        let parts = json!([{"type": "text", "text": "x"}]);
        let of_parts = set(prompt, "/message/prompt", None);
        assert_eq!(
            mismatch("/job/prompt", &set(of_parts, "/message/parts", Some(parts))),
            None
        );
    }

    #[test]
    fn a_request_to_get_ready_names_the_places() {
        let right = json!({
            "agentSessionId": "agent_6f1b2c3d-0000-4000-8000-00000000abcd", "userId": "u", "sandboxId": "x",
            "kiloSessionId": "ses_1", "materialized": {"env": {}},
            "workspace": {"workspacePath": "/w", "sessionHome": "/h", "branchName": "main"},
            "session": binding(),
        });
        let found = |body: Value| {
            let mismatch = Shape::Object(READY).mismatch(&body, RuleId::named("R5.27"))?;
            Some(mismatch.about("it"))
        };
        assert_eq!(found(right.clone()), None);
        for pointer in [
            "/userId",
            "/workspace/branchName",
            "/materialized/env",
            "/session/ingestUrl",
        ] {
            assert!(
                found(set(right.clone(), pointer, Some(Value::Null))).is_some(),
                "{pointer}"
            );
        }
    }
}
