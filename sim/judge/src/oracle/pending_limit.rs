//! No more than ten messages of a session are pending (protocol §3), and none is refused for want of room
//! while there is some.
//!
//! A request that got no answer may or may not have been taken in: the log says which.

use std::collections::BTreeSet;
use std::time::Duration;

use super::history::SessionHistory;
use super::{Broken, Check, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "ten-pending-at-most",
    rule: "At most ten messages are pending, and one is refused for want of room only if ten are.",
    check: Check::Sessions(check),
};

/// What a refusal for want of room has in its text (protocol §3).
const QUEUE_FULL: &str = "PENDING_QUEUE_FULL";

fn check(session: &SessionHistory) -> Vec<Broken> {
    let Some(log) = &session.log else {
        return Vec::new();
    };
    let limit = session.run.context.profile.pending_limit;
    let mut broken = Vec::new();
    let mut pending = BTreeSet::new();
    // How many were pending from when on.
    let mut counts: Vec<(Duration, usize)> = vec![(Duration::ZERO, 0)];
    for event in log {
        let Some(message) = event.message() else { continue };
        if event.is_queued() {
            pending.insert(message);
        } else {
            pending.remove(message);
        }
        counts.push((event.at, pending.len()));
        if event.is_queued() && pending.len() > limit {
            let text = format!("it was admitted as number {} that is pending", pending.len());
            broken.push(Broken::new(session.run.first_seen(event), message, text));
        }
    }
    for call in session.calls.iter().filter(|call| call.is_admission()) {
        let Some((at, 429, body)) = &call.reply else {
            continue;
        };
        if !body.to_string().contains(QUEUE_FULL) {
            continue;
        }
        let asked_at = call.at.saturating_sub(session.run.time_error());
        let before = counts.partition_point(|(from, _)| *from < asked_at);
        let until = counts.partition_point(|(from, _)| from <= at);
        let most = counts[before.saturating_sub(1)..until]
            .iter()
            .map(|(_, count)| *count)
            .max();
        if let Some(most) = most.filter(|most| *most < limit) {
            let text = format!("it was refused for want of room while at most {most} were pending");
            broken.push(Broken::of(*at, call.asked_message(), text));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    fn queued(count: usize) -> Writer {
        let mut writer = Writer::started("m0");
        for number in 0..count {
            writer.queued(&format!("m{number}"));
        }
        writer
    }

    fn interrupted(mut writer: Writer, count: usize) -> Vec<String> {
        for number in 0..count {
            writer.failed_in_queue(&format!("m{number}"));
        }
        writer.judged()
    }

    fn refuse(writer: &mut Writer) {
        let body = json!({"error": {"message": "PENDING_QUEUE_FULL: no room"}});
        writer.answered("send", json!({"message": {"id": "late"}}), 429, body);
    }

    #[test]
    fn the_eleventh_pending_message_is_noticed() {
        assert_eq!(interrupted(queued(10), 10), [""; 0]);
        assert_eq!(interrupted(queued(11), 11), ["ten-pending-at-most"]);
    }

    #[test]
    fn a_refusal_for_want_of_room_is_right_only_if_there_is_none() {
        let mut full = queued(10);
        refuse(&mut full);
        assert_eq!(interrupted(full, 10), [""; 0]);

        let mut roomy = queued(9);
        refuse(&mut roomy);
        assert_eq!(interrupted(roomy, 9), ["ten-pending-at-most"]);
    }
}
