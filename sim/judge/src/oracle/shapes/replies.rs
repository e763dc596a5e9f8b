//! The data of successful replies of procedures (protocol §2, §9).
//!
//! Which values are right for the state of the session is not judged here, and neither are refusals.

use std::time::Duration;

use serde_json::Value;

use super::{Field, Mismatch, Shape, field};
use crate::oracle::history::{Call, History};
use crate::oracle::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(in crate::oracle) const ORACLE: Oracle = Oracle {
    name: "replies-have-their-shape",
    rule: "The data of a successful reply has the fields that the protocol states, each of the stated form.",
    why: "Clients in other languages read these fields by name. One that is missing, or has another form, breaks \
        them while the session itself works.",
    moment: Moment::Always,
    protocol: &ids([
        "R2.53", "R2.54", "R2.56", "R2.58", "R2.59", "R2.61", "R2.63", "R2.74", "R2.79", "R2.86", "R2.87",
        "R2.90", "R2.97", "R2.98", "R2.102", "R2.103", "R2.104", "R2.109", "R2.110", "R2.121", "R2.126",
        "R2.127", "R2.128", "R3.8", "R9.58", "R9.61", "R9.62", "R9.63", "R9.64", "R9.65", "R9.66", "R9.73",
        "R9.74", "R9.75", "R9.76", "R9.77",
    ]),
    check: Check::Run(check),
};

/// The states of a message in an acknowledgement.
const DELIVERY: Shape = Shape::OneOf(&["queued", "sent"]);

const START: &[Field] = &[
    field("cloudAgentSessionId", Shape::SessionId),
    field("kiloSessionId", Shape::Text),
    field("messageId", Shape::MessageId),
    field("delivery", DELIVERY),
    field("wrapperRunId", Shape::RunId).or_absent().by("R2.54"),
];

const SEND: &[Field] = &[
    field("cloudAgentSessionId", Shape::SessionId),
    field("status", Shape::OneOf(&["started"])),
    field("streamUrl", Shape::Text),
    field("messageId", Shape::MessageId),
    field("delivery", DELIVERY),
    field("wrapperRunId", Shape::RunId).or_absent(),
];

const PREPARE: &[Field] = &[
    field("cloudAgentSessionId", Shape::SessionId),
    field("kiloSessionId", Shape::Text),
];

const INTERRUPT: &[Field] = &[
    field("success", Shape::Boolean),
    field("processesFound", Shape::Boolean).by("R2.61"),
    field("message", Shape::Text).by("R2.121"),
];

const DONE: &[Field] = &[field("success", Shape::True)];

const HEALTH: &[Field] = &[
    field("status", Shape::OneOf(&["ok"])),
    field("timestamp", Shape::Text),
    field("version", Shape::Text),
];

const SESSION_HEALTH: &[Field] = &[
    field("cloudAgentSessionId", Shape::SessionId),
    field("sandboxId", Shape::Text).or_absent(),
    field(
        "sandboxStatus",
        Shape::OneOf(&["healthy", "unreachable", "unknown", "destroyed"]),
    )
    .by("R2.98"),
    field(
        "executionHealth",
        Shape::OneOf(&["none", "stale", "unknown", "healthy"]),
    )
    .by("R2.102"),
    field("activeExecutionStatus", Shape::OneOf(&["running", "pending"]))
        .or_absent()
        .by("R2.104"),
    field("activeExecutionId", Shape::Text).or_absent().by("R2.103"),
];

const LATEST: &[Field] = &[
    field("cloudAgentSessionId", Shape::SessionId),
    field(
        "message",
        Shape::Nullable(&Shape::Object(&[
            field("eventId", Shape::Whole).by("R2.126"),
            field("timestamp", Shape::Whole).by("R2.126"),
            field(
                "info",
                Shape::Object(&[
                    field("id", Shape::Text),
                    field("role", Shape::OneOf(&["assistant"])),
                ]),
            )
            .by("R2.127"),
            field("parts", Shape::List(&Shape::AnyObject)).by("R2.128"),
        ])),
    )
    .by("R2.110"),
];

const SESSION: &[Field] = &[
    field("sessionId", Shape::SessionId),
    field("kiloSessionId", Shape::Text).or_absent(),
    field("userId", Shape::Text),
    field("orgId", Shape::Text).or_absent(),
    field("sandboxId", Shape::Text),
    field("githubRepo", Shape::Text).or_absent(),
    field("gitUrl", Shape::Text).or_absent(),
    field("platform", Shape::Text).or_absent(),
    field("prompt", Shape::Text).or_absent(),
    field("mode", Shape::Text).or_absent(),
    field("model", Shape::Text).or_absent(),
    field("variant", Shape::Text).or_absent(),
    field("autoCommit", Shape::Boolean).or_absent(),
    field("condenseOnComplete", Shape::Boolean).or_absent(),
    field("upstreamBranch", Shape::Text).or_absent(),
    field("execution", Shape::Nullable(&Shape::Object(EXECUTION))).by("R9.61"),
    field("preparedAt", Shape::Whole).or_absent().by("R9.62"),
    field("initiatedAt", Shape::Whole).or_absent().by("R9.63"),
    field("initialMessageId", Shape::Text).or_absent(),
    field("timestamp", Shape::Whole).by("R9.64"),
    field("version", Shape::Number).by("R9.65"),
];

