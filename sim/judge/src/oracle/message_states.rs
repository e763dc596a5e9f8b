//! A message goes through its states in order (protocol §5, §6, §9): it is queued once, sent at most once, and its end
//! states whether it was sent.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::history::{SessionHistory, StreamEvent, kilo};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "states-go-forward",
    rule: "A message is queued once, sent at most once and only if a wrapper accepted it, and its end is \
        consistent with that.",
    why: "Every view derives the state of a message from these events in this order. An event out of order \
        makes views disagree, and a message that is queued twice runs twice.",
    moment: Moment::Always,
    protocol: &ids([
        "R3.7", "R3.13", "R4.22", "R5.4", "R5.5", "R6.15", "R9.34", "R9.35", "R10.43", "R10.44",
    ]),
    check: Check::Sessions(check),
};

#[derive(Default)]
struct State {
    is_sent: bool,
    has_ended: bool,
}

fn check(session: &SessionHistory) -> Vec<Finding> {
    let Some(log) = &session.log else {
        return Vec::new();
    };
    let reached_at = first_reached_wrapper(session);
    let mut states: BTreeMap<&str, State> = BTreeMap::new();
    let mut findings = Vec::new();
    for event in log {
        let Some(message) = event.message() else { continue };
        let wrong = match states.get_mut(message) {
            None if event.is_queued() => {
                states.insert(message, State::default());
                None
            }
            None if may_be_of_execution(session, event, message) => None,
            None => {
                let text = format!(
                    "event {} ({}) is about it, but it was never queued",
                    event.id, event.name
                );
                Some((RuleId::named("R3.13"), text))
            }
            // Events after the end are reported by `terminal_once`.
            Some(known) if known.has_ended => None,
            Some(_) if event.is_queued() => Some((
                RuleId::named("R3.7"),
                format!("event {} queues it again", event.id),
            )),
            Some(known) if event.is_sent() => {
                let was_sent = std::mem::replace(&mut known.is_sent, true);
                let reached_at = reached_at.get(message);
                if was_sent {
                    let text = format!("event {} reports again that it was sent", event.id);
                    Some((RuleId::named("R5.5"), text))
                } else if reached_at.is_none_or(|at| *at > event.at + session.run.time_error()) {
                    let text = format!(
                        "event {} reports that it was sent, but it had reached no wrapper",
                        event.id
                    );
                    Some((RuleId::named("R5.4"), text))
                } else {
                    None
                }
            }
            Some(known) if event.is_end() => {
                known.has_ended = true;
                contradiction(event, known.is_sent)
            }
            Some(_) => None,
        };
        findings.extend(wrong.map(|(violated, text)| {
            ORACLE.finding_about(&[violated], session.run.first_seen(event), message, text)
        }));
    }
    findings
}

/// Whether an event may be the end of a message that an imported execution belongs to: an older service admitted it,
/// so no event queued it (protocol §10).
fn may_be_of_execution(session: &SessionHistory, event: &StreamEvent, message: &str) -> bool {
    let source = event.data["completionSource"].as_str();
    let is_made_here = session.calls.iter().any(|call| call.is_creation());
    let was_requested = session
        .calls
        .iter()
        .any(|call| call.requested_message() == Some(message) && !call.is_refused());
    event.is_end()
        && event.data["accepted"] == true
        && event.data["delivery"] == "sent"
        && matches!(
            source,
            Some("idle_reconciliation" | "interrupt" | "wrapper_failure")
        )
        && !is_made_here
        && !was_requested
}

/// The time at which each message first reached a wrapper, by its delivery or by the wrapper's answer to it.
fn first_reached_wrapper<'a>(session: &SessionHistory<'a>) -> BTreeMap<&'a str, Duration> {
    let delivered = session.deliveries.iter();
    let delivered = delivered.map(|delivery| (delivery.message.as_str(), delivery.at));
    let answered = session.wrapper_frames().filter_map(|(_, frame)| {
        let (_, properties) = kilo(&frame.name, &frame.data)?;
        Some((properties["info"]["parentID"].as_str()?, frame.at))
    });
    let mut first: BTreeMap<&str, Duration> = BTreeMap::new();
    for (message, at) in delivered.chain(answered) {
        let known = first.entry(message).or_insert(at);
        *known = at.min(*known);
    }
    first
}

