//! A callback contains the outcome of its message (protocol §8), as in the log. Its body was frozen when its
//! batch was finalized. Where the log may have changed around that time, every value since then is accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::admissions::{CallbackTargets, Likely, requested_branch, wants_gate};
use super::batches::{Batch, batches};
use super::history::{CallbackRequest, SessionHistory, StreamEvent};
use super::one_callback::first_requests;
use super::{Check, Finding, Moment, Oracle};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "callbacks-tell-the-outcome",
    rule: "A callback contains the status, error, text, branch and gate result that the log has for its \
        message.",
    why: "The receiver has no other source: what the body says is what the user of the receiver reads.",
    moment: Moment::Always,
    protocol: &ids([
        "R8.9", "R8.11", "R8.12", "R8.13", "R8.14", "R8.15", "R8.16", "R8.17", "R8.18",
    ]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.log.is_none() || session.callbacks.is_empty() {
        return Vec::new();
    }
    let firsts = first_requests(session);
    let batches = batches(session);
    let mut findings = Vec::new();
    for batch in &batches.all {
        if let Some(request) = firsts.get(batch.message) {
            for (field, expected) in expected(session, batch) {
                let found = &request.body[field];
                if !expected.contains(found) {
                    findings.push(ORACLE.finding_about(
                        request.at,
                        batch.message,
                        format!(
                            "its callback has `{field}` {found}, but it should have {}",
                            either(&expected)
                        ),
                    ));
                }
            }
            findings.extend(wrong_gate_result(session, batch, request));
        }
    }
    findings
}

/// All values that a field may have; null where it may be absent.
type Possible = Vec<Value>;

fn either(possible: &Possible) -> String {
    let possible: Vec<String> = possible.iter().map(ToString::to_string).collect();
    possible.join(" or ")
}

fn expected(session: &SessionHistory, batch: &Batch) -> Vec<(&'static str, Possible)> {
    let end = &batch.end.data;
    let mut expected = vec![
        ("sessionId", vec![json!(session.id)]),
        ("cloudAgentSessionId", vec![json!(session.id)]),
        ("messageId", vec![json!(batch.message)]),
        ("status", vec![end["status"].clone()]),
        ("errorMessage", vec![end["error"].clone()]),
    ];
    expected.extend(texts(session, batch).map(|texts| ("lastAssistantMessageText", texts)));
    expected.extend(branches(session, batch).map(|branches| ("lastSeenBranch", branches)));
    if !session.roots().is_empty() {
        let roots = session.roots().iter().map(|root| json!(root));
        expected.push(("kiloSessionId", roots.chain([Value::Null]).collect()));
    }
    expected
}

/// The possible texts; `None` if the log leaves the text open.
fn texts(session: &SessionHistory, batch: &Batch) -> Option<Possible> {
    let end = &batch.end.data;
    if end["status"] != "completed" {
        return Some(vec![Value::Null]);
    }
    let replies = match end["assistantMessageId"].as_str() {
        Some(reply) => BTreeSet::from([reply]),
        None => replies_to(session, batch.message),
    };
    let reply = match replies.len() {
        0 => return Some(vec![Value::Null]),
        1 => replies.first()?,
        _ => return None,
    };
    let (text, (last_event_at, last_event)) = text_of(session, reply);
    // Within one millisecond the order of the log decides: an event after the end may also follow the callback.
    let is_in_time = last_event < batch.end.id || last_event_at < batch.not_before;
    (last_event_at <= batch.not_before && is_in_time).then(|| vec![json!(text)])
}

/// The ids of the assistant's messages that answer a message.
fn replies_to<'a>(session: &SessionHistory<'a>, message: &str) -> BTreeSet<&'a str> {
    let infos = session.kept.iter().filter_map(|event| match event.kilo() {
        Some(("message.updated", properties)) => Some(&properties["info"]),
        _ => None,
    });
    infos
        .filter(|info| info["role"] == "assistant" && info["parentID"] == message)
        .filter_map(|info| info["id"].as_str())
        .collect()
}

