//! A message is interrupted on somebody's word (protocol §6): that of a user who interrupts or deletes the
//! session, or that of the wrapper which has the message and stopped.
//!
//! The wrapper's `interrupted` is its own word only if nobody had told it to stop. If somebody had, the word
//! is worth what the order was worth, and a run is rightly told to stop only if a user asked for that in its
//! time: what an earlier run was told is none of its business (protocol §5). What the wrapper of an imported
//! execution says is about that execution and ends no message (protocol §10).

use std::time::Duration;

use super::history::{Call, Ingest, SessionHistory, Stop, StreamEvent, WrapperFrame};
use super::{Broken, Check, Oracle, secs};

pub(super) const ORACLE: Oracle = Oracle {
    name: "interrupted-only-if-asked",
    rule: "A message is interrupted only if a user asked for that, or its wrapper stopped by itself.",
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Broken> {
    let interrupted = session
        .kept
        .iter()
        .filter(|event| event.is_end() && event.data["status"] == "interrupted");
    let unasked = interrupted.filter_map(|end| {
        let message = end.message()?;
        let text = flaw(session, end, message)?;
        Some(Broken::new(session.run.first_seen(end), message, text))
    });
    unasked.collect()
}

/// Why nobody can have meant that end, if so.
fn flaw(session: &SessionHistory, end: &StreamEvent, message: &str) -> Option<String> {
    let told_at = end.at + session.run.time_error();
    if user_asked(session, end.at, told_at) {
        return None;
    }
    let mut stopped_by = None;
    for (ingest, frame) in words(session, message, told_at) {
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
            "event {id} interrupts it, for its wrapper was told to stop at {}; no user had asked for that since \
             generation {generation} began",
            secs(at)
        ),
        None => {
            format!("event {id} interrupts it, and neither a user nor the wrapper that had it asked for that")
        }
    })
}

/// Whether a user's interrupt or deletion may have been carried out at some time from `earliest` to `latest`.
fn user_asked(session: &SessionHistory, earliest: Duration, latest: Duration) -> bool {
    let mut demands = session.calls.iter().filter(|call| is_demand(call));
    demands.any(|call| {
        let answered_at = call.reply.as_ref().map(|(at, ..)| *at);
        call.at <= latest && answered_at.is_none_or(|at| at >= earliest)
    })
}

fn is_demand(call: &Call) -> bool {
    matches!(call.procedure.as_str(), "interruptSession" | "deleteSession") && !call.is_refused()
}

/// Where the runs that the message was given to said by then that they stopped.
fn words<'a>(
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
        frame.name == "interrupted" && frame.at <= by && fences.contains(&&ingest.fence)
    })
}

/// The orders to stop that had reached the wrapper of a run by then.
fn stops<'a>(session: &SessionHistory<'a>, run: &str, by: Duration) -> impl Iterator<Item = &'a Stop> {
    let is_for_it = move |stop: &&Stop| stop.run.as_deref().is_none_or(|stopped| stopped == run);
    session
        .run
        .stops
        .iter()
        .filter(move |stop| stop.at <= by)
        .filter(is_for_it)
}

/// Whether a user asked for that stop while there was the run of that socket.
fn is_meant(session: &SessionHistory, stop: &Stop, ingest: &Ingest) -> bool {
    let mut bindings = session.bindings.iter();
    let bound = bindings.find(|binding| binding.fence == ingest.fence);
    user_asked(session, bound.map_or(Duration::ZERO, |bound| bound.at), stop.at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const BROKEN: [&str; 1] = ["interrupted-only-if-asked"];

    type Ask = fn(&mut Writer);

    /// A message that the wrapper has taken in the run of that generation.
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

    #[test]
    fn a_message_that_nobody_interrupted_is_noticed() {
        let mut writer = started();
        writer.interrupted("m1");
        assert_eq!(writer.judged(), BROKEN);
    }

    #[test]
    fn an_interrupt_that_was_carried_out_or_may_have_been_is_a_reason_and_a_refused_one_is_none() {
        let asked: [(Ask, &[&str]); 4] = [
            (|writer| writer.interrupts(200), &BROKEN),
            (|writer| writer.interrupts(500), &BROKEN),
            (
                |writer| {
                    writer.asks("interruptSession", json!({"sessionId": "s"}));
                },
                &NOTHING,
            ),
            (
                |writer| {
                    writer.asks("deleteSession", json!({"sessionId": "s"}));
                },
                &NOTHING,
            ),
        ];
        for (place, (ask, rules)) in asked.into_iter().enumerate() {
            let mut writer = started();
            ask(&mut writer);
            // What was answered before this is over.
            writer.wait(1);
            writer.interrupted("m1");
            assert_eq!(writer.judged(), rules, "{place}");
        }
        let mut writer = started();
        let exchange = writer.asks("interruptSession", json!({"sessionId": "s"}));
        writer.interrupted("m1");
        writer.is_answered(exchange, 200, json!({"result": {"data": {"success": true}}}));
        assert_eq!(writer.judged(), NOTHING);
    }

    #[test]
    fn a_wrapper_may_stop_by_itself_in_the_name_of_the_run_that_has_the_message() {
        for (generation, rules) in [(1, &BROKEN[..]), (2, &NOTHING)] {
            let mut writer = started();
            writer.failed("m1", json!({}));
            writer.acked("send", "m2", json!({}));
            accepted(&mut writer, "m2", 2);
            writer.says(generation, "interrupted", json!({}));
            writer.interrupted("m2");
            let mut found = writer.judged();
            found.retain(|rule| rule == BROKEN[0]);
            assert_eq!(found, rules, "{generation}");
        }
    }

    #[test]
    fn a_stop_that_an_earlier_run_owed_is_no_reason_in_a_later_one() {
        for (asks_again, rules) in [(false, &BROKEN[..]), (true, &NOTHING)] {
            let mut writer = started();
            let exchange = writer.asks("interruptSession", json!({"sessionId": "s"}));
            writer.interrupted("m1");
            writer.is_answered(exchange, 200, json!({"result": {"data": {"success": true}}}));
            writer.acked("send", "m2", json!({}));
            accepted(&mut writer, "m2", 2);
            if asks_again {
                writer.interrupts(200);
            }
            writer.is_killed(2);
            writer.says(2, "interrupted", json!({}));
            writer.interrupted("m2");
            assert_eq!(writer.judged(), rules, "{asks_again}");
        }
    }
}
