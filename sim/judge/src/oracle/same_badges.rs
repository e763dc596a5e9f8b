//! A client that reconnects after a cut shows the badges of a client that stayed connected (protocol §9).

use std::collections::BTreeSet;

use super::history::{SessionHistory, StreamEvent};
use super::replay::is_connected;
use super::{Check, Finding, Moment, Oracle};
use crate::client_view::{Badge, DeliveryBadges};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "clients-show-the-same-badges",
    rule: "Every client shows the delivery badges of a client that was connected from the beginning, except for \
        superseded messages.",
    why: "Queued and failed messages are not replayed as such, so a client that reconnects depends on the \
        snapshot to show the present state.",
    moment: Moment::AtEnd,
    protocol: &ids(["R9.21", "R9.52", "R9.53", "R9.54", "R9.55", "R9.57", "R9.69"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let Some(log) = session.log.as_ref().filter(|_| !session.is_removed) else {
        return Vec::new();
    };
    let expected = badges(log.iter().copied());
    let superseded = superseded(log);
    let mut findings = Vec::new();
    for stream in &session.streams {
        let shown = || session.run.shown(stream).map(|seen| &seen.event);
        let is_comparable = !stream.is_filtered && session.is_alive(stream) && shown().any(is_connected);
        if !is_comparable {
            continue;
        }
        let shown = badges(shown());
        let differences = shown.differences(&expected);
        for (message, shown, expected) in differences.filter(|(message, ..)| !superseded.contains(message)) {
            let text = format!(
                "{} shows {} beside it, but a client that stayed connected shows {}",
                stream.party,
                quoted(shown),
                quoted(expected)
            );
            findings.push(ORACLE.finding_about(&ids(["R9.57"]), session.run.end, message, text));
        }
    }
    findings
}

/// The messages that ended before they were accepted, although one that was queued later was accepted. A client that
/// stayed connected may still show them as failed, and the snapshot leaves them out.
fn superseded<'a>(log: &[&'a StreamEvent]) -> BTreeSet<&'a str> {
    let is_acceptance = |event: &&StreamEvent| event.is_sent() || event.name == "cloud.message.completed";
    let accepted: BTreeSet<&str> = log
        .iter()
        .copied()
        .filter(is_acceptance)
        .filter_map(StreamEvent::message)
        .collect();
    let queued: Vec<&StreamEvent> = log.iter().copied().filter(|event| event.is_queued()).collect();
    let is_accepted =
        |event: &&StreamEvent| event.message().is_some_and(|message| accepted.contains(message));
    let last_place = queued.iter().rposition(is_accepted);
    let last_time = queued
        .iter()
        .filter(|event| is_accepted(event))
        .map(|event| event.at)
        .max();
    let all = queued.iter().enumerate().filter(|(_, event)| !is_accepted(event));
    // The order of two messages of one millisecond is open: their ids may decide.
    let superseded = all.filter(|(place, event)| Some(*place) < last_place || Some(event.at) <= last_time);
    superseded.filter_map(|(_, event)| event.message()).collect()
}

fn badges<'a>(events: impl Iterator<Item = &'a StreamEvent>) -> DeliveryBadges {
    let mut badges = DeliveryBadges::default();
    for event in events {
        badges.take_event(&event.name, &event.data);
    }
    badges
}

fn quoted(badge: Option<Badge>) -> String {
    badge.map_or("nothing".to_owned(), |badge| format!("{:?}", badge.label()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    /// A client reconnects after a message could not be delivered.
    fn late_client(has_snapshot: bool) -> Vec<String> {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.failed_in_queue("m1");
        writer.client_replays("late", 0, 0..2);
        if has_snapshot {
            writer.client_receives_unkept("late", "cloud.message.queued", json!({"messageId": "m1"}));
            let failed = json!({"messageId": "m1", "delivery": "queued", "accepted": false});
            writer.client_receives_unkept("late", "cloud.message.failed", failed);
        }
        writer.judged()
    }

    #[test]
    fn a_snapshot_without_a_failed_message_is_found() {
        assert_eq!(late_client(true), [""; 0]);
        let found = late_client(false);
        assert!(
            found.contains(&"clients-show-the-same-badges".to_owned()),
            "{found:?}"
        );
    }

    #[test]
    fn a_snapshot_may_leave_out_a_superseded_message() {
        for (has_later, rules) in [(true, &[][..]), (false, &["clients-show-the-same-badges"])] {
            let mut writer = Writer::started("m1");
            writer.queued("m1");
            writer.failed_in_queue("m1");
            if has_later {
                writer.acked("send", "m2", json!({}));
                writer.turn("m2");
            }
            writer.client_replays("late", 0, 0..2);
            let found = writer.judged();
            let found: Vec<&String> = found.iter().filter(|rule| rule.starts_with("clients")).collect();
            assert_eq!(found, rules, "{has_later}");
        }
    }

    /// Their ids may decide their order in the queue.
    #[test]
    fn a_failed_message_may_be_superseded_by_one_of_the_same_millisecond() {
        for (between, is_found) in [(0, false), (1, true)] {
            let mut writer = Writer::started("m2");
            writer.acked("send", "m1", json!({}));
            writer.is_at_the_moment(|writer| writer.queued("m2"));
            writer.wait_ms(between);
            writer.is_at_the_moment(|writer| writer.queued("m1"));
            writer.failed_in_queue("m1");
            writer.delivered("m2");
            writer.sent("m2");
            writer.completed("m2");
            writer.client_replays("late", 0, 0..5);
            let found = writer.judged();
            let is_accused = found.contains(&"clients-show-the-same-badges".to_owned());
            assert_eq!(is_accused, is_found, "{between}: {found:?}");
        }
    }

    #[test]
    fn a_snapshot_with_a_message_that_has_ended_is_found() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer.client_replays("late", 0, 0..4);
        writer.client_receives_unkept("late", "cloud.message.queued", json!({"messageId": "m1"}));
        let found = writer.judged();
        assert!(
            found.contains(&"clients-show-the-same-badges".to_owned()),
            "{found:?}"
        );
    }
}
