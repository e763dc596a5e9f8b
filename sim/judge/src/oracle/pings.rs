//! The wrapper of a run with an accepted message is pinged when the protocol says (protocol §7): `PING_INTERVAL` after its
//! last sign of life.
//!
//! A ping that comes late is judged as the waits of a turn are, in spans without a fault. A ping that comes early is judged
//! by the frames that certainly reached the server before it, and by the ping before it on its socket.

use std::time::Duration;

use super::history::SessionHistory;
use super::overdue::waits::{Overdue, Turn};
use super::runs::{Run, is_pong};
use super::{Check, Finding, Late, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "pings-are-on-time",
    rule: "While a message is accepted, its wrapper is pinged one interval after its last output, pong or acceptance: \
        neither earlier nor later.",
    why: "A ping is how the server notices a wrapper that vanished. Without a ping a lost turn blocks its session until \
        the time without output is over.",
    moment: Moment::Always,
    protocol: &ids(["R5.7", "R5.57", "R7.2", "R7.14", "R7.20"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.log.is_none() || session.is_removed {
        return Vec::new();
    }
    let sent = session.sent.iter();
    let turns: Vec<Turn> = sent.filter_map(|sent| Turn::of(session, sent)).collect();
    let mut findings: Vec<Finding> = turns.iter().filter_map(|turn| late(session, turn)).collect();
    let mut fences = Vec::new();
    for turn in &turns {
        if !fences.contains(&turn.fence) {
            fences.push(turn.fence);
            let run = Run::of(session, turn.fence);
            findings.extend(run.as_ref().and_then(|run| early(session, run)));
            findings.extend(run.and_then(|run| repeated(session, &run)));
        }
    }
    findings
}

/// The finding about the first ping of a turn that came late or not at all.
fn late(session: &SessionHistory, turn: &Turn) -> Option<Finding> {
    let run = Run::of(session, turn.fence)?;
    let Overdue { since, limit, .. } = turn.without_ping(&run)?;
    let at = run.pings().find(|at| *at > limit);
    let pinged = at.map_or("it was never pinged".to_owned(), |at| {
        format!("it was pinged at {}", secs(at))
    });
    let text = format!(
        "its wrapper gave its last sign of life at {}, but {pinged}",
        secs(since)
    );
    let late = Late { limit, at };
    Some(ORACLE.finding_late(session.run, &ids(["R7.2"]), late, Some(turn.message), &text))
}

/// The finding about the first ping of a run that came before its interval had passed.
fn early(session: &SessionHistory, run: &Run) -> Option<Finding> {
    let interval = session.run.context.profile.ping_interval;
    let transit = session.run.max_transit();
    let tolerance = transit + session.run.time_error();
    run.pings().find_map(|ping| {
        let arrived_by = ping.checked_sub(transit * 2)?;
        let from = (ping + tolerance).saturating_sub(interval);
        // A socket that replaces another one may be pinged again (R7.35), and a restart may restore an earlier time.
        let is_replaced = run.sockets().iter().any(|socket| {
            let closed_at = socket.closed_at.unwrap_or(Duration::MAX);
            (from..=ping).contains(&socket.opened_at) || (from..=ping).contains(&closed_at)
        });
        // What a fault held up on a connection may arrive long after the fault, and holds up what follows it.
        let opened_at = run.sockets().iter().map(|socket| socket.opened_at).min();
        let faults = &session.run.faults;
        let is_disturbed = faults.may_have_disrupted(run.host(), from, ping)
            || opened_at.is_some_and(|opened_at| faults.may_have_held_up(run.host(), opened_at, ping))
            || faults.may_have_stopped_server(from, ping)
            || run.may_have_ended_silently(ping)
            || run.lost_openings().any(|at| (from..=ping).contains(&at));
        if is_replaced || is_disturbed {
            return None;
        }
        let signs = run
            .frames()
            .filter(|(socket, frame)| {
                (frame.is_meaningful || is_pong(frame)) && socket.closed_at.is_none_or(|at| at > ping)
            })
            .map(|(_, frame)| frame.at);
        let sign = signs
            .filter(|at| (from + tolerance..=arrived_by).contains(at))
            .max()?;
        let text = format!(
            "a ping came at {}, but the wrapper had given a sign of life at {}",
            secs(ping),
            secs(sign)
        );
        Some(ORACLE.finding(&ids(["R7.2"]), ping, None, text))
    })
}

/// The finding about the first ping that came less than an interval after another one on the same socket.
fn repeated(session: &SessionHistory, run: &Run) -> Option<Finding> {
    let interval = session.run.context.profile.ping_interval;
    let tolerance = session.run.max_transit() + session.run.time_error();
    let faults = &session.run.faults;
    run.sockets().iter().find_map(|socket| {
        let pings: Vec<Duration> = run.pings_on(socket).collect();
        let mut pairs = pings.windows(2);
        let (first, second) = pairs.find_map(|pair| {
            let is_early = pair[1] + tolerance < pair[0] + interval;
            // A ping that was held up arrives shortly before the next one.
            let is_held_up = faults.may_have_held_up(run.host(), socket.opened_at, pair[1])
                || faults.may_have_disrupted(run.host(), pair[0], pair[1]);
            (is_early && !is_held_up).then_some((pair[0], pair[1]))
        })?;
        let text = format!(
            "a ping came at {}, but one had come on the same socket at {}",
            secs(second),
            secs(first)
        );
        Some(ORACLE.finding(&ids(["R7.2"]), second, None, text))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{ConnectionEnd, Fault, Link, Place};

    use crate::oracle::written::Writer;
    use crate::parties::{SERVER, WRAPPER};

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["pings-are-on-time"];

    fn at_work() -> Writer {
        Writer::at_work().also_judged_by(FOUND[0])
    }

    fn found(mut writer: Writer) -> Vec<String> {
        writer.completed("m1");
        let mut found = writer.judged();
        found.retain(|rule| rule == FOUND[0]);
        found
    }

    /// The wrapper is pinged after that many seconds and answers.
    fn answers_ping(writer: &mut Writer, seconds: u64) {
        writer.wait(seconds);
        writer.is_at_the_moment(|writer| {
            writer.is_pinged(1);
            writer.wrapper_sends(1, "pong", Value::Null);
        });
    }

    #[test]
    fn a_wrapper_without_a_sign_of_life_is_pinged_after_the_interval() {
        // The acceptance was shown a second ago.
        for (first, second, rules) in [
            (59, 60, &NOTHING[..]),
            (62, 60, &FOUND),
            (59, 62, &FOUND),
            (59, 57, &FOUND),
        ] {
            let mut writer = at_work();
            answers_ping(&mut writer, first);
            answers_ping(&mut writer, second);
            assert_eq!(found(writer), rules, "{first} {second}");
        }
        let mut never = at_work();
        never.wait(70);
        assert_eq!(found(never), FOUND);
    }

    #[test]
    fn a_second_ping_at_once_is_found() {
        let pinged = |seconds: u64| {
            let mut writer = at_work();
            answers_ping(&mut writer, 59);
            writer.wait(seconds);
            writer.is_at_the_moment(|writer| {
                writer.is_pinged(1);
                writer.wrapper_sends(1, "pong", Value::Null);
            });
            found(writer)
        };
        assert_eq!(pinged(0), FOUND);
        assert_eq!(pinged(60), NOTHING);
    }

    #[test]
    fn output_puts_a_ping_off_and_a_heartbeat_does_not() {
        for (sign, seconds, rules) in [
            ("output", 60, &NOTHING[..]),
            ("output", 29, &FOUND),
            ("heartbeat", 29, &NOTHING),
            ("heartbeat", 60, &FOUND),
        ] {
            let mut writer = at_work();
            writer.wait(30);
            writer.is_at_the_moment(|writer| writer.wrapper_sends(1, sign, json!({})));
            answers_ping(&mut writer, seconds);
            assert_eq!(found(writer), rules, "{sign} {seconds}");
        }
    }

    #[test]
    fn a_new_socket_a_restart_and_a_fault_of_the_line_excuse_an_early_or_a_late_ping() {
        let mut replaced = at_work();
        replaced.wait(20);
        replaced.wrapper_sends(1, "output", json!({}));
        replaced.wait(5);
        replaced.opens_ingest(1);
        answers_ping(&mut replaced, 5);
        assert_eq!(found(replaced), NOTHING);

        let mut held_up = at_work();
        held_up.wait(20);
        held_up.world(WorldEvent::of(&Fault::cut(&Link::between(SERVER, WRAPPER))));
        held_up.wait(60);
        held_up.world(WorldEvent::Ended {
            place: Place::EveryLink,
        });
        answers_ping(&mut held_up, 1);
        assert_eq!(found(held_up), NOTHING);

        for (is_silenced, rules) in [(true, &NOTHING[..]), (false, &FOUND)] {
            let mut writer = at_work();
            if is_silenced {
                let silence = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Silence);
                writer.world(WorldEvent::ended_connections(&silence, 1));
            }
            writer.opens_ingest(1);
            // What the wrapper says on the old socket is lost.
            writer.wait(10);
            writer.wrapper_sends(1, "output", json!({}));
            answers_ping(&mut writer, 49);
            assert_eq!(found(writer), rules, "{is_silenced}");
        }
    }

    #[test]
    fn no_ping_is_due_without_a_socket() {
        let mut writer = at_work();
        writer.wait(55);
        writer.ingest_ends(1);
        writer.wait(9);
        assert_eq!(found(writer), NOTHING);
    }
}