const EXECUTION: &[Field] = &[
    field("id", Shape::Text).by("R9.73"),
    field("status", Shape::OneOf(&["running", "pending"])).by("R9.74"),
    field("startedAt", Shape::Whole).by("R9.75"),
    field("lastHeartbeat", Shape::Null).by("R9.76"),
    field("processId", Shape::Null).by("R9.76"),
    field("error", Shape::Null).by("R9.76"),
    field("health", Shape::OneOf(&["healthy", "stale"])).by("R9.77"),
];

/// The shape of a success, with its rule; `None` for a procedure that the protocol does not have.
fn success(procedure: &str) -> Option<(&'static [Field], RuleId)> {
    let (fields, rule) = match procedure {
        "start" => (START, "R2.53"),
        "send" => (SEND, "R2.56"),
        "initiateFromKilocodeSessionV2" => (SEND, "R2.79"),
        "sendMessageV2" => (SEND, "R2.86"),
        "prepareSession" => (PREPARE, "R2.74"),
        "interruptSession" => (INTERRUPT, "R2.59"),
        "updateSession" => (DONE, "R2.87"),
        "deleteSession" => (DONE, "R2.90"),
        "health" => (HEALTH, "R2.63"),
        "getSessionHealth" => (SESSION_HEALTH, "R2.97"),
        "getLatestAssistantMessage" => (LATEST, "R2.109"),
        "getSession" => (SESSION, "R9.58"),
        _ => return None,
    };
    Some((fields, RuleId::named(rule)))
}

fn check(history: &History) -> Vec<Finding> {
    let calls = history.calls.iter();
    calls.filter_map(finding).collect()
}

fn finding(call: &Call) -> Option<Finding> {
    let (at, status, body) = call.reply.as_ref()?;
    let (rule, text) = violation(call, *status, body)?;
    Some(found(rule, *at, call, text))
}

fn found(rule: RuleId, at: Duration, call: &Call, text: String) -> Finding {
    ORACLE.finding(&[rule], at, call.requested_message(), text)
}

fn violation(call: &Call, status: u16, body: &Value) -> Option<(RuleId, String)> {
    let (fields, rule) = success(&call.procedure).filter(|_| status == 200)?;
    let data = &body["result"]["data"];
    let of_shape = Shape::Object(fields).mismatch(data, rule);
    let mismatch = of_shape.or_else(|| inconsistency(call, data, rule))?;
    Some((
        mismatch.rule,
        mismatch.about(&format!("the reply of {}", call.procedure)),
    ))
}

