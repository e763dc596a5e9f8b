//! Each finalized idle batch has one callback (protocol §8), for its last message and not before it is finalized.

use std::collections::BTreeMap;
use std::time::Duration;

use super::admissions::CallbackTargets;
use super::batches::{Batch, batches};
use super::callback_arrives::is_given_up;
use super::history::{CallbackRequest, SessionHistory};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "one-callback-per-batch",
    rule: "Each finalized batch calls back for its last message, after it is finalized, and there are no other \
        callbacks.",
    why: "The receiver starts follow-up work, such as a comment or a merge, once per callback. A missing, \
        early or additional callback starts it never, too soon or twice.",
    moment: Moment::Always,
    protocol: &ids([
        "R7.15", "R8.1", "R8.2", "R8.3", "R8.4", "R8.5", "R8.6", "R8.7", "R8.8", "R8.24", "R8.38", "R8.39",
        "R8.40",
    ]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.log.is_none() {
        return Vec::new();
    }
    let batches = batches(session);
    let mut firsts = first_requests(session);
    let mut findings = Vec::new();
    for batch in &batches.all {
        match firsts.remove(batch.message) {
            None if batches.are_open => {}
            None => findings.extend(missing(session, batch)),
            Some(first) if first.at < batch.not_before => {
                let text = format!(
                    "its callback came before its batch was finalized at {}",
                    secs(batch.not_before)
                );
                findings.push(ORACLE.finding_about(
                    &ids(["R8.2", "R8.3", "R8.4"]),
                    first.at,
                    batch.message,
                    text,
                ));
            }
            Some(_) => {}
        }
    }
    for (message, first) in firsts {
        let text = "a callback was requested for it, but it is not the last message of a finalized batch";
        if !batches.are_open {
            findings.push(ORACLE.finding_about(&ids(["R8.8"]), first.at, message, text));
        }
    }
    findings
}

/// The first request of each callback for a message, by its key.
pub(super) fn first_requests<'a>(session: &SessionHistory<'a>) -> BTreeMap<&'a str, &'a CallbackRequest> {
    let mut firsts = BTreeMap::new();
    let of_messages = session
        .callbacks
        .iter()
        .filter(|request| !request.is_of_execution());
    for request in of_messages {
        firsts.entry(request.key()).or_insert(*request);
    }
    firsts
}

/// Whether the callback of a finalized batch may still be on its way.
pub(super) fn is_awaited(session: &SessionHistory) -> bool {
    let firsts = first_requests(session);
    let batches = batches(session).all;
    batches.iter().any(|batch| {
        batch.is_certain && !firsts.contains_key(batch.message) && session.run.end <= due_at(session, batch)
    })
}

/// The time by which a request of a batch's callback reaches the receiver: the first one, or the first one that begins after
/// the receiver was unreachable.
fn due_at(session: &SessionHistory, batch: &Batch) -> Duration {
    let profile = &session.run.context.profile;
    let unreachable_until = session.run.faults.receiver_unreachable_until();
    let mut latest = batch.not_before.saturating_add(profile.callback_latency);
    // An attempt fails at once, or after the whole time limit.
    let mut earliest = batch.not_before;
    let mut delay = profile.callback_retry_base;
    for _ in 1..profile.callback_attempts.get() {
        if unreachable_until.is_none_or(|until| until < earliest) {
            break;
        }
        earliest = earliest.saturating_add(delay);
        latest = latest
            .saturating_add(delay)
            .saturating_add(profile.callback_timeout);
        delay = delay.saturating_mul(2);
    }
    latest.saturating_add(session.run.max_transit())
}

/// The finding about a batch whose callback never reached the receiver.
fn missing(session: &SessionHistory, batch: &Batch) -> Option<Finding> {
    if !batch.is_certain
        || session.run.end <= due_at(session, batch)
        || is_given_up(session, &[], batch.not_before)
        || !is_owed(session, batch.message)
    {
        return None;
    }
    let text = format!(
        "its batch was finalized at {}, but its callback never reached the receiver",
        secs(batch.not_before)
    );
    Some(ORACLE.finding_about(&ids(["R8.8"]), session.run.end, batch.message, text))
}

/// The most bytes of a job's JSON without its target, texts and branch.
const SMALL_FIELDS: usize = 2_000;

