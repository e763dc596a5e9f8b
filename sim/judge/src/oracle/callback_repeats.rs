//! A callback may be requested several times, but only as the same job (protocol §8): receivers recognize a repeat by
//! its key, so all requests have the same key and content. One that its receiver accepted is requested again only after a
//! crash, or if a fault may have hidden the answer.

use std::collections::BTreeMap;
use std::time::Duration;

use super::history::{CallbackRequest, History};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::parties::RECEIVER;
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "callbacks-repeat-unchanged",
    rule: "All requests of one callback have the same idempotency key and the same content, and one that was accepted \
        is not requested again without a crash or a fault.",
    why: "Delivery is at-least-once, and receivers drop repeats by their key. A repeat with another key or \
        content is processed as a second callback.",
    moment: Moment::Always,
    protocol: &ids(["R8.9", "R8.12", "R8.19", "R8.22", "R8.27"]),
    check: Check::Run(check),
};

fn check(history: &History) -> Vec<Finding> {
    let mut firsts: BTreeMap<(&str, &str), &CallbackRequest> = BTreeMap::new();
    let mut accepted: BTreeMap<(&str, &str), &CallbackRequest> = BTreeMap::new();
    let mut findings = Vec::new();
    for request in &history.callbacks {
        let body = &request.body;
        let message = body["messageId"].as_str();
        let mut report = |violated: RuleId, text: String| {
            findings.push(ORACLE.finding(&[violated], request.at, message, text));
        };
        let Some(session) = body["cloudAgentSessionId"].as_str() else {
            report(
                RuleId::named("R8.12"),
                "a callback does not name its session".to_owned(),
            );
            continue;
        };
        let Some(about) = message.or_else(|| body["executionId"].as_str()) else {
            report(
                RuleId::named("R8.12"),
                "a callback names neither a message nor an execution".to_owned(),
            );
            continue;
        };
        if let Some(message) = message.filter(|message| *message != request.key()) {
            report(
                RuleId::named("R8.12"),
                format!(
                    "its callback has the key {:?} instead of {message:?}",
                    request.key()
                ),
            );
        }
        let first = *firsts.entry((session, about)).or_insert(request);
        if let Some(accepted) = accepted.get(&(session, about))
            && is_without_cause(history, accepted, request)
        {
            let text = format!(
                "its callback came again, although it was accepted at {}",
                secs(accepted.at)
            );
            report(RuleId::named("R8.27"), text);
        }
        if request.is_delivered() {
            accepted.entry((session, about)).or_insert(request);
        }
        if first.body != *body {
            let changed = changed_fields(&first.body, body);
            report(
                RuleId::named("R8.9"),
                format!("a repeat of its callback differs from the first in {changed}"),
            );
        }
    }
    findings
}

/// Whether nothing explains that a callback came again: the queue had its job once and could read the answer. A server
/// that stopped may have submitted the job twice (R8.22), at any time since its message ended.
fn is_without_cause(history: &History, accepted: &CallbackRequest, again: &CallbackRequest) -> bool {
    let Some(answered_at) = accepted.answered_at else {
        return false;
    };
    let margin = 2 * history.max_transit();
    let is_late = answered_at + margin >= accepted.at + history.context.profile.callback_timeout;
    let faults = &history.faults;
    !is_late
        && !faults.may_have_stopped_server(Duration::ZERO, again.at)
        && !faults.queue_may_have_failed(Duration::ZERO, again.at)
        && !faults.may_have_disrupted(RECEIVER, accepted.at.saturating_sub(margin), answered_at + margin)
}

/// The names of the fields in which two bodies differ.
fn changed_fields(first: &serde_json::Value, repeat: &serde_json::Value) -> String {
    let names = |body: &serde_json::Value| -> Vec<String> {
        body.as_object()
            .into_iter()
            .flat_map(|fields| fields.keys().cloned())
            .collect()
    };
    let mut changed = names(first);
    changed.extend(names(repeat));
    changed.sort_unstable();
    changed.dedup();
    changed.retain(|name| first[name] != repeat[name]);
    changed.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::{Cause, WorldEvent};
    use turnstile_fault::{Fault, Place};

    use crate::oracle::written::Writer;
    use crate::parties::SERVER;

    #[test]
    fn a_repeat_with_another_key_or_content_is_found() {
        const NOTHING: [&str; 0] = [];
        for (repeat, rules) in [
            (json!({}), &NOTHING[..]),
            (json!({"kiloSessionId": "root"}), &["callbacks-repeat-unchanged"]),
        ] {
            let mut writer = Writer::with_callback("m1");
            writer.turn("m1");
            writer.called_back("m1", json!({}), 500);
            writer.called_back("m1", repeat, 200);
            assert_eq!(writer.judged(), rules);
        }
    }

    #[test]
    fn a_repeat_of_an_accepted_callback_needs_a_cause() {
        let crash = || WorldEvent::began(Fault::crash(SERVER), Cause::Order);
        let restart = || WorldEvent::Ended {
            place: Place::Host(SERVER.to_owned()),
        };
        for (crashes, rules) in [(true, &[][..]), (false, &["callbacks-repeat-unchanged"])] {
            let mut writer = Writer::with_callback("m1");
            writer.turn("m1");
            writer.called_back("m1", json!({}), 200);
            if crashes {
                writer.world(crash());
                writer.world(restart());
            }
            writer.called_back("m1", json!({}), 200);
            assert_eq!(writer.judged(), rules, "{crashes}");
        }
    }

    #[test]
    fn a_callback_with_another_key_than_its_message_is_found() {
        let mut writer = Writer::with_callback("m1");
        writer.turn("m1");
        writer.called_back("m1", json!({"idempotencyKey": "another"}), 200);
        let found = writer.judged();
        assert!(
            found.contains(&"callbacks-repeat-unchanged".to_owned()),
            "{found:?}"
        );
    }
}