/// The text of an assistant's message, with the time and id of the last event about it. The text consists of the text
/// parts in order of their ids, without removed ones.
fn text_of(session: &SessionHistory, assistant_message: &str) -> (Option<String>, (Duration, u64)) {
    let mut parts: BTreeMap<&str, &str> = BTreeMap::new();
    let mut last_event = (Duration::ZERO, 0);
    for event in &session.kept {
        let Some((name, properties)) = event.kilo() else {
            continue;
        };
        let part = &properties["part"];
        if name == "message.part.updated" && part["messageID"] == assistant_message {
            last_event = last_event.max((event.at, event.id));
            let text = part["text"].as_str().filter(|_| part["type"] == "text");
            match (part["id"].as_str(), text) {
                (Some(id), Some(text)) => parts.insert(id, text),
                (id, _) => parts.remove(id.unwrap_or_default()),
            };
        } else if name == "message.part.removed" && properties["messageID"] == assistant_message {
            last_event = last_event.max((event.at, event.id));
            parts.remove(properties["partID"].as_str().unwrap_or_default());
        }
    }
    let text: String = parts.into_values().collect();
    let text = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    (text, last_event)
}

/// The possible branches; `None` if the wire does not show the requested branch.
///
/// The branch is the one of the last `complete` before the batch was finalized, else the requested one. A later turn
/// belongs to another batch, unless its message has no callback: then this batch may still have been open.
fn branches(session: &SessionHistory, batch: &Batch) -> Option<Possible> {
    let mut possible = vec![json!(requested_branch(session).ok()?)];
    let targets = CallbackTargets::of(session);
    let calls_back = |message: &str| {
        let mut queued = session.kept.iter().filter(|event| event.is_queued());
        let queued = queued.find(|event| event.message() == Some(message));
        queued.is_none_or(|queued| targets.calls_back(queued.at) != Likely::No)
    };
    for event in &session.kept {
        let is_later_turn = event.id > batch.end.id && event.is_sent();
        if is_later_turn && event.message().is_some_and(calls_back) {
            break;
        }
        if let Some(branch) = reported(event, "currentBranch") {
            // A later report replaces earlier ones, unless the batch may have been finalized before it.
            if event.id < batch.end.id {
                possible.clear();
            }
            possible.push(branch.clone());
        }
    }
    Some(possible)
}

/// A field that a `complete` reports.
fn reported<'a>(event: &'a StreamEvent, field: &str) -> Option<&'a Value> {
    let reported = &event.data[field];
    (event.name == "complete" && !reported.is_null()).then_some(reported)
}

/// The finding about a wrong gate result. A result may be missing if the wrapper may have been lost.
fn wrong_gate_result(session: &SessionHistory, batch: &Batch, request: &CallbackRequest) -> Option<Finding> {
    let results: Vec<&Value> = session
        .kept
        .iter()
        .filter_map(|event| reported(event, "gateResult"))
        .collect();
    let found = &request.body["gateResult"];
    let finding = |text: String| Some(ORACLE.finding_about(request.at, batch.message, text));
    if !found.is_null() {
        if !results.contains(&found) {
            return finding(format!(
                "its callback has `gateResult` {found}, but no wrapper reported that"
            ));
        }
        return None;
    }
    let generations: BTreeSet<u64> = session
        .bindings
        .iter()
        .map(|binding| binding.fence.generation)
        .collect();
    let is_awaited =
        batch.end.data["status"] == "completed" && wants_gate(session, batch.message) == Likely::Yes;
    let next = session
        .kept
        .iter()
        .find(|event| event.id > batch.end.id && event.name == "complete")?;
    let expected = reported(next, "gateResult")?;
    if is_awaited && batch.is_certain && generations.len() == 1 && request.at > next.at {
        return finding(format!(
            "its callback has no `gateResult`, but the wrapper reported {expected}"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["callbacks-tell-the-outcome"];

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

    fn with_text(text: &str) -> Vec<String> {
        let mut writer = Writer::with_callback("m1");
        writer.queued("m1");
        writer.delivered("m1");
        writer.sent("m1");
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
}
