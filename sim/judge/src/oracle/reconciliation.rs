//! Idle reconciliation ends a message only by a later idle (protocol §7): the root was idle after the message was
//! accepted, or after its wrapper reported it, and the whole delay has passed since.
//!
//! An end at the time of a `complete` is settled by that.

use super::history::{SessionHistory, StreamEvent};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "reconciled-by-its-own-idle",
    rule: "Idle reconciliation ends a message only if the root was idle after the message was accepted or reported, \
        the whole delay has passed since, and the root was not busy again.",
    why: "An idle that belongs to an earlier turn, or one that was just reported, is no evidence. It would fail a \
        message whose answer is still being written.",
    moment: Moment::Always,
    protocol: &ids(["R6.8", "R6.40", "R7.5", "R7.15", "R7.25"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.log.is_none() {
        return Vec::new();
    }
    let reconciled = session
        .ends
        .iter()
        .filter(|end| end.data["completionSource"] == "idle_reconciliation");
    let findings = reconciled.filter_map(|end| {
        let message = end.message()?;
        let text = violation(session, end, message)?;
        Some(ORACLE.finding_about(
            &ids(["R7.5", "R7.25"]),
            session.run.first_seen(end),
            message,
            text,
        ))
    });
    findings.collect()
}

fn violation(session: &SessionHistory, end: &StreamEvent, message: &str) -> Option<String> {
    let mut completes = session.kept.iter().filter(|event| event.name == "complete");
    if completes.any(|complete| complete.at.abs_diff(end.at) <= session.run.time_error()) {
        return None;
    }
    // The next acceptance cancels what was armed before it. A message of an imported execution was never accepted here.
    let sent = || session.sent.iter().filter(|sent| sent.id < end.id);
    sent().find(|sent| sent.message() == Some(message))?;
    let last_sent = sent().next_back()?;
    let delay = session.run.context.profile.idle_reconciliation_delay;
    let latest = (end.at + session.run.time_error()).saturating_sub(delay);
    let is_own = |idle: &&StreamEvent| {
        idle.id > last_sent.id
            || last_sent
                .message()
                .is_some_and(|last| session.may_have_been_taken_before(last, idle))
    };
    let mut idles = session.root_idles.iter().copied();
    let own = idles.rfind(|idle| idle.id < end.id && idle.at <= latest && is_own(idle));
    if let Some(idle) = own {
        return busy_since(session, idle, end);
    }
    // A clock that was set forward ends the delay with the restart.
    let faults = &session.run.faults;
    let mut idles = session.root_idles.iter().copied();
    let passed = idles.rfind(|idle| idle.id < end.id && is_own(idle));
    if passed.is_some_and(|idle| faults.clock().went_forward(idle.at, end.at)) {
        return None;
    }
    let last_idle = session.root_idles.iter().rfind(|idle| idle.id < end.id);
    let idle = last_idle.map_or("the root was never idle".to_owned(), |idle| {
        format!("the last idle of the root before came at {}", secs(idle.at))
    });
    Some(format!(
        "event {} ends {message} by idle reconciliation at {}, but the last message was accepted at {} and {idle}",
        end.id,
        secs(end.at),
        secs(last_sent.at)
    ))
}

/// The text of the finding about an end although the root was busy again after its last idle, if it was.
fn busy_since(session: &SessionHistory, idle: &StreamEvent, end: &StreamEvent) -> Option<String> {
    let mut later = session
        .kept
        .iter()
        .filter(|event| (idle.id..end.id).contains(&event.id));
    let busy = later.find(|event| {
        let Some(("session.status", properties)) = event.kilo() else {
            return false;
        };
        let is_root = properties["sessionID"]
            .as_str()
            .is_some_and(|id| session.roots().contains(id));
        is_root && session.roots().len() == 1 && properties["status"]["type"] == "busy"
    })?;
    Some(format!(
        "event {} ends it by idle reconciliation at {}, but the root, which was idle at {}, was busy again at {}",
        end.id,
        secs(end.at),
        secs(idle.at),
        secs(busy.at)
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_fault::ClockChange;

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["reconciled-by-its-own-idle"];

    fn reconciled(mut writer: Writer, message: &str) -> Vec<String> {
        let data = json!({"completionSource": "idle_reconciliation", "reason": "missing_assistant_reply"});
        writer.failed(message, data);
        writer.judged()
    }

    #[test]
    fn an_end_before_the_delay_or_without_an_idle_is_found() {
        assert_eq!(reconciled(Writer::at_work(), "m1"), FOUND);
        for (seconds, rules) in [(10, &FOUND[..]), (14, &NOTHING)] {
            let mut writer = Writer::at_work();
            writer.idle();
            writer.wait(seconds);
            assert_eq!(reconciled(writer, "m1"), rules, "{seconds}");
        }
        let mut child = Writer::at_work();
        child.kilo("session.idle", json!({"sessionID": "child"}));
        child.wait(14);
        assert_eq!(reconciled(child, "m1"), FOUND);
    }

    #[test]
    fn an_idle_before_the_last_acceptance_counts_only_if_the_message_was_reported_before() {
        for (is_reported, rules) in [(false, &FOUND[..]), (true, &NOTHING)] {
            let mut writer = Writer::at_work();
            writer.acked("send", "m2", json!({}));
            writer.queued("m2");
            writer.delivered_to("m2", 1);
            if is_reported {
                writer.assistant("m2", "a2", json!({}));
            }
            writer.idle();
            writer.sent("m2");
            writer.wait(12);
            writer.completed("m1");
            assert_eq!(reconciled(writer, "m2"), rules, "{is_reported}");
        }
    }

    #[test]
    fn an_idle_during_the_last_of_several_deliveries_counts() {
        for (redelivered_after_idle, rules) in [(false, &NOTHING[..]), (true, &FOUND)] {
            let mut writer = Writer::at_work();
            writer.acked("send", "m2", json!({}));
            writer.queued("m2");
            writer.refused("m2", 500);
            let deliver = |writer: &mut Writer| writer.delivered_to("m2", 1);
            if !redelivered_after_idle {
                deliver(&mut writer);
            }
            writer.assistant("m2", "a2", json!({}));
            writer.idle();
            if redelivered_after_idle {
                deliver(&mut writer);
            }
            writer.sent("m2");
            writer.wait(12);
            writer.completed("m1");
            let mut found = reconciled(writer, "m2");
            found.retain(|rule| rule == FOUND[0]);
            assert_eq!(found, rules, "{redelivered_after_idle}");
        }
    }

    #[test]
    fn a_clock_that_was_set_forward_ends_the_delay() {
        let hour = "1h".parse().unwrap();
        for (set, rules) in [
            (ClockChange::Forward(hour), &NOTHING[..]),
            (ClockChange::Back(hour), &FOUND),
        ] {
            let mut writer = Writer::at_work();
            writer.idle();
            writer.clock_is_set(set);
            writer.wait(4);
            assert_eq!(reconciled(writer, "m1"), rules, "{set}");
        }
    }

    #[test]
    fn an_end_although_the_root_was_busy_again_is_found() {
        for (session, rules) in [("root", &FOUND[..]), ("child", &NOTHING)] {
            let mut writer = Writer::at_work();
            writer.bound_with(1, json!({"kiloSessionId": "root"}));
            writer.idle();
            writer.kilo(
                "session.status",
                json!({"sessionID": session, "status": {"type": "busy"}}),
            );
            writer.wait(20);
            let mut found = reconciled(writer, "m1");
            found.retain(|rule| rule == FOUND[0]);
            assert_eq!(found, rules, "{session}");
        }
    }

    #[test]
    fn an_end_with_complete_needs_no_idle() {
        let mut writer = Writer::at_work();
        let mut found = Vec::new();
        writer.at_once(|writer| {
            writer.event("complete", json!({"exitCode": 0}));
            found = reconciled(writer.clone(), "m1");
        });
        assert_eq!(found, NOTHING);
    }
}
