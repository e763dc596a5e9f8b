//! Every answer of a procedure has one of two shapes (protocol §2): the data of a success, or a refusal whose status, codes
//! and path fit each other. A request that no fault disturbs gets an answer.
//!
//! Whether a request should have been refused is the subject of other oracles.

use std::time::Duration;

use serde_json::Value;

use super::history::{Call, History};
use super::{Check, Finding, Moment, Oracle};
use crate::parties::host_of;
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "refusals-say-one-thing",
    rule: "Every request is answered. A successful answer has data, and every other answer is an error whose status, \
        codes and path agree.",
    why: "A client decides by the code whether to try again, to ask for another token, or to give up. A refusal with \
        two meanings makes it do the wrong one, and without an answer it cannot decide at all.",
    moment: Moment::Always,
    protocol: &ids([
        "R2.5", "R2.6", "R2.7", "R2.8", "R2.9", "R2.10", "R2.11", "R2.12", "R2.13", "R2.14", "R2.15",
        "R2.16", "R2.17", "R2.18", "R2.19",
    ]),
    check: Check::Run(check),
};

/// The refusals: the code in `data`, the HTTP status, the number, and the rule.
const REFUSALS: [(&str, u16, i64, &str); 12] = [
    ("PARSE_ERROR", 400, -32700, "R2.7"),
    ("BAD_REQUEST", 400, -32600, "R2.8"),
    ("UNAUTHORIZED", 401, -32001, "R2.9"),
    ("PAYMENT_REQUIRED", 402, -32002, "R2.10"),
    ("FORBIDDEN", 403, -32003, "R2.11"),
    ("NOT_FOUND", 404, -32004, "R2.12"),
    ("METHOD_NOT_SUPPORTED", 405, -32005, "R2.13"),
    ("CONFLICT", 409, -32009, "R2.14"),
    ("PAYLOAD_TOO_LARGE", 413, -32013, "R2.15"),
    ("TOO_MANY_REQUESTS", 429, -32029, "R2.16"),
    ("INTERNAL_SERVER_ERROR", 500, -32603, "R2.17"),
    ("SERVICE_UNAVAILABLE", 503, -32603, "R2.18"),
];
/// The causes that a 503 may name (R2.19).
const CAUSES: [&str; 4] = [
    "SANDBOX_CONNECT_FAILED",
    "WORKSPACE_SETUP_FAILED",
    "KILO_SERVER_FAILED",
    "WRAPPER_START_FAILED",
];

/// The longest time that a client waits for an answer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A connection that ends earlier than this was closed: its client did not stop waiting.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(30);

fn check(history: &History) -> Vec<Finding> {
    let mut findings: Vec<Finding> = history
        .calls
        .iter()
        .filter(|call| is_ignored(history, call))
        .map(|call| {
            let text = format!("{} got no answer", call.procedure);
            ORACLE.finding(&ids(["R2.5", "R2.6"]), call.at, call.requested_message(), text)
        })
        .collect();
    let answered = history.calls.iter().filter_map(|call| {
        let (at, status, body) = call.reply.as_ref()?;
        let (violated, text) = violation(call, *status, body)?;
        let text = format!("the answer {status} to {} {text}", call.procedure);
        Some(ORACLE.finding(&[violated], *at, call.requested_message(), text))
    });
    findings.extend(answered);
    findings
}

/// Whether a request got no answer without a fault that may have hidden it. In real time only the end of a connection
/// counts, because a busy machine may be late.
fn is_ignored(history: &History, call: &Call) -> bool {
    let Some(given_up_at) = call.given_up_at else {
        return false;
    };
    let is_closed = given_up_at < call.at + SHORTEST_PATIENCE;
    let until = given_up_at.max(call.at + LONGEST_WAIT);
    let since = call.at.saturating_sub(history.max_transit());
    let faults = &history.faults;
    let is_disturbed = faults.may_have_disrupted(host_of(&call.party), since, until)
        || faults.may_have_stopped_server(since, until)
        || faults.store_may_have_failed(since, until);
    // A body over the limit may end its connection (R2.37).
    let is_readable = || call.input.to_string().len() <= history.context.profile.body_limit;
    (is_closed || !history.context.in_real_time) && !is_disturbed && is_readable()
}

