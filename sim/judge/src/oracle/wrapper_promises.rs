//! A turn that a wrapper has accepted runs (protocol §11): the wrapper reports it before it says that its work is complete.
//!
//! This judges the role of the wrapper. A wrapper that was stopped, that was bound again, that gave up a lost ingest, that
//! lost events with it, that ended its turns with an error or that a script lets misbehave has no such duty.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::history::{Delivery, Door, Fence, Ingest, SessionHistory, WrapperFrame, kilo};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::parties::is_wrapper;
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "wrapper-keeps-its-word",
    rule: "A wrapper reports every turn that it accepted before it sends the next `complete` under that fence.",
    why: "The server counts an accepted turn as running. A wrapper that loses it while it finishes an earlier one \
        leaves the message without an answer.",
    moment: Moment::Always,
    protocol: &ids(["R11.21", "R11.22", "R11.52"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let reported = first_reports(session);
    let deliveries = session
        .deliveries
        .iter()
        .filter(|delivery| delivery.is_accepted() && is_answered_for_itself(delivery));
    let findings = deliveries.filter_map(|delivery| {
        let accepted_at = delivery.answer.as_ref()?.at;
        let fence = delivery.fence.as_ref()?;
        let (ingest, complete) = next_complete(session, fence, accepted_at)?;
        let reported_at = reported.get(delivery.message.as_str());
        let is_broken = reported_at.is_none_or(|at| *at > complete.at)
            && !is_excused(session, delivery, ingest, accepted_at, complete.at);
        is_broken.then(|| {
            let text = format!(
                "{} accepted it at {} and sent `complete` at {} without having run it",
                ingest.party,
                secs(accepted_at),
                secs(complete.at)
            );
            ORACLE.finding_about(&ids(["R11.52"]), complete.at, &delivery.message, text)
        })
    });
    findings.collect()
}

/// Whether the answer is about the turn of the request, and not about another one.
fn is_answered_for_itself(delivery: &Delivery) -> bool {
    let answer = delivery.answer.as_ref();
    let named = answer.and_then(|answer| answer.body["messageId"].as_str());
    named.is_none_or(|id| id == delivery.message)
}

/// The first `complete` of a wrapper under that fence after that time. A script may send one in a wrapper's name.
fn next_complete<'a>(
    session: &SessionHistory<'a>,
    fence: &Fence,
    after: Duration,
) -> Option<(&'a Ingest, &'a WrapperFrame)> {
    let run = session.run;
    let from = run.wrapper_frames.partition_point(|frame| frame.at <= after);
    let frames = run.wrapper_frames[from..].iter();
    let frames = frames.map(|frame| (&run.ingests[frame.ingest], frame));
    let mut completes = frames.filter(|(_, frame)| frame.name == "complete");
    completes.find(|(ingest, _)| {
        *ingest.session == *session.id && ingest.fence == *fence && is_wrapper(&ingest.party)
    })
}

/// The times of the first frames about each turn.
fn first_reports<'a>(session: &SessionHistory<'a>) -> BTreeMap<&'a str, Duration> {
    let mut reported = BTreeMap::new();
    for (_, frame) in session.wrapper_frames() {
        if let Some(("message.updated", properties)) = kilo(&frame.name, &frame.data) {
            let info = &properties["info"];
            for message in [&info["id"], &info["parentID"]]
                .into_iter()
                .filter_map(Value::as_str)
            {
                reported.entry(message).or_insert(frame.at);
            }
        }
    }
    reported
}

