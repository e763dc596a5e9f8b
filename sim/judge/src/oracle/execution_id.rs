//! `executionId` names a message only where old clients read it (protocol §1, §2, §8, §9): in the reply of a V2
//! procedure and in the callback, where it equals the message's id. Envelopes of the stream have it only for the
//! executions of legacy records.

use serde_json::Value;

use super::history::{CallbackRequest, History, is_execution};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "execution-id-only-in-v2",
    rule: "Only V2 replies and callbacks contain `executionId` for a message, and it equals the message's id.",
    why: "Old clients and receivers know a turn by this name and reject a callback without it. New clients \
        would take it for the execution of a legacy record.",
    moment: Moment::Always,
    protocol: &ids(["R1.11", "R2.79", "R2.86", "R8.12", "R9.16", "R10.37"]),
    check: Check::Run(check),
};

const FIELD: &str = "executionId";

fn check(history: &History) -> Vec<Finding> {
    let mut findings = Vec::new();
    for call in &history.calls {
        let Some((at, _, body)) = &call.reply else {
            continue;
        };
        let text = match call.success() {
            Some((_, data)) if call.is_v2() => wrong_v2_reply(data),
            // Replies about executions of legacy records may name them.
            _ => first_execution_of_message(body, call.is_admission())
                .map(|id| format!("the reply of {} contains the execution {id}", call.procedure)),
        };
        let violated = RuleId::named(if call.is_v2() { "R2.86" } else { "R1.11" });
        findings.extend(text.map(|text| ORACLE.finding(&[violated], *at, call.requested_message(), text)));
    }
    for seen in &history.seen {
        let event = &seen.event;
        let in_envelope = event.others.get(FIELD).filter(|id| is_of_message(id));
        let is_own = event.name.starts_with("cloud.");
        let in_data = || {
            is_own
                .then(|| first_execution_of_message(&event.data, true))
                .flatten()
        };
        if let Some(id) = in_envelope.or_else(in_data) {
            let text = format!("{} received {} with the execution {id}", seen.party, event.name);
            findings.push(ORACLE.finding(&ids(["R1.11", "R9.16"]), seen.seen_at, event.message(), text));
        }
    }
    for delivery in &history.deliveries {
        if let Some(id) = first_execution_of_message(&delivery.body, true) {
            let text = format!("it was delivered to the wrapper with the execution {id}");
            findings.push(ORACLE.finding_about(&ids(["R1.11"]), delivery.at, &delivery.message, text));
        }
    }
    findings.extend(history.callbacks.iter().filter_map(wrong_callback));
    findings
}

/// The text of the finding about a V2 reply whose execution differs from its message.
fn wrong_v2_reply(data: &Value) -> Option<String> {
    let (execution, message) = (&data[FIELD], &data["messageId"]);
    (execution != message).then(|| format!("a V2 reply has the execution {execution} for message {message}"))
}

fn wrong_callback(request: &CallbackRequest) -> Option<Finding> {
    let (execution, message) = (&request.body[FIELD], &request.body["messageId"]);
    let is_wrong = execution != message && !request.is_of_execution() || execution.is_null();
    let text = format!("its callback has the execution {execution}");
    is_wrong.then(|| ORACLE.finding(&ids(["R8.12"]), request.at, message.as_str(), text))
}

/// Whether it is an id other than that of an execution of a legacy record.
fn is_of_message(id: &Value) -> bool {
    !id.is_null() && !id.as_str().is_some_and(is_execution)
}

/// The first execution id anywhere in `value` that must not be there. With `never`, ids of legacy executions must not
/// be there either.
fn first_execution_of_message(value: &Value, never: bool) -> Option<&Value> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let is_one = name == FIELD && (is_of_message(value) || never && !value.is_null());
            if is_one {
                Some(value)
            } else {
                first_execution_of_message(value, never)
            }
        }),
        Value::Array(values) => values
            .iter()
            .find_map(|value| first_execution_of_message(value, never)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;
    use crate::parties::OBSERVER;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["execution-id-only-in-v2"];

    #[test]
    fn a_v2_reply_with_another_execution_than_its_message_is_found() {
        for (reply, rules) in [
            (json!({"messageId": "m2", "executionId": "m2"}), &NOTHING[..]),
            (json!({"messageId": "m2"}), &FOUND),
            (json!({"messageId": "m2", "executionId": "exc_1"}), &FOUND),
        ] {
            let mut writer = Writer::started("m1");
            writer.turn("m1");
            writer.answered(
                "sendMessageV2",
                json!({"messageId": "m2"}),
                200,
                json!({"result": {"data": reply}}),
            );
            writer.turn("m2");
            assert_eq!(writer.judged(), rules);
        }
    }

    #[test]
    fn an_execution_id_in_another_reply_or_event_is_found() {
        let wrongs: [fn(&mut Writer); 3] = [
            |writer| {
                let data = json!({"messageId": "m1", "executionId": "m1"});
                writer.answered("send", json!({}), 200, json!({"result": {"data": data}}));
            },
            |writer| {
                let mut frame = writer.frame(0);
                frame["executionId"] = json!("m1");
                frame["eventId"] = json!(0);
                writer.client_receives_frame(OBSERVER, frame);
            },
            |writer| {
                let data = json!({"execution": {"executionId": "m1"}});
                writer.answered("getSession", json!({}), 200, json!({"result": {"data": data}}));
            },
        ];
        for wrong in wrongs {
            let mut writer = Writer::started("m1");
            writer.queued("m1");
            wrong(&mut writer);
            writer.delivered("m1");
            writer.sent("m1");
            writer.completed("m1");
            assert_eq!(writer.judged(), FOUND);
        }
    }

    #[test]
    fn executions_of_legacy_records_may_be_named() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        let mut frame = writer.frame(3);
        frame["executionId"] = json!("exc_1");
        frame["eventId"] = json!(0);
        writer.client_receives_frame(OBSERVER, frame);
        let data = json!({"execution": {"executionId": "exc_1"}});
        writer.answered("getSession", json!({}), 200, json!({"result": {"data": data}}));
        assert_eq!(writer.judged(), NOTHING);
    }

    #[test]
    fn a_callback_without_an_execution_id_is_found() {
        let mut writer = Writer::with_callback("m1");
        writer.turn("m1");
        writer.called_back("m1", json!({"executionId": null}), 200);
        assert_eq!(writer.judged(), FOUND);
    }
}
