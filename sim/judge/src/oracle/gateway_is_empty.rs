//! At the end of the run no request is left at the gateway (protocol §11): no turn continues after its message has
//! ended.
//!
//! A wrapper whose connection died silently does not receive the order to stop and continues its turn. It still regards
//! its ingest as open. That is no violation. Neither is a turn whose message another report ended while its run goes on:
//! the end of a message orders no wrapper to stop.

use serde_json::json;

use super::fences::Fences;
use super::history::{Fence, History, SessionHistory};
use super::{Check, Finding, Moment, Oracle};
use crate::parties::host_of;
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "gateway-is-empty",
    rule: "No request is parked at the gateway, and no answer is in progress.",
    why: "A request that outlives its turn costs money, and it shows that a wrapper still works for a message \
        that has ended.",
    moment: Moment::AtEnd,
    protocol: &ids(["R5.34", "R6.25", "R6.26", "R7.13"]),
    check: Check::Run(check),
};

fn check(history: &History) -> Vec<Finding> {
    let text = match &history.waiters {
        None => "the gateway did not report its requests".to_owned(),
        Some(waiters) if waiters["tags"] == json!([]) && waiters["liveResponses"] == 0 => return Vec::new(),
        Some(_) if has_unreachable_wrapper(history) => return Vec::new(),
        Some(_) if history.sessions().iter().any(has_turn_without_message) => return Vec::new(),
        Some(waiters) => format!("the gateway still has {waiters}"),
    };
    vec![ORACLE.finding(&ids(["R6.25", "R7.13"]), history.end, None, text)]
}

/// Whether the connection of a wrapper may have died without a close that the wrapper received.
fn has_unreachable_wrapper(history: &History) -> bool {
    let mut ingests = history.ingests.iter();
    ingests.any(|ingest| {
        let host = host_of(&ingest.party);
        ingest.closed_at.is_none() && history.faults.may_have_died(host, ingest.opened_at)
    })
}

/// Whether a report ended a message of a run that goes on: its wrapper is connected, and the wire shows no end of it. Its
/// turn may still be at work if the report was not its own.
fn has_turn_without_message(session: &SessionHistory) -> bool {
    let fences = Fences::of(session);
    let connected = session.ingests().filter(|ingest| {
        ingest.closed_at.is_none() && fences.stale_from(ingest.fence.generation) > session.run.end
    });
    let mut reported = session
        .ends
        .iter()
        .filter(|end| end.data["completionSource"] == "assistant_message_event")
        .filter_map(|end| session.run_of(end.message()?, end.at + session.run.time_error()));
    let connected: Vec<&Fence> = connected.map(|ingest| &ingest.fence).collect();
    reported.any(|fence| connected.contains(&fence))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    #[test]
    fn a_turn_whose_message_another_report_ended_may_go_on_with_its_run() {
        for (is_interrupted, rules) in [(false, &[][..]), (true, &["gateway-is-empty"])] {
            let mut writer = Writer::at_work();
            if is_interrupted {
                writer.interrupts(200);
                writer.is_at_the_moment(|writer| {
                    writer.interrupted("m1");
                    writer.is_killed(1);
                    writer.is_aborted("wr_1");
                });
            } else {
                writer.completed("m1");
            }
            writer.waiters(json!({"tags": [{"tag": "t", "count": 1}], "liveResponses": 1}));
            assert_eq!(writer.judged(), rules, "{is_interrupted}");
        }
    }

    #[test]
    fn a_request_left_at_the_gateway_and_a_missing_report_are_found() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        for waiters in [
            json!({"tags": [], "liveResponses": 1}),
            json!({"tags": [{"tag": "t", "count": 1}], "liveResponses": 0}),
            json!(null),
        ] {
            writer.waiters(waiters);
            assert_eq!(writer.clone().judged(), ["gateway-is-empty"]);
        }
    }
}
