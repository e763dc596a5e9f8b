//! Messages are delivered in the order of their admission (protocol §4): the head blocks the queue.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::history::{SessionHistory, StreamEvent};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "first-in-first-out",
    rule: "A message reaches the wrapper only when every message that was queued earlier was sent or has ended.",
    why: "A turn builds on the turns before it. A message that overtakes another one runs against a workspace \
        that its author did not expect.",
    moment: Moment::Always,
    protocol: &ids(["R4.1", "R4.2", "R4.4"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let mut queue: Vec<(&str, &StreamEvent)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    // Time at which the server reports that a message was sent or has ended.
    let mut gone_at: BTreeMap<&str, Duration> = BTreeMap::new();
    for event in &session.kept {
        let Some(message) = event.message() else { continue };
        if event.is_queued() {
            places.entry(message).or_insert_with(|| {
                queue.push((message, event));
                queue.len() - 1
            });
        } else {
            gone_at.entry(message).or_insert(event.at);
        }
    }
    let mut waiting: BTreeSet<usize> = (0..queue.len()).collect();
    let mut findings = Vec::new();
    for delivery in &session.deliveries {
        let Some(place) = places.get(delivery.message.as_str()).copied() else {
            continue;
        };
        let queued = queue[place].1;
        let is_gone = |earlier: &usize| {
            gone_at
                .get(queue[*earlier].0)
                .is_some_and(|at| *at <= delivery.at)
        };
        let gone: Vec<usize> = waiting.range(..place).copied().filter(is_gone).collect();
        for earlier in gone {
            waiting.remove(&earlier);
        }
        let overtaken = waiting
            .range(..place)
            .map(|earlier| queue[*earlier])
            .find(|earlier| precedes(*earlier, (&delivery.message, queued)));
        if let Some((overtaken, _)) = overtaken {
            findings.push(ORACLE.finding_about(
                &ids(["R4.4"]),
                delivery.at,
                &delivery.message,
                format!(
                    "it reached the wrapper while {overtaken}, which was queued before it, was still queued"
                ),
            ));
        }
        if delivery.is_accepted() {
            waiting.remove(&place);
        }
    }
    findings
}

/// Whether one message certainly precedes another in the queue. For two messages that were admitted within one
/// millisecond the log shows neither which time is earlier nor whether their ids decide.
fn precedes((one, queued): (&str, &StreamEvent), (other, queued_later): (&str, &StreamEvent)) -> bool {
    queued.at < queued_later.at || one < other
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    fn two_queued() -> Writer {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.acked("send", "m2", json!({}));
        writer.queued("m2");
        writer
    }

    #[test]
    fn a_message_that_overtakes_is_found() {
        let mut writer = two_queued();
        writer.delivered("m2");
        writer.delivered("m1");
        for message in ["m1", "m2"] {
            writer.sent(message);
            writer.completed(message);
        }
        assert_eq!(writer.judged(), ["first-in-first-out"]);
    }

    #[test]
    fn a_message_that_follows_one_that_has_ended_does_not_overtake() {
        let mut writer = two_queued();
        writer.failed_in_queue("m1");
        writer.delivered("m2");
        writer.sent("m2");
        writer.completed("m2");
        assert_eq!(writer.judged(), [""; 0]);
    }

    #[test]
    fn each_session_has_its_own_queue() {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.in_session("other");
        writer.starts("m2");
        writer.turn("m2");
        writer.in_session("s");
        writer.delivered("m1");
        writer.sent("m1");
        writer.completed("m1");
        assert_eq!(writer.judged(), [""; 0]);
    }
}