/// What is wrong with an answer, with the rule.
fn violation(call: &Call, status: u16, body: &Value) -> Option<(RuleId, String)> {
    if status == 200 {
        let is_right = !body["result"]["data"].is_null() && body["error"].is_null();
        return (!is_right).then(|| (RuleId::named("R2.5"), "has no data".to_owned()));
    }
    if status == 502 || status > 503 || status >= 500 && !body.is_object() {
        // An intermediary answers for a server that it cannot reach, in a form of its own.
        return None;
    }
    let shape = |text: String| Some((RuleId::named("R2.6"), text));
    let (error, data) = (&body["error"], &body["error"]["data"]);
    let code = data["code"].as_str().unwrap_or_default();
    let Some((_, of_code, number, rule)) = REFUSALS.into_iter().find(|(name, ..)| *name == code) else {
        return shape(format!("has the code {}", data["code"]));
    };
    if error["message"].as_str().is_none_or(str::is_empty) {
        return shape("has no message".to_owned());
    }
    if data["path"] != *call.procedure {
        return shape(format!("has the path {}", data["path"]));
    }
    let is_consistent = of_code == status && data["httpStatus"] == status && error["code"] == number;
    if !is_consistent {
        let text = format!(
            "has the code {code} with the status {} and the number {}",
            data["httpStatus"], error["code"]
        );
        return Some((RuleId::named(rule), text));
    }
    let has_cause = data["error"]
        .as_str()
        .is_some_and(|cause| CAUSES.contains(&cause));
    if status == 503 && !(has_cause && data["retryable"] == true) {
        return Some((RuleId::named("R2.19"), "does not name its cause".to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use turnstile_events::world::{Cause, WorldEvent};
    use turnstile_fault::{Fault, Link, Place};

    use crate::oracle::written::Writer;
    use crate::parties::SERVER;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["refusals-say-one-thing"];

    fn refused(status: u16, body: Value) -> Vec<String> {
        let mut writer = Writer::started("m1").also_judged_by(FOUND[0]);
        writer.turn("m1");
        writer.answered("getSession", json!({}), status, body);
        writer.judged()
    }

    fn refusal() -> Value {
        let data = json!({"code": "UNAUTHORIZED", "httpStatus": 401, "path": "getSession"});
        json!({"error": {"message": "no", "code": -32001, "data": data}})
    }

    #[test]
    fn parts_that_do_not_agree_are_found() {
        assert_eq!(refused(401, refusal()), NOTHING);
        assert_eq!(refused(400, refusal()), FOUND);
        assert_eq!(
            refused(502, json!("<html>")),
            NOTHING,
            "it is not the server that answers"
        );
        for (pointer, value) in [
            ("/error/message", json!("")),
            ("/error/code", json!(-32004)),
            ("/error/data", Value::Null),
            ("/error/data/code", json!("NOT_FOUND")),
            ("/error/data/httpStatus", json!(400)),
            ("/error/data/path", json!("send")),
        ] {
            let mut body = refusal();
            *body.pointer_mut(pointer).unwrap() = value;
            assert_eq!(refused(401, body), FOUND, "{pointer}");
        }
    }

    #[test]
    fn a_request_without_an_answer_is_found_unless_a_fault_excuses_it() {
        let asked = |happens: fn(&mut Writer)| {
            let mut writer = Writer::started("m1").also_judged_by(FOUND[0]);
            writer.turn("m1");
            let exchange = writer.requests("getSession", json!({}));
            happens(&mut writer);
            writer.gives_up(exchange);
            writer.judged()
        };
        assert_eq!(asked(|_| ()), FOUND);
        assert_eq!(asked(|writer| writer.wait(60)), FOUND);
        let link = |writer: &mut Writer| {
            let link = Link::between("client", SERVER);
            writer.world(WorldEvent::of(&Fault::cut(&link)));
        };
        assert_eq!(asked(link), NOTHING);
        let crash = |writer: &mut Writer| {
            writer.world(WorldEvent::began(Fault::crash(SERVER), Cause::Order));
            writer.world(WorldEvent::Ended {
                place: Place::host(SERVER),
            });
        };
        assert_eq!(asked(crash), NOTHING);
    }

    #[test]
    fn an_unavailable_service_names_the_cause() {
        for (cause, rules) in [("KILO_SERVER_FAILED", &NOTHING[..]), ("NO", &FOUND)] {
            let data = json!({"code": "SERVICE_UNAVAILABLE", "httpStatus": 503, "path": "getSession",
                "error": cause, "retryable": true});
            let body = json!({"error": {"message": "no", "code": -32603, "data": data}});
            assert_eq!(refused(503, body), rules);
        }
    }

    #[test]
    fn a_success_without_data_is_found() {
        assert_eq!(refused(200, json!({"result": {}})), FOUND);
        assert_eq!(refused(200, json!({"result": {"data": {}}})), NOTHING);
    }
}
