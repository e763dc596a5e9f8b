//! A run is unhealthy only after a ping without a pong, or without output for the whole time-out, and never while its
//! grace runs (protocol §7). A new socket inside the grace restarts both.
//!
//! Only what certainly reached the server restarts a wait. A run is not judged if a fault may have held up or ended its
//! connections without a sign, or stopped the server.

use std::time::Duration;

use super::history::{SessionHistory, StreamEvent};
use super::runs::{Run, is_pong};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-deadline-inside-the-grace",
    rule: "A message fails because its wrapper is unhealthy only after a ping without a pong or the time without \
        output, and not while the grace runs.",
    why: "A wrapper without a connection cannot answer. Its deadlines would fail a turn that comes back within the \
        grace.",
    moment: Moment::Always,
    protocol: &ids(["R6.7", "R7.3", "R7.4", "R7.14", "R7.19", "R7.20", "R7.35"]),
    check: Check::Sessions(check),
};

/// The rule about deadlines in the grace.
const IN_THE_GRACE: [RuleId; 1] = ids(["R7.19"]);
/// The rules about the length of the deadlines.
const TOO_SOON: [RuleId; 3] = ids(["R7.3", "R7.4", "R7.20"]);

fn check(session: &SessionHistory) -> Vec<Finding> {
    let unhealthy = session
        .ends
        .iter()
        .filter(|end| end.data["reason"] == "wrapper_failure" && end.data["accepted"] == true);
    let findings = unhealthy.filter_map(|end| {
        let message = end.message()?;
        let (violated, text) = violation(session, end, message)?;
        Some(ORACLE.finding_about(violated, session.run.first_seen(end), message, text))
    });
    findings.collect()
}

/// The rules that an end violates, with the text of the finding.
fn violation(
    session: &SessionHistory,
    end: &StreamEvent,
    message: &str,
) -> Option<(&'static [RuleId], String)> {
    let run = Run::of(session, session.run_of(message, end.at)?)?;
    if let Some(reset_at) = after_reset(session, &run, end) {
        let text = format!(
            "event {} fails it at {} as unhealthy, but its connection was reset at {}, inside the grace",
            end.id,
            secs(end.at),
            secs(reset_at)
        );
        return Some((&IN_THE_GRACE, text));
    }
    let faults = &session.run.faults;
    let opened_at = run.sockets()[0].opened_at;
    let may_have_missed_a_sign = faults.may_have_held_up(run.host(), opened_at, end.at)
        || faults.may_have_stopped_server(opened_at, end.at)
        || run.may_have_ended_silently(end.at);
    if may_have_missed_a_sign {
        return None;
    }
    let last = Last::of(session, &run, end);
    let fails = format!("event {} fails it at {} as unhealthy", end.id, secs(end.at));
    if let Some(since) = last.grace_since {
        let text = format!("{fails}, but the grace of its run began at {}", secs(since));
        return Some((&IN_THE_GRACE, text));
    }
    let profile = &session.run.context.profile;
    let tolerance = session.run.time_error() + session.run.max_transit();
    let by = end.at + tolerance;
    let is_silent = by >= last.output + profile.no_output_timeout;
    let is_deaf = last.ping.is_some_and(|ping| by >= ping + profile.pong_timeout);
    if is_silent || is_deaf {
        return None;
    }
    let ping = last.ping.map_or("no ping was unanswered".to_owned(), |ping| {
        format!("the unanswered ping was received at {}", secs(ping))
    });
    let text = format!(
        "{fails}, but {ping} and its last output or reconnect was at {}",
        secs(last.output)
    );
    Some((&TOO_SOON, text))
}

/// The time of a reset that began the grace of a run, if the whole grace since had not passed at an end. Both sides notice
/// a reset at once. A new socket since, which the wrapper may not have seen open, would restart all waits.
fn after_reset(session: &SessionHistory, run: &Run, end: &StreamEvent) -> Option<Duration> {
    let faults = &session.run.faults;
    let reset_at = faults.reset_at(run.host(), end.at)?;
    let tolerance = session.run.time_error() + session.run.max_transit();
    let had_socket = run.sockets().iter().any(|socket| socket.opened_at < reset_at);
    let is_inside = reset_at + tolerance <= end.at
        && end.at + tolerance < reset_at + session.run.context.profile.disconnect_grace;
    let is_judged = had_socket && is_inside && !faults.may_have_stopped_server(reset_at, end.at);
    is_judged.then_some(reset_at)
}

/// What certainly restarted the waits of a run last, before an end.
struct Last {
    /// The last output, acceptance, or new socket inside the grace.
    output: Duration,
    /// The last ping that was not answered and not forgotten.
    ping: Option<Duration>,
    /// The beginning of the grace, if it runs.
    grace_since: Option<Duration>,
}

