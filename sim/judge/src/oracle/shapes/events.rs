//! The server's own events on streams (protocol §9): the data of each by its name.
//!
//! `connected` and `cloud.*` come from the server only. The other names may come from a wrapper too, which then answers
//! for their form: they are judged in sessions whose wrappers sent no frame of that name.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Field, Mismatch, Shape, field};
use crate::oracle::history::{CONNECTED, SeenEvent, SessionHistory};
use crate::oracle::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(in crate::oracle) const ORACLE: Oracle = Oracle {
    name: "server-events-have-their-shape",
    rule: "The data of the server's own events has the fields that the protocol states, each of the stated form.",
    why: "Clients in other languages read these fields by name. One that is missing, or has another form, breaks \
        what they show.",
    moment: Moment::Always,
    protocol: &ids([
        "R9.32", "R9.33", "R9.34", "R9.35", "R9.36", "R9.37", "R9.38", "R9.39", "R9.40", "R9.42",
    ]),
    check: Check::Sessions(check),
};

const SENT: Shape = Shape::OneOf(&["sent"]);

/// `completionSource`s (R6.2 to R6.10).
const SOURCE: Shape = Shape::OneOf(&[
    "assistant_message_event",
    "idle_reconciliation",
    "interrupt",
    "wrapper_failure",
    "delivery_failure",
]);

/// `reason`s (R6.2 to R6.10).
const REASON: Shape = Shape::OneOf(&[
    "assistant_error",
    "interrupted",
    "wrapper_error",
    "wrapper_disconnected",
    "wrapper_failure",
    "missing_assistant_reply",
    "exhausted",
]);

const QUEUED: &[Field] = &[
    field("messageId", Shape::MessageId),
    field("content", Shape::Text),
    field("delivery", Shape::OneOf(&["queued"])),
];

const ACCEPTED: &[Field] = &[field("messageId", Shape::MessageId), field("delivery", SENT)];

const COMPLETED: &[Field] = &[
    field("messageId", Shape::MessageId),
    field("status", Shape::OneOf(&["completed"])),
    field("delivery", SENT),
    field("accepted", Shape::True),
    field("completionSource", SOURCE),
    field("assistantMessageId", Shape::Text).or_absent(),
    field("gateResult", Shape::OneOf(&["pass", "fail"])).or_absent(),
];

const FAILED: &[Field] = &[
    field("messageId", Shape::MessageId),
    field("status", Shape::OneOf(&["failed", "interrupted"])),
    field("delivery", Shape::OneOf(&["queued", "sent"])),
    field("accepted", Shape::Boolean),
    field("completionSource", SOURCE),
    field("reason", REASON),
    field("attempts", Shape::Whole).or_absent().by("R9.42"),
    field("error", Shape::Text),
];

const CONNECTED_DATA: &[Field] = &[field(
    "cloudStatus",
    Shape::Object(&[field("type", Shape::OneOf(&["ready", "preparing"]))]),
)
.or_absent()];

const STATUS: &[Field] = &[field(
    "cloudStatus",
    Shape::Object(&[field(
        "type",
        Shape::OneOf(&["preparing", "ready", "finalizing", "error"]),
    )]),
)];

const PREPARING: &[Field] = &[field("step", Shape::Text), field("message", Shape::Text)];
const FINALIZING: &[Field] = &[
    field("step", Shape::OneOf(&["committing"])),
    field("message", Shape::Text),
];
const ERROR: &[Field] = &[field("message", Shape::Text)];

const COMMANDS: &[Field] = &[field("commands", Shape::List(&Shape::Anything))];

const DISCONNECTED: &[Field] = &[
    field("wsCloseCode", Shape::Whole),
    field("wsCloseReason", Shape::Anything),
    field("error", Shape::Text),
    field("fatal", Shape::True),
];

/// Names that a wrapper may send too.
const SHARED: [&str; 3] = ["commands.available", "preparing", "wrapper_disconnected"];

fn check(session: &SessionHistory) -> Vec<Finding> {
    let imported = session.run.imported_frames.iter();
    let sent: BTreeSet<&str> = session
        .wrapper_frames()
        .map(|(_, frame)| frame)
        .chain(imported)
        .map(|frame| frame.name.as_str())
        .collect();
    let is_own = |seen: &&SeenEvent| {
        let name = seen.event.name.as_str();
        !(SHARED.contains(&name) && sent.contains(name))
    };
    session.seen().filter(is_own).filter_map(finding).collect()
}

fn finding(seen: &SeenEvent) -> Option<Finding> {
    let event = &seen.event;
    let mismatch = mismatch(&event.name, &event.data)?;
    let text = mismatch.about(&format!("a `{}` that {} received", event.name, seen.party));
    Some(ORACLE.finding(&[mismatch.rule], seen.seen_at, event.message(), text))
}

