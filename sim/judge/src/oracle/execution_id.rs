//! A message has an `executionId` only where old clients look for one (protocol §1, §2, §8, §9): in the reply
//! of a V2 procedure and in its callback, there as another name of the message. Envelopes of the stream have
//! one only for the executions of old records.

use serde_json::Value;

use super::history::{CallbackRequest, History, is_execution};
use super::{Broken, Check, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "execution-id-only-in-v2",
    rule: "Only V2 replies and callbacks name an execution for a message, and by the message's own id.",
    check: Check::Run(check),
};

const FIELD: &str = "executionId";

fn check(history: &History) -> Vec<Broken> {
    let mut broken = Vec::new();
    for call in &history.calls {
        let Some((at, _, body)) = &call.reply else {
            continue;
        };
        let flaw = match call.success() {
            Some((_, data)) if call.is_v2() => v2_flaw(data),
            // What is said of an old record's own executions may name them.
            _ => first_execution_of_message(body, call.is_admission())
                .map(|id| format!("the reply of {} names an execution {id}", call.procedure)),
        };
        broken.extend(flaw.map(|text| Broken::of(*at, call.asked_message(), text)));
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
            let text = format!("{} was shown {} with an execution {id}", seen.party, event.name);
            broken.push(Broken::of(seen.seen_at, event.message(), text));
        }
    }
    for delivery in &history.deliveries {
        if let Some(id) = first_execution_of_message(&delivery.body, true) {
            let text = format!("the wrapper was given it with an execution {id}");
            broken.push(Broken::new(delivery.at, &delivery.message, text));
        }
    }
    broken.extend(history.callbacks.iter().filter_map(wrong_callback));
    broken
}

/// What is wrong with the data of a V2 reply, if anything.
fn v2_flaw(data: &Value) -> Option<String> {
    let (execution, message) = (&data[FIELD], &data["messageId"]);
    (execution != message).then(|| format!("a V2 reply names the execution {execution} of message {message}"))
}

fn wrong_callback(request: &CallbackRequest) -> Option<Broken> {
    let (execution, message) = (&request.body[FIELD], &request.body["messageId"]);
    let is_wrong = execution != message && !request.is_of_execution() || execution.is_null();
    let text = format!("its callback names the execution {execution}");
    is_wrong.then(|| Broken::of(request.at, message.as_str(), text))
}

/// Whether it names an execution that is not one of an old record.
fn is_of_message(id: &Value) -> bool {
    !id.is_null() && !id.as_str().is_some_and(is_execution)
}

/// The first execution that is named anywhere in `value`; where none may be named at all (`never`), those of
/// old records count too.
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
    const BROKEN: [&str; 1] = ["execution-id-only-in-v2"];

    #[test]
    fn a_v2_reply_names_its_message_as_its_execution() {
        for (reply, rules) in [
            (json!({"messageId": "m2", "executionId": "m2"}), &NOTHING[..]),
            (json!({"messageId": "m2"}), &BROKEN),
            (json!({"messageId": "m2", "executionId": "exc_1"}), &BROKEN),
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
    fn nothing_else_that_clients_see_of_a_message_names_one() {
        let wrongs: [fn(&mut Writer); 3] = [
            |writer| {
                let data = json!({"messageId": "m1", "executionId": "m1"});
                writer.answered("send", json!({}), 200, json!({"result": {"data": data}}));
            },
            |writer| {
                let mut frame = writer.frame(0);
                frame["executionId"] = json!("m1");
                frame["eventId"] = json!(0);
                writer.client_is_shown(OBSERVER, frame);
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
            assert_eq!(writer.judged(), BROKEN);
        }
    }

    #[test]
    fn executions_of_old_records_may_be_named() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        let mut frame = writer.frame(3);
        frame["executionId"] = json!("exc_1");
        frame["eventId"] = json!(0);
        writer.client_is_shown(OBSERVER, frame);
        let data = json!({"execution": {"executionId": "exc_1"}});
        writer.answered("getSession", json!({}), 200, json!({"result": {"data": data}}));
        assert_eq!(writer.judged(), NOTHING);
    }

    #[test]
    fn a_callback_without_one_is_noticed() {
        let mut writer = Writer::with_callback("m1");
        writer.turn("m1");
        writer.called_back("m1", json!({"executionId": null}), 200);
        assert_eq!(writer.judged(), BROKEN);
    }
}
