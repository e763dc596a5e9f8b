//! A message is interrupted by a user who interrupts or deletes the session, by the event `interrupted` of the wrapper
//! that has the message (protocol §6), or with the imported execution that it belongs to (protocol §10).
//!
//! The event counts if the wrapper received no order to stop before. Otherwise it counts only if a user requested the
//! stop while that run existed: an order to an earlier run does not apply (protocol §5).

use std::time::Duration;

use super::frames::RunEnd;
use super::history::{Call, Ingest, SessionHistory, Stop, StreamEvent, WrapperFrame};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "interrupted-only-if-asked",
    rule: "A message is interrupted only if a user interrupted it or its wrapper stopped.",
    why: "An interrupted message is not tried again. If a stop that was meant for an earlier run ended a later \
        message, work that the user still wants would be lost.",
    moment: Moment::Always,
    protocol: &ids(["R2.60", "R2.93", "R5.42", "R6.4", "R6.10", "R6.29", "R6.36"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let interrupted = session
        .ends
        .iter()
        .filter(|end| end.data["status"] == "interrupted");
    let findings = interrupted.filter_map(|end| {
        let message = end.message()?;
        let text = violation(session, end, message)?;
        Some(ORACLE.finding_about(
            &ids(["R6.4", "R6.10"]),
            session.run.first_seen(end),
            message,
            text,
        ))
    });
    findings.collect()
}

/// The text of the finding about an end without a cause.
fn violation(session: &SessionHistory, end: &StreamEvent, message: &str) -> Option<String> {
    let reported_at = end.at + session.run.time_error();
    if user_requested(session, end.at, reported_at) || is_of_interrupted_execution(session, end) {
        return None;
    }
    let mut stopped_by = None;
    for (ingest, frame) in stop_events(session, message, reported_at) {
        let stops: Vec<&Stop> = stops(session, &ingest.fence.run, frame.at).collect();
        let is_own = stops.is_empty();
        if is_own || stops.iter().any(|stop| is_meant(session, stop, ingest)) {
            return None;
        }
        stopped_by = stops.first().map(|stop| (stop.at, ingest.fence.generation));
    }
    let id = end.id;
    Some(match stopped_by {
        Some((at, generation)) => format!(
            "event {id} interrupts it because its wrapper was ordered to stop at {}, but no user requested that since \
             generation {generation} began",
            secs(at)
        ),
        None => {
            format!("event {id} interrupts it, but neither a user nor its wrapper stopped it")
        }
    })
}

/// Whether a user's interrupt or deletion may have been carried out at some time from `earliest` to `latest`.
pub(super) fn user_requested(session: &SessionHistory, earliest: Duration, latest: Duration) -> bool {
    let mut requests = session.calls.iter().filter(|call| is_request(call));
    requests.any(|call| {
        let answered_at = call.reply.as_ref().map(|(at, ..)| *at);
        call.at <= latest && answered_at.is_none_or(|at| at >= earliest)
    })
}

/// Whether a call may have interrupted messages. An interrupt that found nothing to interrupt answers `success: false`
/// and has changed nothing (R2.60, R6.29).
pub(super) fn is_request(call: &Call) -> bool {
    match call.procedure.as_str() {
        // Another user's request changes nothing (R2.31).
        _ if !call.is_by_user() => false,
        "deleteSession" => !call.is_refused(),
        "interruptSession" => {
            call.reply.is_none() || call.success().is_some_and(|(_, data)| data["success"] == true)
        }
        _ => false,
    }
}

/// Whether an imported execution was interrupted at the time of that end.
fn is_of_interrupted_execution(session: &SessionHistory, end: &StreamEvent) -> bool {
    let mut events = session.kept.iter();
    events.any(|event| {
        let is_interrupted = event.is_of_execution() && event.name == "interrupted";
        is_interrupted && event.at.abs_diff(end.at) <= session.run.time_error()
    })
}

/// The events `interrupted` up to `by` of the runs that the message was delivered to, with their sockets.
fn stop_events<'a>(
    session: &SessionHistory<'a>,
    message: &str,
    by: Duration,
) -> impl Iterator<Item = (&'a Ingest, &'a WrapperFrame)> {
    let given = session
        .deliveries
        .iter()
        .filter(move |delivery| delivery.message == message && delivery.at <= by);
    let fences: Vec<_> = given.filter_map(|delivery| delivery.fence.as_ref()).collect();
    session.wrapper_frames().filter(move |(ingest, frame)| {
        RunEnd::of_frame(frame) == Some(RunEnd::Interrupted)
            && frame.at <= by
            && fences.contains(&&ingest.fence)
    })
}

