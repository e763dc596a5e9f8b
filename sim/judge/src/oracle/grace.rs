//! A wrapper is lost when it has been away for a whole grace, and not before (protocol §7, §10): as long as
//! there was a socket of the current fence, or of the execution, nothing ends as `wrapper_disconnected`.
//!
//! The server sees a socket open before the wrapper does, and most ends of it after the wrapper. Where a fault
//! may have ended it for the server, it is taken to have done so at once.

use std::time::Duration;

use super::history::{SessionHistory, StreamEvent};
use super::{Broken, Check, Oracle, secs};

pub(super) const ORACLE: Oracle = Oracle {
    name: "lost-only-after-the-grace",
    rule: "Nothing ends as disconnected before its wrapper was without a socket for the whole grace.",
    check: Check::Sessions(check),
};

/// How long a wrapper may be away (protocol §7).
const GRACE: Duration = Duration::from_secs(10);

/// What ends are called that come of a lost wrapper: the reason of a message's, the event of an execution's.
const DISCONNECTED: &str = "wrapper_disconnected";

fn check(session: &SessionHistory) -> Vec<Broken> {
    let flaws = session.kept.iter().filter_map(|event| {
        let text = if event.name == DISCONNECTED {
            lost_execution(session, event)
        } else if event.is_end() && event.data["reason"] == DISCONNECTED {
            lost_message(session, event)
        } else {
            None
        }?;
        let seen_at = session.run.first_seen(event);
        Some(Broken::of(seen_at, event.message(), text))
    });
    flaws.collect()
}

fn lost_message(session: &SessionHistory, end: &StreamEvent) -> Option<String> {
    let message = end.message()?;
    let mut given = session.deliveries.iter().rev();
    // The run that accepted it is the last that it was given to.
    let last = given.find(|delivery| delivery.message == message && delivery.at <= end.at)?;
    let fence = last.fence.as_ref()?;
    let sockets = session.ingests().filter(|ingest| ingest.fence == *fence);
    let sockets = sockets.map(|ingest| Socket {
        host: &ingest.host,
        opened_at: ingest.opened_at,
        closed_at: ingest.closed_at,
    });
    flaw(session, end, sockets)
}

fn lost_execution(session: &SessionHistory, event: &StreamEvent) -> Option<String> {
    let execution = event.others.get("executionId")?.as_str()?;
    let sockets = session
        .imported_ingests()
        .filter(|ingest| ingest.execution == execution);
    let sockets = sockets.map(|ingest| Socket {
        host: &ingest.host,
        opened_at: ingest.opened_at,
        closed_at: ingest.closed_at,
    });
    flaw(session, event, sockets)
}

/// A socket of a wrapper: where it was opened, and when the wrapper saw it open and close.
struct Socket<'a> {
    host: &'a str,
    opened_at: Duration,
    closed_at: Option<Duration>,
}

/// Which of those sockets was there too late for that event, in words, if one was.
fn flaw<'a>(
    session: &SessionHistory,
    event: &StreamEvent,
    sockets: impl Iterator<Item = Socket<'a>>,
) -> Option<String> {
    let mut sockets = sockets.filter(|socket| socket.opened_at <= event.at);
    let leeway = session.run.time_error() + session.run.on_its_way();
    let (opened_at, until) = sockets.find_map(|socket| {
        let faults = &session.run.faults;
        let until = faults.lasted_until(socket.host, socket.opened_at, socket.closed_at, event.at);
        (until.saturating_add(GRACE) > event.at + leeway).then_some((socket.opened_at, until))
    })?;
    let there = if until > event.at {
        "was still there".to_owned()
    } else {
        format!("was there until {}", secs(until))
    };
    Some(format!(
        "event {} says at {} that the wrapper is lost, and the socket that it opened at {} {there}",
        event.id,
        secs(event.at),
        secs(opened_at)
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{ConnectionEnd, Fault, Link};

    use crate::oracle::written::Writer;
    use crate::parties::{SERVER, WRAPPER};

    const NOTHING: [&str; 0] = [];
    const BROKEN: [&str; 1] = ["lost-only-after-the-grace"];

    fn at_work() -> Writer {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.bound(1);
        writer.opens_ingest(1);
        writer.delivered_to("m1", 1);
        writer.sent("m1");
        writer
    }

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
    fn a_wrapper_that_is_there_or_was_inside_the_grace_is_not_lost() {
        assert_eq!(is_lost(at_work()), BROKEN);
        for (away, rules) in [(8, &BROKEN[..]), (10, &NOTHING)] {
            let mut writer = at_work();
            writer.ingest_ends(1);
            writer.wait(away);
            assert_eq!(is_lost(writer), rules, "{away}");
        }
    }

    #[test]
    fn a_wrapper_that_came_back_is_not_lost_for_having_been_away() {
        let mut writer = at_work();
        is_reset(&mut writer);
        writer.wait(3);
        writer.opens_ingest(1);
        writer.wait(6);
        assert_eq!(is_lost(writer), BROKEN);
    }

    #[test]
    fn a_socket_of_another_fence_does_not_stand_for_the_wrapper() {
        let mut writer = at_work();
        is_reset(&mut writer);
        writer.opens_ingest(2);
        writer.wait(10);
        let found = is_lost(writer);
        assert!(!found.contains(&BROKEN[0].to_owned()), "{found:?}");
    }

    #[test]
    fn a_socket_that_a_fault_may_have_ended_is_no_proof() {
        let mut broken = at_work();
        let link = Link::one_way(WRAPPER, SERVER);
        broken.world(WorldEvent::of(&Fault::black_hole(&link)));
        broken.wait(10);
        assert_eq!(is_lost(broken), NOTHING);

        // What was held up, not lost, did not end.
        let mut held_up = at_work();
        let link = Link::between(WRAPPER, SERVER);
        held_up.world(WorldEvent::of(&Fault::cut(&link)));
        held_up.wait(10);
        assert_eq!(is_lost(held_up), BROKEN);
    }

    #[test]
    fn an_execution_is_lost_by_the_same_rule() {
        for (away, rules) in [(3, &BROKEN[..]), (10, &NOTHING)] {
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
