//! A client that was cut off and came back shows the badges of one that never was (protocol §9).

use super::history::{SessionHistory, StreamEvent};
use super::replay::is_connected;
use super::{Broken, Check, Oracle};
use crate::client_view::{Badge, DeliveryBadges};

pub(super) const ORACLE: Oracle = Oracle {
    name: "clients-show-the-same-badges",
    rule: "When the run is over, every client shows the badges of one that followed from the beginning.",
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Broken> {
    let Some(log) = session.log.as_ref().filter(|_| !session.is_removed) else {
        return Vec::new();
    };
    let expected = badges(log.iter().copied());
    let mut broken = Vec::new();
    for stream in &session.streams {
        let shown = || session.run.shown(stream).map(|seen| &seen.event);
        let is_comparable = !stream.is_filtered && session.is_alive(stream) && shown().any(is_connected);
        if !is_comparable {
            continue;
        }
        for (message, shown, expected) in badges(shown()).differences(&expected) {
            let text = format!(
                "{} shows {} beside it, and a client that was never cut off shows {}",
                stream.party,
                words(shown),
                words(expected)
            );
            broken.push(Broken::new(session.run.end, message, text));
        }
    }
    broken
}

fn badges<'a>(events: impl Iterator<Item = &'a StreamEvent>) -> DeliveryBadges {
    let mut badges = DeliveryBadges::default();
    for event in events {
        badges.take_event(&event.name, &event.data);
    }
    badges
}

fn words(badge: Option<Badge>) -> String {
    badge.map_or("nothing".to_owned(), |badge| format!("{:?}", badge.label()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    /// A client comes back after a message could not be delivered.
    fn late_client(is_told: bool) -> Vec<String> {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.failed_in_queue("m1");
        writer.client_replays("late", 0, 0..2);
        if is_told {
            writer.client_is_told("late", "cloud.message.queued", json!({"messageId": "m1"}));
            let failed = json!({"messageId": "m1", "delivery": "queued", "accepted": false});
            writer.client_is_told("late", "cloud.message.failed", failed);
        }
        writer.judged()
    }

    #[test]
    fn a_client_that_came_back_and_is_not_told_what_failed_is_noticed() {
        assert_eq!(late_client(true), [""; 0]);
        assert_eq!(late_client(false), ["clients-show-the-same-badges"]);
    }

    #[test]
    fn a_client_that_is_told_of_a_queue_that_is_empty_is_noticed() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer.client_replays("late", 0, 0..4);
        writer.client_is_told("late", "cloud.message.queued", json!({"messageId": "m1"}));
        assert_eq!(writer.judged(), ["clients-show-the-same-badges"]);
    }
}
