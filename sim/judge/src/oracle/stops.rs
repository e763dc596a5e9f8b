//! A wrapper whose run is released is ordered to stop (protocol §7): `kill` on its socket and `POST /job/abort`, both for
//! that run. A run that was ordered to stop gets no more work.
//!
//! The log shows that a run was released by the loss of its wrapper or by a user's interrupt. An order that a fault may
//! have held up is not missed, nor is an abort that a later run overtook (R5.35).

use std::time::Duration;

use super::frames::RunEnd;
use super::history::{Fence, SessionHistory, StreamEvent};
use super::interrupts::user_requested;
use super::runs::Run;
use super::{Check, Finding, Late, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "released-runs-are-stopped",
    rule: "A wrapper whose run is released receives `kill` on its socket and an abort of that run, and a run that was \
        ordered to stop receives no more work.",
    why: "A wrapper that is not stopped works on: it spends money and changes the branch, although no client sees it. \
        One that is stopped for another run loses a turn that the user wants.",
    moment: Moment::Always,
    protocol: &ids(["R5.34", "R5.35", "R5.58", "R6.25", "R7.12", "R7.13"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let mut findings = work_after_stop(session);
    for release in releases(session) {
        findings.extend(missing_abort(session, &release));
        findings.extend(missing_kill(session, &release));
    }
    findings
}

/// The release of a run.
struct Release<'a> {
    fence: &'a Fence,
    /// The host of the wrapper.
    host: &'a str,
    /// The event that reports it.
    end: &'a StreamEvent,
    /// The earliest and the latest time at which an order may reach the wrapper.
    from: Duration,
    until: Duration,
}

/// The releases that the log shows and that no fault may have hidden from the wrapper.
fn releases<'a>(session: &SessionHistory<'a>) -> Vec<Release<'a>> {
    let run = session.run;
    let mut releases: Vec<Release> = Vec::new();
    for end in &session.ends {
        let Some(fence) = end.message().and_then(|message| session.run_of(message, end.at)) else {
            continue;
        };
        if releases.iter().any(|known| known.fence == fence) || !is_release(session, end, fence) {
            continue;
        }
        let Some(binding) = session.bindings.iter().find(|binding| binding.fence == *fence) else {
            continue;
        };
        let until = end.at + run.max_order_time();
        let from = end.at.saturating_sub(run.time_error());
        let before = from.saturating_sub(2 * run.max_transit());
        let faults = &run.faults;
        let is_calm = !faults.may_have_disrupted(&binding.host, before, until)
            && !faults.may_have_stopped_server(before, until);
        if is_calm && until < run.end {
            releases.push(Release {
                fence,
                host: &binding.host,
                end,
                from,
                until,
            });
        }
    }
    releases
}

/// Whether the end of an accepted message also released its run: its wrapper was lost, or a user interrupted it.
fn is_release(session: &SessionHistory, end: &StreamEvent, fence: &Fence) -> bool {
    let time_error = session.run.time_error();
    let data = &end.data;
    if data["accepted"] != true {
        return false;
    }
    match data["completionSource"].as_str() {
        Some("wrapper_failure") => {
            data["reason"] == "wrapper_disconnected" || data["reason"] == "wrapper_failure"
        }
        Some("interrupt") => {
            // The wrapper may have ended the run itself, which is no release.
            let by_wrapper = Run::of(session, fence).is_some_and(|run| {
                let mut frames = run.frames().map(|(_, frame)| frame);
                frames.any(|frame| frame.at <= end.at + time_error && RunEnd::of_frame(frame).is_some())
            });
            user_requested(session, end.at, end.at + time_error) && !by_wrapper
        }
        _ => false,
    }
}

/// The finding about an abort that did not reach the wrapper.
fn missing_abort(session: &SessionHistory, release: &Release) -> Option<Finding> {
    let Release {
        fence, from, until, ..
    } = release;
    let mut bindings = session.bindings.iter();
    let is_overtaken = bindings.any(|later| later.fence.generation > fence.generation && later.at <= *until);
    let stops = session.run.stops.iter().filter(|stop| {
        let is_of_run = stop.run.as_ref().is_none_or(|run| *run == fence.run);
        stop.is_abort && is_of_run
    });
    let first = stops.map(|stop| stop.at).filter(|at| from <= at).min();
    let is_sent = first.is_some_and(|at| at <= *until);
    (!is_overtaken && !is_sent).then(|| {
        let text = format!(
            "event {} releases generation {} at {}, but its wrapper at {} received no abort of {} in time",
            release.end.id,
            fence.generation,
            secs(release.end.at),
            release.host,
            fence.run
        );
        let late = Late {
            limit: *until,
            at: first,
        };
        ORACLE.finding_late(session.run, &ids(["R7.13"]), late, release.end.message(), &text)
    })
}

