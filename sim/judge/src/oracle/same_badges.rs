//! A client that reconnects after a cut shows the badges of a client that stayed connected (protocol §9).

use super::history::{SessionHistory, StreamEvent};
use super::replay::is_connected;
use super::{Check, Finding, Moment, Oracle};
use crate::client_view::{Badge, DeliveryBadges};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "clients-show-the-same-badges",
    rule: "Every client shows the delivery badges of a client that was connected from the beginning.",
    why: "Queued and failed messages are not replayed as such, so a client that reconnects depends on the \
        snapshot to show the present state.",
    moment: Moment::AtEnd,
    protocol: &ids(["R9.21", "R9.52", "R9.53", "R9.54", "R9.55", "R9.57"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let Some(log) = session.log.as_ref().filter(|_| !session.is_removed) else {
        return Vec::new();
    };
    let expected = badges(log.iter().copied());
    let mut findings = Vec::new();
    for stream in &session.streams {
        let shown = || session.run.shown(stream).map(|seen| &seen.event);
        let is_comparable = !stream.is_filtered && session.is_alive(stream) && shown().any(is_connected);
        if !is_comparable {
            continue;
        }
        for (message, shown, expected) in badges(shown()).differences(&expected) {
            let text = format!(
                "{} shows {} beside it, but a client that stayed connected shows {}",
                stream.party,
                quoted(shown),
                quoted(expected)
            );
            findings.push(ORACLE.finding_about(session.run.end, message, text));
        }
    }
    findings
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
        assert_eq!(late_client(false), ["clients-show-the-same-badges"]);
    }

    #[test]
    fn a_snapshot_with_a_message_that_has_ended_is_found() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer.client_replays("late", 0, 0..4);
        writer.client_receives_unkept("late", "cloud.message.queued", json!({"messageId": "m1"}));
        assert_eq!(writer.judged(), ["clients-show-the-same-badges"]);
    }
}