/// Why the fields of a success do not fit each other or the request.
fn inconsistency(call: &Call, data: &Value, rule: RuleId) -> Option<Mismatch> {
    let mismatch = |rule: RuleId, place: &str, text: String| {
        Some(Mismatch {
            rule,
            place: place.to_owned(),
            text,
        })
    };
    let asked = ["cloudAgentSessionId", "sessionId"].map(|name| call.input[name].as_str());
    let answered = ["cloudAgentSessionId", "sessionId"].map(|name| (name, data[name].as_str()));
    if let Some(asked) = asked.into_iter().flatten().next() {
        let other = answered
            .into_iter()
            .find(|(_, answered)| answered.is_some_and(|answered| !answered.eq_ignore_ascii_case(asked)));
        if let Some((name, _)) = other {
            return mismatch(rule, name, "names another session than the request".to_owned());
        }
    }
    if data["delivery"] == "sent" && data.get("wrapperRunId").is_none() {
        let text = "is absent, although `delivery` is \"sent\"".to_owned();
        return mismatch(RuleId::named("R3.8"), "wrapperRunId", text);
    }
    let session = data["cloudAgentSessionId"].as_str().unwrap_or_default();
    if let Some(url) = data["streamUrl"].as_str()
        && !url.contains(&format!("/stream?cloudAgentSessionId={session}"))
    {
        return mismatch(rule, "streamUrl", "is not the stream of the session".to_owned());
    }
    let (status, id) = (data.get("activeExecutionStatus"), data.get("activeExecutionId"));
    if status.is_some() != id.is_some() {
        let text = "and `activeExecutionId` are not both present or both absent".to_owned();
        return mismatch(RuleId::named("R2.104"), "activeExecutionStatus", text);
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(procedure: &str, input: Value, status: u16, body: Value) -> Option<(String, String)> {
        let call = Call {
            at: Duration::ZERO,
            party: "client".to_owned(),
            procedure: procedure.to_owned(),
            input,
            reply: Some((Duration::from_secs(1), status, body)),
            ..Call::default()
        };
        let finding = finding(&call)?;
        Some((finding.protocol[0].to_string(), finding.text))
    }

    const SESSION_ID: &str = "agent_6f1b2c3d-0000-4000-8000-00000000abcd";
    const MESSAGE: &str = "msg_0123456789abABCDEFGHIJKLMN";

    fn ack(procedure: &str, change: impl FnOnce(&mut Value)) -> Option<(String, String)> {
        let mut data = json!({
            "cloudAgentSessionId": SESSION_ID, "status": "started", "messageId": MESSAGE, "delivery": "queued",
            "streamUrl": format!("/stream?cloudAgentSessionId={SESSION_ID}"), "kiloSessionId": "ses_1",
        });
        change(&mut data);
        let input = json!({"cloudAgentSessionId": SESSION_ID.to_uppercase()});
        texts(procedure, input, 200, json!({"result": {"data": data}}))
    }

    fn found(rule: &str, text: &str) -> Option<(String, String)> {
        Some((rule.to_owned(), text.to_owned()))
    }

    #[test]
    fn an_acknowledgement_names_session_message_and_state() {
        for procedure in ["start", "send", "sendMessageV2", "initiateFromKilocodeSessionV2"] {
            assert_eq!(ack(procedure, |_| ()), None, "{procedure}");
        }
        let of_run = |data: &mut Value| data["wrapperRunId"] = json!("wr_0123456789abcdef0123456789abcdef");
        assert_eq!(ack("send", of_run), None);
        assert_eq!(
            ack("send", |data| data["delivery"] = json!("sent")),
            found(
                "R3.8",
                "`wrapperRunId` of the reply of send is absent, although `delivery` is \"sent\""
            )
        );
        assert_eq!(
            ack("send", |data| data["status"] = json!(null)),
            found(
                "R2.56",
                "`status` of the reply of send is null, not one of started"
            )
        );
        let of_another = |data: &mut Value| {
            data["cloudAgentSessionId"] = json!("agent_6f1b2c3d-0000-4000-8000-00000000abce");
        };
        assert_eq!(
            ack("start", of_another),
            found(
                "R2.53",
                "`cloudAgentSessionId` of the reply of start names another session than the request"
            )
        );
    }

    #[test]
    fn the_status_and_the_id_of_a_health_come_together() {
        let health = |more: Value| {
            let mut data = json!({
                "cloudAgentSessionId": SESSION_ID, "sandboxStatus": "unknown", "executionHealth": "none",
            });
            let more = more.as_object().cloned().unwrap_or_default();
            data.as_object_mut().unwrap().extend(more);
            texts(
                "getSessionHealth",
                json!({}),
                200,
                json!({"result": {"data": data}}),
            )
        };
        assert_eq!(health(json!({})), None);
        let running = json!({"activeExecutionStatus": "running", "activeExecutionId": MESSAGE});
        assert_eq!(health(running), None);
        assert!(health(json!({"activeExecutionStatus": "running"})).is_some());
        assert!(health(json!({"executionHealth": "idle"})).is_some());
        assert!(health(json!({"sandboxStatus": "well"})).is_some());
    }

    #[test]
    fn the_execution_of_a_session_has_its_form() {
        let session = |name: &str, value: Value| {
            let mut execution = json!({
                "id": MESSAGE, "status": "running", "startedAt": 1, "lastHeartbeat": null, "processId": null,
                "error": null, "health": "healthy",
            });
            execution[name] = value;
            let data = json!({
                "sessionId": SESSION_ID, "userId": "u", "sandboxId": "x", "execution": execution,
                "timestamp": 1, "version": 1,
            });
            texts("getSession", json!({}), 200, json!({"result": {"data": data}}))
        };
        assert_eq!(session("health", json!("stale")), None);
        for (name, value, rule) in [
            ("error", json!("no"), "R9.76"),
            ("processId", json!(1), "R9.76"),
            ("health", json!("ill"), "R9.77"),
            ("status", json!("done"), "R9.74"),
        ] {
            let found = session(name, value).map(|(rule, _)| rule);
            assert_eq!(found.as_deref(), Some(rule), "{name}");
        }
    }

    #[test]
    fn an_interrupt_says_what_it_did() {
        let data = json!({"success": true, "processesFound": false});
        let interrupted = texts(
            "interruptSession",
            json!({}),
            200,
            json!({"result": {"data": data}}),
        );
        assert_eq!(
            interrupted,
            found("R2.121", "`message` of the reply of interruptSession is absent")
        );
    }
}