impl Last {
    fn of(session: &SessionHistory, run: &Run, end: &StreamEvent) -> Self {
        let profile = &session.run.context.profile;
        let transit = session.run.max_transit();
        let certain_by = end.at.saturating_sub(transit);
        let reopened = reopenings(run, transit).filter(|at| *at <= certain_by).max();
        let of_run = || run.frames().filter(|(_, frame)| frame.at <= certain_by);
        let output = of_run().filter(|(_, frame)| frame.is_meaningful);
        let accepted = session.sent.iter().filter(|sent| sent.id < end.id);
        // Output of the same interval may not be recorded (R7.31).
        let output = output.map(|(_, frame)| frame.at.saturating_sub(profile.output_record_interval));
        let output = output.chain(accepted.map(|event| event.at)).chain(reopened).max();
        let pong = of_run()
            .filter(|(_, frame)| is_pong(frame))
            .map(|(_, frame)| frame.at);
        let answered = pong.chain(reopened).max();
        let ping = run
            .pings()
            .filter(|ping| *ping <= end.at + session.run.time_error())
            .last();
        Self {
            output: output.unwrap_or_default(),
            // A pong may have been under way when the next ping was sent. One that was sent when the ping arrived answers it.
            ping: ping.filter(|ping| answered.is_none_or(|answered| answered < *ping)),
            grace_since: run.without_socket_since(end.at).filter(|since| {
                // A socket that the wrapper gave up may have been open for the server.
                let mut lost = run.lost_openings();
                let is_certain = *since + transit <= certain_by && !lost.any(|at| at >= *since);
                is_certain && end.at + session.run.time_error() + transit < *since + profile.disconnect_grace
            }),
        }
    }
}

/// The times at which a socket was opened after the run had certainly had none.
fn reopenings(run: &Run, transit: Duration) -> impl Iterator<Item = Duration> {
    run.sockets().iter().filter_map(move |socket| {
        let before = socket.opened_at.saturating_sub(transit);
        let is_first = run.sockets()[0].opened_at == socket.opened_at;
        let was_without = run
            .without_socket_since(before)
            .is_some_and(|since| since + transit <= before);
        (!is_first && was_without).then_some(before)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{ConnectionEnd, Fault, Link};

    use crate::oracle::written::Writer;
    use crate::parties::{SERVER, WRAPPER};

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["no-deadline-inside-the-grace"];

    fn is_unhealthy(mut writer: Writer) -> Vec<String> {
        let data = json!({"reason": "wrapper_failure", "completionSource": "wrapper_failure"});
        writer.failed("m1", data);
        let mut found = writer.judged();
        found.retain(|rule| rule == FOUND[0]);
        found
    }

    #[test]
    fn an_end_before_any_deadline_is_found() {
        assert_eq!(is_unhealthy(Writer::at_work()), FOUND);
        for (seconds, rules) in [(28, &FOUND[..]), (30, &NOTHING)] {
            let mut writer = Writer::at_work();
            writer.wait(59);
            writer.is_pinged(1);
            writer.wait(seconds);
            assert_eq!(is_unhealthy(writer), rules, "{seconds}");
        }
    }

    #[test]
    fn a_pong_leaves_the_time_without_output() {
        for (seconds, rules) in [(30, &FOUND[..]), (230, &NOTHING)] {
            let mut writer = Writer::at_work();
            writer.wait(59);
            writer.is_pinged(1);
            writer.wrapper_sends(1, "pong", Value::Null);
            writer.wait(seconds);
            if seconds > 100 {
                writer.is_pinged(1);
                writer.wrapper_sends(1, "pong", Value::Null);
                writer.wait(8);
            }
            assert_eq!(is_unhealthy(writer), rules, "{seconds}");
        }
    }

    #[test]
    fn a_pong_at_the_moment_of_its_ping_answers_it() {
        for (is_answered, rules) in [(true, &FOUND[..]), (false, &NOTHING)] {
            let mut writer = Writer::at_work();
            writer.wait(59);
            writer.is_at_the_moment(|writer| {
                writer.is_pinged(1);
                if is_answered {
                    writer.wrapper_sends(1, "pong", Value::Null);
                }
            });
            writer.wait(31);
            assert_eq!(is_unhealthy(writer), rules, "{is_answered}");
        }
    }

    #[test]
    fn a_deadline_does_not_fire_inside_the_grace_or_at_once_after_it() {
        for (is_back, seconds, rules) in [(false, 5, &FOUND[..]), (true, 25, &FOUND), (true, 300, &NOTHING)] {
            let mut writer = Writer::at_work();
            writer.wait(59);
            writer.is_pinged(1);
            writer.wait(20);
            writer.ingest_ends(1);
            if is_back {
                writer.wait(2);
                writer.opens_ingest(1);
            }
            writer.wait(seconds);
            assert_eq!(is_unhealthy(writer), rules, "{is_back} {seconds}");
        }
    }

    #[test]
    fn a_reset_begins_the_grace_whatever_was_held_up() {
        for (seconds, rules) in [(4, &FOUND[..]), (12, &NOTHING)] {
            let mut writer = Writer::at_work();
            let link = Link::between(WRAPPER, SERVER);
            writer.world(WorldEvent::of(&Fault::black_hole(&link)));
            writer.wait(85);
            let reset = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
            writer.world(WorldEvent::ended_connections(&reset, 1));
            writer.ingest_ends(1);
            writer.wait(seconds);
            assert_eq!(is_unhealthy(writer), rules, "{seconds}");
        }
    }

    #[test]
    fn a_run_whose_connection_may_have_been_held_up_is_not_judged() {
        let mut writer = Writer::at_work();
        let link = Link::one_way(WRAPPER, SERVER);
        writer.world(WorldEvent::of(&Fault::cut(&link)));
        assert_eq!(is_unhealthy(writer), NOTHING);
    }
}