/// The orders to stop that had reached the wrapper of a run at `by`.
fn stops<'a>(session: &SessionHistory<'a>, run: &str, by: Duration) -> impl Iterator<Item = &'a Stop> {
    let is_for_it = move |stop: &&Stop| stop.run.as_deref().is_none_or(|stopped| stopped == run);
    session
        .run
        .stops
        .iter()
        .filter(move |stop| stop.at <= by)
        .filter(is_for_it)
}

/// Whether a user requested that stop while the run of that socket existed.
fn is_meant(session: &SessionHistory, stop: &Stop, ingest: &Ingest) -> bool {
    let mut bindings = session.bindings.iter();
    let bound = bindings.find(|binding| binding.fence == ingest.fence);
    user_requested(session, bound.map_or(Duration::ZERO, |bound| bound.at), stop.at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["interrupted-only-if-asked"];

    type Request = fn(&mut Writer);

    /// The wrapper accepts a message in the run of that generation.
    fn accepted(writer: &mut Writer, message: &str, generation: u64) {
        writer.queued(message);
        writer.bound(generation);
        writer.opens_ingest(generation);
        writer.delivered_to(message, generation);
        writer.sent(message);
    }

    fn started() -> Writer {
        let mut writer = Writer::started("m1");
        accepted(&mut writer, "m1", 1);
        writer
    }

    /// The findings of this oracle. Answers come before their effect in some traces, which another oracle reports.
    fn found(writer: Writer) -> Vec<String> {
        let mut found = writer.judged();
        found.retain(|rule| rule == FOUND[0]);
        found
    }

    #[test]
    fn an_interruption_without_a_cause_is_found() {
        let mut writer = started();
        writer.interrupted("m1");
        assert_eq!(writer.judged(), FOUND);
    }

    #[test]
    fn a_possible_interrupt_by_a_user_is_a_cause_and_a_refused_one_is_not() {
        let asked: [(Request, &[&str]); 4] = [
            (|writer| writer.interrupts(200), &FOUND),
            (|writer| writer.interrupts(500), &FOUND),
            (
                |writer| {
                    writer.requests("interruptSession", json!({"sessionId": "s"}));
                },
                &NOTHING,
            ),
            (
                |writer| {
                    writer.requests("deleteSession", json!({"sessionId": "s"}));
                },
                &NOTHING,
            ),
        ];
        for (place, (ask, rules)) in asked.into_iter().enumerate() {
            let mut writer = started();
            ask(&mut writer);
            // A request that was answered before this time is over.
            writer.wait(1);
            writer.interrupted("m1");
            assert_eq!(found(writer), rules, "{place}");
        }
        for (success, rules) in [(true, &NOTHING[..]), (false, &FOUND)] {
            let mut writer = started();
            writer.interrupts_with(success, |writer| writer.interrupted("m1"));
            assert_eq!(writer.judged(), rules, "{success}");
        }
    }

    #[test]
    fn an_interrupted_event_with_invalid_data_is_no_cause() {
        for (data, rules) in [
            (json!({"reason": 1}), &FOUND[..]),
            (json!({"reason": "no"}), &NOTHING),
        ] {
            let mut writer = started();
            writer.wrapper_sends(1, "interrupted", data);
            writer.interrupted("m1");
            assert_eq!(writer.judged(), rules);
        }
    }

    #[test]
    fn a_message_may_be_interrupted_with_its_execution() {
        for (execution, rules) in [("interrupted", &NOTHING[..]), ("error", &FOUND)] {
            let mut writer = started();
            writer.at_once(|writer| {
                writer.event_of("exc_1", execution, json!({}));
                writer.interrupted("m1");
            });
            assert_eq!(writer.judged(), rules);
        }
    }

    #[test]
    fn a_wrapper_may_stop_the_run_that_has_the_message() {
        for (generation, rules) in [(1, &FOUND[..]), (2, &NOTHING)] {
            let mut writer = started();
            writer.failed("m1", json!({}));
            writer.acked("send", "m2", json!({}));
            accepted(&mut writer, "m2", 2);
            writer.wrapper_sends(generation, "interrupted", json!({}));
            writer.interrupted("m2");
            let mut found = writer.judged();
            found.retain(|rule| rule == FOUND[0]);
            assert_eq!(found, rules, "{generation}");
        }
    }

    #[test]
    fn a_stop_of_an_earlier_run_is_no_cause_in_a_later_one() {
        for (requests_again, rules) in [(false, &FOUND[..]), (true, &NOTHING)] {
            let mut writer = started();
            writer.interrupts_with(true, |writer| writer.interrupted("m1"));
            writer.acked("send", "m2", json!({}));
            accepted(&mut writer, "m2", 2);
            if requests_again {
                writer.interrupts(200);
            }
            writer.is_killed(2);
            writer.wrapper_sends(2, "interrupted", json!({}));
            writer.interrupted("m2");
            assert_eq!(found(writer), rules, "{requests_again}");
        }
    }
}
