//! At the end of the run no request is left at the gateway (protocol §11): no turn continues after its message has
//! ended.
//!
//! A wrapper whose connection died silently does not receive the order to stop and continues its turn. It still regards
//! its ingest as open. That is no violation. Neither is a turn whose message has ended by an answer that a script sent in the
//! wrapper's name: the server stops nothing then, and the wrapper goes on. Nor is a turn that has time left when a play in
//! real time ends (`all_end`).

use serde_json::{Value, json};

use super::history::{History, SessionHistory, StreamEvent, kilo};
use super::{Check, Finding, Moment, Oracle, all_end};
use crate::parties::{host_of, is_wrapper};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "gateway-is-empty",
    rule: "No request is parked at the gateway, and no answer is in progress.",
    why: "A request that outlives its turn costs money, and it shows that a wrapper still works for a message \
        that has ended.",
    moment: Moment::AtEnd,
    protocol: &ids(["R5.34", "R6.25", "R6.26", "R7.13"]),
    check: Check::Run(check),
};

fn check(history: &History) -> Vec<Finding> {
    let text = match &history.waiters {
        None => "the gateway did not report its requests".to_owned(),
        Some(waiters) if waiters["tags"] == json!([]) && waiters["liveResponses"] == 0 => return Vec::new(),
        Some(_) if has_unreachable_wrapper(history) || history.sessions().iter().any(may_go_on) => {
            return Vec::new();
        }
        Some(waiters) => format!("the gateway still has {waiters}"),
    };
    vec![ORACLE.finding(&ids(["R6.25", "R7.13"]), history.end, None, text)]
}

/// Whether the connection of a wrapper may have died without a close that the wrapper received.
fn has_unreachable_wrapper(history: &History) -> bool {
    let mut ingests = history.ingests.iter();
    ingests.any(|ingest| {
        let broken_until = history.faults.broken_until(host_of(&ingest.party));
        ingest.closed_at.is_none() && ingest.opened_at <= broken_until
    })
}

/// Whether a turn may go on: it has time left, or its message has ended by an answer that no wrapper sent.
fn may_go_on(session: &SessionHistory) -> bool {
    has_forged_end(session) || all_end::has_turn_with_time_left(session)
}

/// Whether a message has ended by an answer that no wrapper sent.
fn has_forged_end(session: &SessionHistory) -> bool {
    let forged = session
        .wrapper_frames()
        .filter(|(ingest, _)| !is_wrapper(&ingest.party));
    let mut answers = forged.filter_map(|(_, frame)| match kilo(&frame.name, &frame.data)? {
        ("message.updated", properties) => Some(&properties["info"]),
        _ => None,
    });
    answers.any(|answer| session.ends.iter().any(|end| is_end_by(end, answer)))
}

/// Whether a message may have ended by an answer. The end of a message whose answer has an error does not name the answer
/// (R9.35).
fn is_end_by(end: &StreamEvent, answer: &Value) -> bool {
    let is_by_answer = end.data["completionSource"] == "assistant_message_event";
    let names_it = |id: &Value| *id == answer["id"];
    let is_of_message = end.message().is_some_and(|message| answer["parentID"] == message);
    let is_failure = end.name == "cloud.message.failed" && !answer["error"].is_null();
    end.data.get("assistantMessageId").is_some_and(names_it) || is_by_answer && is_of_message && is_failure
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    #[test]
    fn a_turn_may_go_on_whose_message_ended_by_a_forged_answer() {
        for (ended_by, is_found) in [("forged", false), ("other", true)] {
            let mut writer = Writer::at_work();
            writer.impostor_answers(1, "m1", "forged");
            writer.completed_with("m1", json!({"assistantMessageId": ended_by}));
            writer.waiters(json!({"tags": [{"tag": "t", "count": 1}], "liveResponses": 1}));
            let judged = writer.judged();
            assert_eq!(
                judged.contains(&"gateway-is-empty".to_owned()),
                is_found,
                "{ended_by}"
            );
        }
    }

    #[test]
    fn a_turn_may_go_on_whose_message_failed_by_a_forged_answer() {
        for (source, is_found) in [("assistant_message_event", false), ("wrapper_failure", true)] {
            let mut writer = Writer::at_work();
            writer.impostor_fails(1, "m1", "forged");
            writer.failed("m1", json!({"completionSource": source, "error": "no"}));
            writer.waiters(json!({"tags": [{"tag": "t", "count": 1}], "liveResponses": 1}));
            let judged = writer.judged();
            assert_eq!(
                judged.contains(&"gateway-is-empty".to_owned()),
                is_found,
                "{source}"
            );
        }
    }

    #[test]
    fn a_request_left_at_the_gateway_and_a_missing_report_are_found() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        for waiters in [
            json!({"tags": [], "liveResponses": 1}),
            json!({"tags": [{"tag": "t", "count": 1}], "liveResponses": 0}),
            json!(null),
        ] {
            writer.waiters(waiters);
            assert_eq!(writer.clone().judged(), ["gateway-is-empty"]);
        }
    }
}
