//! A wrapper is lost only after it was disconnected for the whole grace (protocol §7, §10): while there is a socket of
//! the current fence, or of the execution, nothing ends as `wrapper_disconnected`.
//!
//! The server sees a socket open before the wrapper does, and usually close after the wrapper. A fault that may have
//! ended a socket for the server is assumed to have ended it at once.

use std::time::Duration;

use super::history::{SessionHistory, StreamEvent};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "lost-only-after-the-grace",
    rule: "A message fails as disconnected only after its wrapper was without a socket for the whole grace.",
    why: "Connections break often and come back within seconds. Without the whole grace each short break would \
        fail a turn that is still running.",
    moment: Moment::Always,
    protocol: &ids(["R6.6", "R7.1", "R10.30"]),
    check: Check::Sessions(check),
};

/// The reason of a message's end, and the name of an execution's event, after the loss of a wrapper.
const DISCONNECTED: &str = "wrapper_disconnected";

/// The rules about the grace of a run, and of an imported execution.
const MESSAGE: [RuleId; 1] = ids(["R7.1"]);
const EXECUTION: [RuleId; 1] = ids(["R10.30"]);

fn check(session: &SessionHistory) -> Vec<Finding> {
    let findings = session.kept.iter().filter_map(|event| {
        let (violated, text) = if event.name == DISCONNECTED {
            (&EXECUTION, lost_execution(session, event)?)
        } else if event.is_end() && event.data["reason"] == DISCONNECTED {
            (&MESSAGE, lost_message(session, event)?)
        } else {
            return None;
        };
        let seen_at = session.run.first_seen(event);
        Some(ORACLE.finding(violated, seen_at, event.message(), text))
    });
    findings.collect()
}

fn lost_message(session: &SessionHistory, end: &StreamEvent) -> Option<String> {
    let message = end.message()?;
    let fence = session.run_of(message, end.at)?;
    let sockets = session.ingests().filter(|ingest| ingest.fence == *fence);
    let sockets = sockets.map(|ingest| Socket {
        host: &ingest.host,
        opened_at: ingest.opened_at,
        closed_at: ingest.closed_at,
    });
    violation(session, end, sockets)
}

fn lost_execution(session: &SessionHistory, event: &StreamEvent) -> Option<String> {
    let execution = event.execution()?;
    let sockets = session
        .imported_ingests()
        .filter(|ingest| ingest.execution == execution);
    let sockets = sockets.map(|ingest| Socket {
        host: &ingest.host,
        opened_at: ingest.opened_at,
        closed_at: ingest.closed_at,
    });
    violation(session, event, sockets)
}

/// A socket of a wrapper: its host, and the times at which the wrapper saw it open and close.
struct Socket<'a> {
    host: &'a str,
    opened_at: Duration,
    closed_at: Option<Duration>,
}

/// The text of the finding about a socket that was open less than a grace before that event, if there was one.
fn violation<'a>(
    session: &SessionHistory,
    event: &StreamEvent,
    sockets: impl Iterator<Item = Socket<'a>>,
) -> Option<String> {
    let mut sockets = sockets.filter(|socket| socket.opened_at <= event.at);
    let grace = session.run.context.profile.disconnect_grace;
    let leeway = session.run.time_error() + session.run.max_transit();
    let faults = &session.run.faults;
    let (opened_at, until) = sockets.find_map(|socket| {
        let until = faults.lasted_until(socket.host, socket.opened_at, socket.closed_at, event.at);
        let is_early = until.saturating_add(grace) > event.at + leeway;
        // A clock that was set forward ends the grace with the restart.
        let may_have_passed = faults.clock().went_forward(socket.opened_at, event.at);
        (is_early && !may_have_passed).then_some((socket.opened_at, until))
    })?;
    let state = if until > event.at {
        "was still open".to_owned()
    } else {
        format!("was open until {}", secs(until))
    };
    Some(format!(
        "event {} reports at {} that the wrapper is lost, but the socket that it opened at {} {state}",
        event.id,
        secs(event.at),
        secs(opened_at)
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{ClockChange, ConnectionEnd, Fault, Link};

    use crate::oracle::written::Writer;
    use crate::parties::{SERVER, WRAPPER};

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["lost-only-after-the-grace"];

    fn is_lost(mut writer: Writer) -> Vec<String> {
        let data = json!({"reason": "wrapper_disconnected", "completionSource": "wrapper_failure"});
        writer.failed("m1", data);
        writer.judged()
    }

    fn is_reset(writer: &mut Writer) {
        let reset = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
        writer.world(WorldEvent::ended_connections(&reset, 1));
        writer.ingest_ends(1);
    }

    #[test]
    fn a_loss_before_the_end_of_the_grace_is_found() {
        assert_eq!(is_lost(Writer::at_work()), FOUND);
        for (away, rules) in [(8, &FOUND[..]), (10, &NOTHING)] {
            let mut writer = Writer::at_work();
            writer.ingest_ends(1);
            writer.wait(away);
            assert_eq!(is_lost(writer), rules, "{away}");
        }
    }

    #[test]
    fn a_clock_that_was_set_forward_ends_the_grace() {
        let hour = "1h".parse().unwrap();
        for (set, rules) in [
            (ClockChange::Forward(hour), &NOTHING[..]),
            (ClockChange::Back(hour), &FOUND),
        ] {
            let mut writer = Writer::at_work();
            writer.ingest_ends(1);
            writer.clock_is_set(set);
            assert_eq!(is_lost(writer), rules, "{set}");
        }
    }

    #[test]
    fn a_reconnect_cancels_the_grace() {
        let mut writer = Writer::at_work();
        is_reset(&mut writer);
        writer.wait(3);
        writer.opens_ingest(1);
        writer.wait(6);
        assert_eq!(is_lost(writer), FOUND);
    }

    #[test]
    fn a_socket_of_another_fence_does_not_count() {
        let mut writer = Writer::at_work();
        is_reset(&mut writer);
        writer.opens_ingest(2);
        writer.wait(10);
        let found = is_lost(writer);
        assert!(!found.contains(&FOUND[0].to_owned()), "{found:?}");
    }

    #[test]
    fn a_socket_that_a_fault_may_have_ended_does_not_count() {
        let mut broken = Writer::at_work();
        let link = Link::one_way(WRAPPER, SERVER);
        broken.world(WorldEvent::of(&Fault::black_hole(&link)));
        broken.wait(10);
        assert_eq!(is_lost(broken), NOTHING);

        // A cut link delays packets and ends no connection.
        let mut held_up = Writer::at_work();
        let link = Link::between(WRAPPER, SERVER);
        held_up.world(WorldEvent::of(&Fault::cut(&link)));
        held_up.wait(10);
        assert_eq!(is_lost(held_up), FOUND);
    }

    #[test]
    fn the_rule_applies_to_executions() {
        for (away, rules) in [(3, &FOUND[..]), (10, &NOTHING)] {
            let mut writer = Writer::started("m1");
            writer.turn("m1");
            writer.opens_ingest_of("exc_1");
            writer.imported_ingest_ends("exc_1");
            writer.wait(away);
            writer.event_of("exc_1", "wrapper_disconnected", json!({"fatal": true}));
            assert_eq!(writer.judged(), rules, "{away}");
        }
    }
}