/// Whether the queue certainly sends a request for a message to the receiver: every target that it may have been
/// admitted with is there, and its job fits the queue.
pub(super) fn is_owed(session: &SessionHistory, message: &str) -> bool {
    let Some(queued) = session.queued_of(message) else {
        return true;
    };
    let targets = CallbackTargets::of(session);
    let branches = session.kept.iter().filter(|event| event.name == "complete");
    let longest_branch = branches
        .map(|event| event.data["currentBranch"].to_string().len())
        .max();
    let size = targets.largest(queued.at) + longest_branch.unwrap_or(0) + SMALL_FIELDS;
    let context = &session.run.context;
    targets.reach(&context.receiver, queued.at) && size <= context.profile.callback_job_limit
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{Fault, Link, Place};

    use crate::oracle::written::Writer;
    use crate::parties::{RECEIVER, SERVER};

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["one-callback-per-batch"];

    #[test]
    fn a_missing_and_an_additional_callback_are_found() {
        let mut missing = Writer::with_callback("m1");
        missing.turn("m1");
        assert_eq!(missing.judged(), FOUND);

        let mut unasked = Writer::started("m1");
        unasked.turn("m1");
        unasked.called_back("m1", json!({}), 200);
        assert_eq!(unasked.judged(), FOUND);
    }

    #[test]
    fn a_callback_is_awaited_until_it_was_tried_again_after_the_receiver_was_unreachable() {
        for (is_unreachable, seconds, is_awaited) in
            [(false, 50, false), (true, 50, true), (true, 200, false)]
        {
            let mut writer = Writer::with_callback("m1");
            let change = |writer: &mut Writer, event| {
                if is_unreachable {
                    writer.world(event);
                }
            };
            change(&mut writer, WorldEvent::of(&Fault::crash(RECEIVER)));
            writer.turn("m1");
            writer.wait(5);
            let place = Place::host(RECEIVER);
            change(&mut writer, WorldEvent::Ended { place });
            let awaited = writer.awaits_after(seconds);
            assert_eq!(awaited, is_awaited, "{is_unreachable} {seconds}");
        }
    }

    #[test]
    fn a_callback_for_another_message_than_the_last_of_its_batch_is_found() {
        for (message, rules) in [("m1", &FOUND[..]), ("m2", &NOTHING[..])] {
            let mut writer = Writer::with_callback("m1");
            writer.queued("m1");
            writer.acked("send", "m2", json!({}));
            writer.queued("m2");
            for message in ["m1", "m2"] {
                writer.delivered(message);
                writer.sent(message);
                writer.completed(message);
            }
            writer.idle();
            writer.called_back(message, json!({}), 200);
            let mut found = writer.judged();
            found.dedup();
            assert_eq!(found, rules);
        }
    }

    #[test]
    fn the_idle_may_come_before_the_acceptance() {
        let early = |source: &str| {
            let mut writer = Writer::with_callback("m1");
            writer.queued("m1");
            writer.delivered("m1");
            writer.idle();
            writer.sent("m1");
            writer.wait(15);
            let reason = json!({"completionSource": source, "error": "no reply"});
            writer.failed("m1", reason);
            writer.called_back("m1", json!({}), 200);
            writer.wait(10);
            writer.event("interrupted", json!({}));
            writer.judged().contains(&FOUND[0].to_owned())
        };
        assert!(!early("idle_reconciliation"));
        assert!(early("assistant_message_event"));
    }

    #[test]
    fn a_callback_before_the_idle_is_found_unless_the_user_interrupted() {
        let early = |interrupts: Option<bool>| {
            let mut writer = Writer::with_callback("m1");
            writer.queued("m1");
            writer.delivered("m1");
            writer.sent("m1");
            writer.completed("m1");
            if let Some(success) = interrupts {
                let body = json!({"result": {"data": {"success": success}}});
                writer.answered("interruptSession", json!({}), 200, body);
            }
            writer.called_back("m1", json!({}), 200);
            writer.idle();
            writer.judged()
        };
        assert_eq!(early(None), FOUND);
        assert_eq!(early(Some(false)), FOUND, "it found nothing to interrupt");
        assert_eq!(early(Some(true)), NOTHING);
    }

    #[test]
    fn the_idle_of_a_child_finalizes_nothing() {
        let mut writer = Writer::with_callback("m1");
        writer.queued("m1");
        writer.delivered("m1");
        writer.sent("m1");
        writer.completed("m1");
        writer.kilo("session.idle", json!({"sessionID": "child"}));
        writer.called_back("m1", json!({}), 200);
        writer.idle();
        assert_eq!(writer.judged(), FOUND);
    }

    #[test]
    fn a_gate_result_is_awaited_until_complete() {
        for (comes_early, rules) in [(true, &FOUND[..]), (false, &NOTHING[..])] {
            let mut writer = Writer::with_callback("m1");
            writer.acked(
                "send",
                "m2",
                json!({"message": {"id": "m2"}, "finalization": {"gateThreshold": "all"}}),
            );
            writer.queued("m1");
            writer.queued("m2");
            for message in ["m1", "m2"] {
                writer.delivered(message);
                writer.sent(message);
                writer.completed(message);
            }
            writer.idle();
            if comes_early {
                writer.called_back("m2", json!({}), 200);
            }
            writer.event("complete", json!({"exitCode": 0, "gateResult": "pass"}));
            if !comes_early {
                writer.called_back("m2", json!({"gateResult": "pass"}), 200);
            }
            assert_eq!(writer.judged(), rules);
        }
    }

    #[test]
    fn an_invalid_complete_finalizes_nothing() {
        for (complete, rules) in [
            (json!({"exitCode": 0}), &NOTHING[..]),
            (json!({"gateResult": "pass"}), &FOUND),
            (json!({"exitCode": 0, "gateResult": "maybe"}), &FOUND),
        ] {
            let mut writer = Writer::with_callback("m1");
            writer.queued("m1");
            writer.delivered("m1");
            writer.sent("m1");
            writer.completed("m1");
            writer.event("complete", complete.clone());
            writer.called_back("m1", json!({}), 200);
            writer.idle();
            assert_eq!(writer.judged(), rules, "{complete}");
        }
    }

    #[test]
    fn a_message_that_complete_settles_needs_neither_idle_nor_gate_result() {
        let mut writer = Writer::with_callback("m1");
        writer.acked(
            "send",
            "m2",
            json!({"message": {"id": "m2"}, "finalization": {"gateThreshold": "all"}}),
        );
        writer.bound(1);
        writer.opens_ingest(1);
        for message in ["m1", "m2"] {
            writer.queued(message);
            writer.delivered_to(message, 1);
            writer.sent(message);
        }
        writer.at_once(|writer| {
            writer.event("complete", json!({"exitCode": 0}));
            for message in ["m1", "m2"] {
                writer.completed_with(message, json!({"completionSource": "idle_reconciliation"}));
            }
        });
        writer.called_back("m2", json!({}), 200);
        assert_eq!(writer.judged(), NOTHING);
    }

    #[test]
    fn a_batch_whose_wrapper_is_connected_and_never_idle_is_not_finalized() {
        for (is_there, rules) in [(true, &NOTHING[..]), (false, &FOUND[..])] {
            let mut writer = Writer::with_callback("m1");
            writer.bound(1);
            if is_there {
                writer.opens_ingest(1);
            }
            writer.queued("m1");
            writer.delivered("m1");
            writer.sent("m1");
            writer.completed("m1");
            assert_eq!(writer.judged(), rules);
        }
    }

    #[test]
    fn a_callback_whose_target_is_not_the_receiver_need_not_reach_it() {
        for (url, rules) in [
            ("http://receiver:9200/elsewhere", &FOUND[..]),
            ("http://receiver:9/callback", &NOTHING),
            ("http://receiver/callback", &NOTHING),
            ("https://receiver:9200/callback", &NOTHING),
        ] {
            let mut writer = Writer::with_target("m1", json!({"url": url}));
            writer.turn("m1");
            assert_eq!(writer.judged(), rules, "{url}");
        }
    }

    #[test]
    fn a_job_that_does_not_fit_the_queue_is_given_up() {
        let target = json!({"url": "http://receiver:9200/callback", "headers": {"x": "a".repeat(200_000)}});
        let mut writer = Writer::with_target("m1", target);
        writer.turn("m1");
        assert_eq!(writer.judged(), NOTHING);
    }

    #[test]
    fn a_target_that_is_set_during_an_admission_allows_both_outcomes() {
        for calls_back in [true, false] {
            let mut writer = Writer::started("m1");
            let target = json!({"url": "http://receiver:9200/callback"});
            writer.requests("updateSession", json!({"callbackTarget": target}));
            writer.turn("m1");
            if calls_back {
                writer.called_back("m1", json!({}), 200);
            }
            assert_eq!(writer.judged(), NOTHING);
        }
    }

    #[test]
    fn a_receiver_that_was_unreachable_until_the_last_attempt_needs_no_callback() {
        for (minutes, rules) in [(14, &FOUND[..]), (16, &NOTHING[..])] {
            let mut writer = Writer::with_callback("m1");
            writer.turn("m1");
            let link = Link::between(SERVER, RECEIVER);
            writer.world(WorldEvent::of(&Fault::cut(&link)));
            writer.wait(minutes * 60);
            writer.world(WorldEvent::Ended {
                place: Place::EveryLink,
            });
            assert_eq!(writer.judged(), rules);
        }
    }
}
