//! One callback for each finalized idle batch (protocol §8): for its last message, and not before the batch
//! was finalized.

use std::collections::BTreeMap;

use super::batches::{Batch, batches};
use super::callback_arrives::is_given_up;
use super::history::{CallbackRequest, SessionHistory};
use super::{Broken, Check, Oracle, secs};

pub(super) const ORACLE: Oracle = Oracle {
    name: "one-callback-per-batch",
    rule: "Each finalized batch calls back for its last message, not earlier, and nothing else does.",
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Broken> {
    if session.log.is_none() {
        return Vec::new();
    }
    let batches = batches(session);
    let mut firsts = first_requests(session);
    let mut broken = Vec::new();
    for batch in &batches.all {
        match firsts.remove(batch.message) {
            None if batches.are_open => {}
            None => broken.extend(missing(session, batch)),
            Some(first) if first.at < batch.not_before => {
                let text = format!(
                    "its callback came before its batch was finalized at {}",
                    secs(batch.not_before)
                );
                broken.push(Broken::new(first.at, batch.message, text));
            }
            Some(_) => {}
        }
    }
    for (message, first) in firsts {
        let text = "a callback came for it, and it is not the last message of any finalized batch";
        if !batches.are_open {
            broken.push(Broken::new(first.at, message, text));
        }
    }
    broken
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

/// A batch of which the receiver has heard nothing.
fn missing(session: &SessionHistory, batch: &Batch) -> Option<Broken> {
    if !batch.is_certain || is_given_up(session, &[], batch.not_before) {
        return None;
    }
    let text = format!(
        "it is the last of a batch that was finalized at {}, and the receiver still waits for its callback",
        secs(batch.not_before)
    );
    Some(Broken::new(session.run.end, batch.message, text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{Fault, Link, Place};

    use crate::oracle::written::Writer;
    use crate::parties::{RECEIVER, SERVER};

    const NOTHING: [&str; 0] = [];
    const BROKEN: [&str; 1] = ["one-callback-per-batch"];

    #[test]
    fn a_batch_without_a_callback_or_with_one_too_many_is_noticed() {
        let mut missing = Writer::with_callback("m1");
        missing.turn("m1");
        assert_eq!(missing.judged(), BROKEN);

        let mut unasked = Writer::started("m1");
        unasked.turn("m1");
        unasked.called_back("m1", json!({}), 200);
        assert_eq!(unasked.judged(), BROKEN);
    }

    #[test]
    fn a_callback_for_another_than_the_last_of_a_batch_is_noticed() {
        for (message, rules) in [("m1", &BROKEN[..]), ("m2", &NOTHING[..])] {
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
    fn a_callback_before_the_idle_is_noticed_unless_the_user_interrupted() {
        let early = |interrupts: bool| {
            let mut writer = Writer::with_callback("m1");
            writer.queued("m1");
            writer.delivered("m1");
            writer.sent("m1");
            writer.completed("m1");
            if interrupts {
                writer.answered(
                    "interruptSession",
                    json!({}),
                    200,
                    json!({"result": {"data": {}}}),
                );
            }
            writer.called_back("m1", json!({}), 200);
            writer.idle();
            writer.judged()
        };
        assert_eq!(early(false), BROKEN);
        assert_eq!(early(true), NOTHING);
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
        assert_eq!(writer.judged(), BROKEN);
    }

    #[test]
    fn a_gate_result_is_waited_for_until_the_wrapper_is_done() {
        for (comes_early, rules) in [(true, &BROKEN[..]), (false, &NOTHING[..])] {
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
    fn a_batch_whose_wrapper_is_there_and_never_idle_is_not_finalized() {
        for (is_there, rules) in [(true, &NOTHING[..]), (false, &BROKEN[..])] {
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
    fn a_target_that_is_set_while_a_message_is_admitted_leaves_both_outcomes_open() {
        for calls_back in [true, false] {
            let mut writer = Writer::started("m1");
            let target = json!({"url": "http://receiver:9200/callback"});
            writer.asks("updateSession", json!({"callbackTarget": target}));
            writer.turn("m1");
            if calls_back {
                writer.called_back("m1", json!({}), 200);
            }
            assert_eq!(writer.judged(), NOTHING);
        }
    }

    #[test]
    fn a_receiver_that_was_out_of_reach_until_the_last_attempt_is_owed_nothing() {
        for (minutes, rules) in [(14, &BROKEN[..]), (16, &NOTHING[..])] {
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