/// How an end contradicts the delivery of its message, if it does.
fn contradiction(end: &StreamEvent, is_sent: bool) -> Option<(RuleId, String)> {
    let accepted = end.data["accepted"] == true;
    let (id, delivery) = (end.id, &end.data["delivery"]);
    let source = end.data["completionSource"].as_str();
    if is_sent && !accepted {
        let text = format!("event {id} ends it as never accepted, but it was sent");
        Some((RuleId::named("R9.35"), text))
    } else if end.data["status"] == "completed" && !accepted {
        let text = format!("event {id} completes it, but reports that it was never accepted");
        Some((RuleId::named("R9.34"), text))
    } else if !accepted && !matches!(source, Some("delivery_failure" | "interrupt")) {
        let text = format!(
            "event {id} ends it as never accepted, but only an exhausted delivery or an interrupt ends such a message"
        );
        Some((RuleId::named("R6.15"), text))
    } else if *delivery != json!(if accepted { "sent" } else { "queued" }) {
        let text = format!("event {id} ends it with delivery {delivery} and accepted {accepted}");
        Some((RuleId::named("R9.35"), text))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;
    use crate::parties::OBSERVER;

    #[test]
    fn an_event_out_of_order_is_found() {
        let wrongs: [fn(&mut Writer); 4] = [
            |writer| writer.queued("m1"),
            |writer| {
                writer.sent("m1");
                writer.sent("m1");
            },
            |writer| writer.sent("never-queued"),
            |writer| {
                writer.queued("undelivered");
                writer.sent("undelivered");
                writer.completed("undelivered");
            },
        ];
        for wrong in wrongs {
            let mut writer = Writer::started("m1");
            writer.queued("m1");
            writer.delivered("m1");
            wrong(&mut writer);
            writer.completed("m1");
            writer.idle();
            assert_eq!(writer.judged(), ["states-go-forward"]);
        }
    }

    #[test]
    fn an_end_that_contradicts_the_delivery_is_found() {
        for (wrong, is_sent) in [
            (
                json!({"status": "completed", "accepted": false, "delivery": "queued"}),
                false,
            ),
            (
                json!({"status": "failed", "accepted": true, "delivery": "queued"}),
                true,
            ),
            (
                json!({"status": "failed", "accepted": false, "delivery": "queued"}),
                true,
            ),
        ] {
            let mut writer = Writer::started("m1");
            writer.queued("m1");
            writer.delivered("m1");
            if is_sent {
                writer.sent("m1");
            }
            let name = if wrong["status"] == "failed" {
                "failed"
            } else {
                "completed"
            };
            writer.message_event(name, "m1", wrong);
            let found = writer.judged();
            assert!(found.iter().any(|rule| rule == "states-go-forward"), "{found:?}");
        }
    }

    #[test]
    fn a_message_that_is_ended_in_the_queue_by_something_else_is_found() {
        for (source, rules) in [
            ("delivery_failure", &[][..]),
            ("wrapper_failure", &["states-go-forward"]),
            ("idle_reconciliation", &["states-go-forward"]),
        ] {
            let mut writer = Writer::started("m1");
            writer.queued("m1");
            let data = json!({"status": "failed", "completionSource": source, "reason": "wrapper_disconnected",
                "accepted": false, "delivery": "queued"});
            writer.message_event("failed", "m1", data);
            assert_eq!(writer.judged(), rules, "{source}");
        }
    }

    #[test]
    fn only_a_message_of_an_older_service_may_end_without_having_been_queued() {
        for (accepted, rules) in [(true, &[][..]), (false, &["states-go-forward"])] {
            let mut writer = Writer::started("m1");
            writer.turn("m1");
            writer.in_session("imported");
            writer.client_opens(OBSERVER, 0);
            writer.client_is_connected(OBSERVER);
            let data = json!({"status": "completed", "completionSource": "idle_reconciliation",
                "accepted": accepted, "delivery": "sent"});
            writer.message_event("completed", "m0", data);
            assert_eq!(writer.judged(), rules, "{accepted}");
        }
        let mut made_here = Writer::started("m1");
        made_here.turn("m1");
        let data = json!({"completionSource": "idle_reconciliation"});
        made_here.completed_with("m0", data);
        assert_eq!(made_here.judged(), ["states-go-forward"]);
    }

    #[test]
    fn a_message_may_end_without_having_been_sent() {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.failed_in_queue("m1");
        assert_eq!(writer.judged(), [""; 0]);
    }
}