/// The finding about a `kill` that did not reach the wrapper, although its socket was open.
fn missing_kill(session: &SessionHistory, release: &Release) -> Option<Finding> {
    let run = session.run;
    let sockets = session.ingests().filter(|ingest| ingest.fence == *release.fence);
    let newest = sockets.max_by_key(|ingest| ingest.opened_at)?;
    let was_open = newest.opened_at + 2 * run.max_transit() <= release.from;
    let is_open = match newest.closed_at {
        None => true,
        Some(closed_at) => newest.is_closed_by_server && closed_at >= release.from,
    };
    let is_sound = run.faults.broken_from(&newest.host, newest.opened_at) > release.until;
    let stops = run.stops.iter().filter(|stop| {
        let is_of_run = stop.run.as_ref() == Some(&release.fence.run);
        !stop.is_abort && is_of_run
    });
    let first = stops.map(|stop| stop.at).filter(|at| release.from <= *at).min();
    let is_sent = first.is_some_and(|at| at <= release.until);
    (was_open && is_open && is_sound && !is_sent).then(|| {
        let text = format!(
            "event {} releases generation {} at {}, but no kill arrived in time on its socket, which was open",
            release.end.id,
            release.fence.generation,
            secs(release.end.at)
        );
        let late = Late {
            limit: release.until,
            at: first,
        };
        let violated = ids(["R5.58", "R7.13"]);
        ORACLE.finding_late(run, &violated, late, release.end.message(), &text)
    })
}

/// Findings about work in a run that was ordered to stop before.
fn work_after_stop(session: &SessionHistory) -> Vec<Finding> {
    let run = session.run;
    let late = session.bindings.iter().filter_map(|binding| {
        let mut stops = run.stops.iter();
        let stop = stops.find(|stop| {
            let is_held_up = run.faults.may_have_disrupted(&binding.host, stop.at, binding.at);
            stop.run.as_ref() == Some(&binding.fence.run)
                && stop.at + 2 * run.max_transit() < binding.at
                && !is_held_up
        })?;
        let text = format!(
            "the wrapper got work in generation {}, which it was ordered to stop at {}",
            binding.fence.generation,
            secs(stop.at)
        );
        Some(ORACLE.finding(&ids(["R5.35", "R7.13"]), binding.at, None, text))
    });
    late.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use std::time::Duration;

    use crate::oracle::Severity;
    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["released-runs-are-stopped"];

    /// The findings of this oracle.
    fn found(writer: Writer) -> Vec<String> {
        let mut found = writer.judged();
        found.retain(|rule| rule == FOUND[0]);
        found
    }

    /// A user interrupts an accepted message, and the wrapper receives these orders.
    fn interrupted(orders: impl FnOnce(&mut Writer)) -> Writer {
        let mut writer = Writer::at_work();
        writer.orders_by_hand();
        writer.interrupts_with(true, |writer| {
            writer.interrupted("m1");
            orders(writer);
        });
        writer
    }

    #[test]
    fn a_missing_kill_or_abort_is_found() {
        type Orders = fn(&mut Writer);
        let orders: [(Orders, &[&str]); 5] = [
            (
                |writer| {
                    writer.is_killed(1);
                    writer.is_aborted("wr_1");
                },
                &NOTHING,
            ),
            (|writer| writer.is_killed(1), &FOUND),
            (|writer| writer.is_aborted("wr_1"), &FOUND),
            (
                |writer| {
                    writer.is_killed(1);
                    writer.is_aborted("wr_0");
                },
                &FOUND,
            ),
            (|_| {}, &FOUND),
        ];
        for (place, (orders, rules)) in orders.into_iter().enumerate() {
            assert_eq!(found(interrupted(orders)), rules, "{place}");
        }
    }

    #[test]
    fn orders_that_come_a_little_late_in_real_time_are_warnings() {
        for (tolerance, severity) in [(500, Severity::Warning), (100, Severity::Violation)] {
            let mut writer = interrupted(|_| {});
            writer.in_real_time(Duration::from_millis(tolerance));
            writer.wait(2);
            writer.is_killed(1);
            writer.is_aborted("wr_1");
            let mut found = writer.findings();
            found.retain(|finding| finding.rule == FOUND[0]);
            let severities: Vec<Severity> = found.iter().map(|finding| finding.severity).collect();
            assert_eq!(severities, [severity, severity], "{found:?}");
            assert!(
                found.iter().all(|finding| finding.text.ends_with(" s too late")),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_wrapper_without_a_socket_needs_no_kill() {
        let mut writer = Writer::at_work();
        writer.orders_by_hand();
        writer.ingest_ends(1);
        writer.wait(10);
        writer.at_once(|writer| {
            let data = json!({"reason": "wrapper_disconnected", "completionSource": "wrapper_failure", "error": "no"});
            writer.failed("m1", data);
            writer.is_aborted("wr_1");
        });
        assert_eq!(found(writer), NOTHING);
    }

    #[test]
    fn a_run_that_its_wrapper_ended_needs_no_order() {
        let mut writer = Writer::at_work();
        writer.orders_by_hand();
        writer.interrupts_with(true, |writer| {
            writer.wrapper_sends(1, "interrupted", json!({}));
            writer.event("interrupted", json!({}));
            writer.interrupted("m1");
        });
        assert_eq!(found(writer), NOTHING);
    }

    #[test]
    fn work_after_an_order_to_stop_is_found() {
        for (run, rules) in [("wr_0", &NOTHING[..]), ("wr_1", &FOUND)] {
            let mut writer = Writer::at_work();
            writer.is_aborted(run);
            writer.completed("m1");
            writer.acked("send", "m2", json!({}));
            writer.queued("m2");
            writer.bound(1);
            writer.delivered_to("m2", 1);
            writer.sent("m2");
            writer.completed("m2");
            let mut found = found(writer);
            found.dedup();
            assert_eq!(found, rules, "{run}");
        }
    }
}