/// Whether the wrapper may have dropped the turn in that time, or may have lost its report.
fn is_excused(
    session: &SessionHistory,
    delivery: &Delivery,
    ingest: &Ingest,
    from: Duration,
    until: Duration,
) -> bool {
    let run = session.run;
    let is_then = |at: Duration| (delivery.at..=until).contains(&at);
    let is_stopped = run.stops.iter().any(|stop| {
        is_then(stop.at)
            && stop
                .run
                .as_ref()
                .is_none_or(|stopped| *stopped == ingest.fence.run)
    });
    let is_bound_again = session
        .bindings
        .iter()
        .any(|binding| is_then(binding.at) && binding.fence != ingest.fence);
    // Its last attempt to reconnect may have been one of these: it ends its turns without an event (R11.31).
    let is_refused = run
        .refused
        .iter()
        .any(|refused| refused.door == Door::Ingest && refused.party == ingest.party && is_then(refused.at));
    let has_failed = session.wrapper_frames().any(|(_, frame)| {
        let ends_all = frame.name == "interrupted" || frame.name == "error" && frame.data["fatal"] == true;
        ends_all && is_then(frame.at)
    });
    // It counts the events that it dropped when its buffer overflowed (R11.29).
    let has_lost = session.wrapper_frames().any(|(_, frame)| {
        let lost = frame.data["eventsLost"].as_u64();
        frame.name == "wrapper_resumed" && lost.is_some_and(|lost| lost > 0) && is_then(frame.at)
    });
    let misbehaves = run.faults.misbehaviours(from, until).any(|behaviour| {
        behaviour.silent
            || behaviour.loses_buffer
            || behaviour.keeps_old_socket
            || behaviour.ends_out_of_order
            || behaviour.fatal.is_some()
            || behaviour.finalize.is_some_and(|finalize| finalize.loses_prompts)
    });
    // A wrapper takes a repeated message once, and it may have dropped the first one with an earlier run.
    let is_repeat = session
        .deliveries
        .iter()
        .any(|other| other.message == delivery.message && other.at < delivery.at);
    is_stopped
        || is_bound_again
        || is_refused
        || has_failed
        || has_lost
        || misbehaves
        || is_repeat
        || run.faults.may_have_disrupted(&ingest.host, delivery.at, until)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::credentials::Credentials;

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["wrapper-keeps-its-word"];

    /// A wrapper has run a message, and another one is queued.
    fn with_one_queued() -> Writer {
        let mut writer = Writer::at_work();
        writer.wrapper_sends_assistant(1, "m1", "a1", json!({"completed": 1}));
        writer.assistant("m1", "a1", json!({"completed": 1}));
        writer.completed("m1");
        writer.acked("send", "m2", json!({}));
        writer.queued("m2");
        writer
    }

    /// The wrapper has accepted both, and has run only the first.
    fn at_work_with_two() -> Writer {
        let mut writer = with_one_queued();
        writer.delivered_to("m2", 1);
        writer.sent("m2");
        writer
    }

    /// The findings when the wrapper completes then.
    fn judged_at_complete(mut writer: Writer) -> Vec<String> {
        writer.wrapper_sends(1, "complete", json!({"exitCode": 0}));
        let mut found = writer.judged();
        found.retain(|rule| rule == FOUND[0]);
        found
    }

    fn completes(between: fn(&mut Writer)) -> Vec<String> {
        let mut writer = at_work_with_two();
        between(&mut writer);
        judged_at_complete(writer)
    }

    #[test]
    fn a_turn_that_was_accepted_and_not_run_is_found() {
        assert_eq!(completes(|_| {}), FOUND);
        assert_eq!(
            completes(|writer| writer.wrapper_sends_assistant(1, "m2", "a2", json!({}))),
            NOTHING
        );
    }

    #[test]
    fn an_answer_about_another_turn_accepts_nothing() {
        for (named, rules) in [("m2", &FOUND[..]), ("m3", &NOTHING)] {
            let mut writer = with_one_queued();
            writer.bound(1);
            writer.delivered_and_answered_for("m2", 1, named);
            assert_eq!(judged_at_complete(writer), rules, "{named}");
        }
    }

    #[test]
    fn a_wrapper_that_was_stopped_or_bound_again_may_drop_its_turns() {
        assert_eq!(completes(|writer| writer.is_killed(1)), NOTHING);
        assert_eq!(completes(|writer| writer.bound(2)), NOTHING);
    }

    #[test]
    fn a_wrapper_whose_buffer_overflowed_may_have_lost_the_report() {
        for (lost, expected) in [(1, &NOTHING[..]), (0, &FOUND)] {
            let mut writer = at_work_with_two();
            let data = json!({"bufferedEvents": 1, "eventsLost": lost});
            writer.wrapper_sends(1, "wrapper_resumed", data);
            assert_eq!(judged_at_complete(writer), expected, "{lost}");
        }
    }

    #[test]
    fn a_wrapper_whose_ingest_is_refused_may_drop_its_turns() {
        let ingest = "/sessions/u/s/ingest?wrapperRunId=wr_1&wrapperGeneration=1&wrapperConnectionId=c1";
        for (party, expected) in [("wrapper", &NOTHING[..]), ("ingest:other", &FOUND)] {
            let mut writer = at_work_with_two();
            writer.socket_refused(party, ingest, Credentials::Own, 500);
            assert_eq!(judged_at_complete(writer), expected, "{party}");
        }
    }
}
