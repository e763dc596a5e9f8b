//! At most ten messages of a session are pending (protocol §3), and a message is refused for lack of room only then.
//!
//! A request without an answer may have been admitted; the log shows whether it was.

use std::collections::BTreeSet;
use std::time::Duration;

use super::history::{SessionHistory, StreamEvent};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "ten-pending-at-most",
    rule: "At most ten messages are pending, and a message is refused for lack of room only if ten are.",
    why: "The limit bounds what a session stores. A limit that is off by one either loses an admissible \
        message or does not bound the queue.",
    moment: Moment::Always,
    protocol: &ids(["R2.16", "R3.11", "R3.12"]),
    check: Check::Sessions(check),
};

/// The code of a refusal for lack of room (protocol §2). Its text is free.
const QUEUE_FULL: &str = "TOO_MANY_REQUESTS";

fn check(session: &SessionHistory) -> Vec<Finding> {
    let Some(log) = &session.log else {
        return Vec::new();
    };
    let limit = session.run.context.profile.pending_limit;
    let mut findings = Vec::new();
    let mut pending = BTreeSet::new();
    // Number of pending messages, from each time on.
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
            let text = format!("it was admitted as pending message number {}", pending.len());
            findings.push(ORACLE.finding_about(
                &ids(["R3.11"]),
                session.run.first_seen(event),
                message,
                text,
            ));
        }
    }
    for call in session.calls.iter().filter(|call| call.is_admission()) {
        let Some((at, 429, body)) = &call.reply else {
            continue;
        };
        if body["error"]["data"]["code"] != QUEUE_FULL {
            continue;
        }
        let asked_at = call.at.saturating_sub(session.run.time_error());
        let is_known = |event: &&&StreamEvent| {
            event.is_queued() && event.message() == call.requested_message() && event.at < asked_at
        };
        if log.iter().any(|event| is_known(&event)) {
            let text = "it was refused for lack of room, although it had been admitted before";
            findings.push(ORACLE.finding(&ids(["R3.12"]), *at, call.requested_message(), text));
            continue;
        }
        let before = counts.partition_point(|(from, _)| *from < asked_at);
        let until = counts.partition_point(|(from, _)| from <= at);
        let most = counts[before.saturating_sub(1)..until]
            .iter()
            .map(|(_, count)| *count)
            .max();
        if let Some(most) = most.filter(|most| *most < limit) {
            let text = format!("it was refused for lack of room while at most {most} messages were pending");
            findings.push(ORACLE.finding(&ids(["R3.11"]), *at, call.requested_message(), text));
        }
    }
    findings
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
        let body = json!({"error": {"message": "no room", "data": {"code": "TOO_MANY_REQUESTS"}}});
        writer.answered("send", json!({"message": {"id": "late"}}), 429, body);
    }

    #[test]
    fn the_eleventh_pending_message_is_found() {
        assert_eq!(interrupted(queued(10), 10), [""; 0]);
        assert_eq!(interrupted(queued(11), 11), ["ten-pending-at-most"]);
    }

    #[test]
    fn a_refusal_of_a_message_that_was_admitted_before_is_found() {
        let mut writer = queued(10);
        let body = json!({"error": {"data": {"code": "TOO_MANY_REQUESTS"}}});
        writer.answered("send", json!({"message": {"id": "m3"}}), 429, body);
        assert_eq!(interrupted(writer, 10), ["ten-pending-at-most"]);
    }

    #[test]
    fn a_refusal_for_lack_of_room_is_found_unless_ten_are_pending() {
        let mut full = queued(10);
        refuse(&mut full);
        assert_eq!(interrupted(full, 10), [""; 0]);

        let mut roomy = queued(9);
        refuse(&mut roomy);
        assert_eq!(interrupted(roomy, 9), ["ten-pending-at-most"]);
    }
}
