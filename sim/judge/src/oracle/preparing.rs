//! The server tells clients that a workspace is being prepared only while it is (protocol §5): not once the session has
//! had a ready workspace. A wrapper may say so at any time.

use std::time::Duration;

use serde_json::Value;

use super::history::{CONNECTED, SessionHistory, StreamEvent, WrapperFrame};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "preparing-only-while-cold",
    rule: "Once a session has had a ready workspace, no event of the server says that it is being prepared.",
    why: "Clients show a preparation instead of the conversation. One that is announced and does not happen hides \
        what the agent does.",
    moment: Moment::Always,
    protocol: &ids(["R5.19", "R5.20", "R5.23", "R5.87", "R9.36"]),
    check: Check::Sessions(check),
};

/// The event that reports a preparation, and the type of the cloud status that does.
const PREPARING: &str = "preparing";

fn check(session: &SessionHistory) -> Vec<Finding> {
    // A turn is delivered only once the workspace is ready, and everything that reports the preparation precedes it.
    // Frames of the wrapper of an imported execution are not recorded.
    let ready_by = match session.deliveries.first() {
        Some(first) if session.imported_ingests().next().is_none() => first.at + session.run.time_error(),
        _ => return Vec::new(),
    };
    let announced: Vec<&WrapperFrame> = session
        .wrapper_frames()
        .map(|(_, frame)| frame)
        .filter(|frame| frame.name == PREPARING)
        .collect();
    let mut findings = Vec::new();
    for stream in &session.streams {
        let mut shown = session.run.shown(stream);
        let violation = shown.find(|seen| {
            seen.event.at > ready_by
                && reports_preparation(&seen.event)
                && !is_of_wrapper(&seen.event, &announced, session.run.time_error())
        });
        findings.extend(violation.map(|seen| {
            let violated = if seen.event.name == CONNECTED { "R9.36" } else { "R5.23" };
            let text = format!(
                "{} received {}, which says that the workspace is being prepared, but a turn was delivered at {}",
                stream.party,
                seen.event.name,
                secs(ready_by)
            );
            ORACLE.finding(&[RuleId::named(violated)], seen.seen_at, None, text)
        }));
    }
    findings
}

/// Whether an event says that the workspace is being prepared.
fn reports_preparation(event: &StreamEvent) -> bool {
    match event.name.as_str() {
        PREPARING => true,
        CONNECTED | "cloud.status" => event.data["cloudStatus"]["type"] == PREPARING,
        _ => false,
    }
}

/// Whether an event may come from a frame of the wrapper, unchanged or as a cloud status.
fn is_of_wrapper(event: &StreamEvent, announced: &[&WrapperFrame], time_error: Duration) -> bool {
    let status = &event.data["cloudStatus"];
    let is_same = |data: &Value| match event.name.as_str() {
        PREPARING => *data == *event.data,
        _ => data["step"] == status["step"] && data["message"] == status["message"],
    };
    event.name != CONNECTED
        && announced
            .iter()
            .any(|frame| frame.at <= event.at + time_error && is_same(&frame.data))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use crate::oracle::written::Writer;
    use crate::parties::OBSERVER;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["preparing-only-while-cold"];

    fn step() -> Value {
        json!({"step": "workspace_ready", "message": "Workspace ready"})
    }

    fn status() -> Value {
        json!({"cloudStatus": {"type": "preparing", "step": "workspace_ready", "message": "Workspace ready"}})
    }

    fn reports(writer: &mut Writer) {
        writer.client_receives_unkept(OBSERVER, "preparing", step());
        writer.client_receives_unkept(OBSERVER, "cloud.status", status());
    }

    #[test]
    fn a_preparation_that_is_reported_after_the_first_turn_is_found() {
        let mut cold = Writer::started("m1");
        cold.queued("m1");
        reports(&mut cold);
        cold.bound(1);
        reports(&mut cold);
        cold.delivered("m1");
        cold.sent("m1");
        cold.completed("m1");
        assert_eq!(cold.clone().judged(), NOTHING);
        for (name, data) in [("preparing", step()), ("cloud.status", status())] {
            let mut warm = cold.clone();
            warm.client_receives_unkept(OBSERVER, name, data);
            assert_eq!(warm.judged(), FOUND, "{name}");
        }
        cold.opens_ingest(1);
        cold.wrapper_sends(1, "autocommit_started", json!({}));
        cold.client_receives_unkept(
            OBSERVER,
            "cloud.status",
            json!({"cloudStatus": {"type": "finalizing", "step": "committing"}}),
        );
        assert_eq!(cold.judged(), NOTHING);
    }

    #[test]
    fn in_real_time_a_report_may_come_a_moment_after_the_turn() {
        for (milliseconds, is_found) in [(10_000, false), (150, true)] {
            let mut writer = Writer::started("m1");
            writer.in_real_time(Duration::from_millis(milliseconds));
            writer.bound(1);
            writer.turn("m1");
            writer.client_receives_unkept(OBSERVER, "preparing", step());
            let found = writer.judged().contains(&FOUND[0].to_owned());
            assert_eq!(found, is_found, "{milliseconds}");
        }
    }

    #[test]
    fn a_wrapper_may_report_a_preparation() {
        for (announced, rules) in [(step(), &NOTHING[..]), (json!({"step": "other"}), &FOUND)] {
            let mut writer = Writer::started("m1");
            writer.bound(1);
            writer.opens_ingest(1);
            writer.turn("m1");
            writer.wrapper_sends(1, "preparing", announced);
            reports(&mut writer);
            assert_eq!(writer.judged(), rules);
        }
    }

    #[test]
    fn a_client_that_connects_later_is_not_told_of_a_preparation() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer.client_opens("late", 4);
        writer.client_receives_unkept("late", "connected", json!({"cloudStatus": {"type": "preparing"}}));
        assert_eq!(writer.judged(), FOUND);
    }
}