/// Why the data does not fit a server's event of this name.
fn mismatch(name: &str, data: &Value) -> Option<Mismatch> {
    let (fields, rule) = match name {
        CONNECTED => (CONNECTED_DATA, "R9.36"),
        "cloud.message.queued" => (QUEUED, "R9.32"),
        "cloud.message.sent" => (ACCEPTED, "R9.33"),
        "cloud.message.completed" => (COMPLETED, "R9.34"),
        "cloud.message.failed" => (FAILED, "R9.35"),
        "cloud.status" => (STATUS, "R9.39"),
        "commands.available" => (COMMANDS, "R9.37"),
        "preparing" => (PREPARING, "R9.38"),
        "wrapper_disconnected" => (DISCONNECTED, "R9.40"),
        _ => return None,
    };
    let rule = RuleId::named(rule);
    Shape::Object(fields)
        .mismatch(data, rule)
        .or_else(|| inconsistency(name, data, rule))
}

/// Why the fields of an event do not fit each other.
fn inconsistency(name: &str, data: &Value, rule: RuleId) -> Option<Mismatch> {
    if name == "cloud.status" {
        let status = &data["cloudStatus"];
        let fields = match status["type"].as_str()? {
            "preparing" => PREPARING,
            "finalizing" => FINALIZING,
            "error" => ERROR,
            _ => return None,
        };
        let mismatch = Shape::Object(fields).mismatch(status, rule)?;
        return Some(mismatch.below("cloudStatus"));
    }
    if name != "cloud.message.failed" {
        return None;
    }
    let wrong = |rule: RuleId, place: &str, text: &str| {
        Some(Mismatch {
            rule,
            place: place.to_owned(),
            text: text.to_owned(),
        })
    };
    if (data["delivery"] == "sent") != (data["accepted"] == true) {
        return wrong(rule, "delivery", "does not agree with `accepted`");
    }
    let is_of_delivery = data["completionSource"] == "delivery_failure";
    if data.get("attempts").is_some() != is_of_delivery {
        let text = "is present without `delivery_failure`, or absent with it";
        return wrong(RuleId::named("R9.42"), "attempts", text);
    }
    if (data["status"] == "interrupted") != (data["reason"] == "interrupted") {
        return wrong(rule, "status", "does not agree with `reason`");
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MESSAGE: &str = "msg_0123456789abABCDEFGHIJKLMN";

    fn failed(change: impl FnOnce(&mut Value)) -> Option<String> {
        let mut data = json!({
            "messageId": MESSAGE, "status": "failed", "delivery": "queued", "accepted": false,
            "completionSource": "delivery_failure", "reason": "exhausted", "attempts": 2, "error": "…",
        });
        change(&mut data);
        Some(mismatch("cloud.message.failed", &data)?.about("it"))
    }

    #[test]
    fn a_failure_has_fields_that_fit_each_other() {
        assert_eq!(failed(|_| ()), None);
        let without = |name: &'static str| {
            failed(move |data| {
                data.as_object_mut().unwrap().remove(name);
            })
        };
        for name in [
            "messageId",
            "status",
            "delivery",
            "accepted",
            "completionSource",
            "reason",
            "error",
        ] {
            assert_eq!(without(name), Some(format!("`{name}` of it is absent")));
        }
        assert!(without("attempts").is_some());
        assert!(failed(|data| data["accepted"] = json!(true)).is_some());
        assert!(failed(|data| data["reason"] = json!("interrupted")).is_some());
    }

    #[test]
    fn a_status_has_the_fields_of_its_type() {
        let status = |status: Value| {
            let mismatch = mismatch("cloud.status", &json!({"cloudStatus": status}))?;
            Some(mismatch.about("it"))
        };
        assert_eq!(status(json!({"type": "ready"})), None);
        assert_eq!(
            status(json!({"type": "preparing", "step": "x", "message": "…"})),
            None
        );
        assert_eq!(
            status(json!({"type": "preparing", "step": "x"})),
            Some("`cloudStatus.message` of it is absent".to_owned())
        );
        assert!(status(json!({"type": "done"})).is_some());
    }

    #[test]
    fn connected_may_have_no_status() {
        assert_eq!(mismatch(CONNECTED, &json!({})), None);
        assert_eq!(
            mismatch(CONNECTED, &json!({"cloudStatus": {"type": "ready"}})),
            None
        );
        assert!(mismatch(CONNECTED, &json!({"cloudStatus": null})).is_some());
        assert_eq!(mismatch("kilocode", &json!(null)), None, "a wrapper's event");
    }
}
