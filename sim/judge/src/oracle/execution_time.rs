//! An execution of an older service times out an hour after its start (protocol §7, §10), neither earlier nor later.
//!
//! The wire shows the start in `getSession`, which another server may leave out: then nothing is judged.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::history::{SessionHistory, StreamEvent, is_execution};
use super::{Check, Finding, Late, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "executions-end-in-time",
    rule: "An imported execution times out when its time since its start has passed, not earlier, and not later if \
        nothing ended it before.",
    why: "Nothing else ends an execution whose wrapper never connects, and an end before its time ends a turn that \
        still runs.",
    moment: Moment::Always,
    protocol: &ids(["R7.10", "R10.31"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let run = session.run;
    if session.log.is_none() || session.is_removed || run.faults.clock().was_set(run.end) {
        return Vec::new();
    }
    let dues = dues(session);
    dues.into_iter()
        .filter_map(|(execution, due)| misplaced(session, execution, due))
        .collect()
}

/// The time-outs of the executions that the server reported as unfinished.
fn dues<'a>(session: &SessionHistory<'a>) -> BTreeMap<&'a str, Duration> {
    let mut dues = BTreeMap::new();
    for call in session.calls.iter().filter(|call| call.procedure == "getSession") {
        let Some((_, data)) = call.success() else { continue };
        let execution = &data["execution"];
        let id = execution["id"].as_str().filter(|id| is_execution(id));
        if let (Some(id), Some(started_at)) = (id, execution["startedAt"].as_i64()) {
            let since = started_at.saturating_sub(session.run.epoch.as_millisecond());
            let timeout = SignedDuration::try_from(session.run.context.profile.execution_timeout);
            let due =
                SignedDuration::from_millis(since).saturating_add(timeout.unwrap_or(SignedDuration::MAX));
            // One that was over before the run is due with the first start of the server.
            dues.insert(id, Duration::try_from(due).unwrap_or_default());
        }
    }
    dues
}

/// The finding about an execution that timed out too early or too late.
fn misplaced(session: &SessionHistory, execution: &str, due: Duration) -> Option<Finding> {
    let run = session.run;
    let mut events = session.kept.iter().copied();
    let end = events.find(|event| event.execution() == Some(execution) && is_end(event));
    let leeway = run.time_error() + run.max_transit();
    if let Some(end) = end.filter(|end| is_time_out(session, execution, end))
        && end.at + leeway < due
    {
        let text = format!(
            "event {} ends {execution} at {} as timed out, which was due at {}",
            end.id,
            secs(end.at),
            secs(due)
        );
        return Some(ORACLE.finding(&ids(["R7.10", "R10.31"]), run.first_seen(end), None, text));
    }
    let limit = due + run.context.profile.resume_delay + leeway;
    let from = due.saturating_sub(leeway);
    let is_disturbed =
        run.faults.may_have_stopped_server(from, limit) || run.faults.store_may_have_failed(from, limit);
    let ended_at = end.map(|end| end.at);
    // The end of one that loses its wrapper is no kept event, so it may have been missed.
    let mut ingests = session.imported_ingests();
    let had_wrapper = ingests.any(|ingest| ingest.execution == execution);
    let is_late = match ended_at {
        Some(at) => at > limit,
        None => !had_wrapper && run.end > limit,
    };
    (is_late && !is_disturbed).then(|| {
        let ended = ended_at.map_or("did not end".to_owned(), |at| format!("ended at {}", secs(at)));
        let text = format!("{execution} was due to time out at {}, but {ended}", secs(due));
        let late = Late { limit, at: ended_at };
        ORACLE.finding_late(run, &ids(["R7.10", "R10.31"]), late, None, &text)
    })
}

/// Whether an event of an execution ends it (R10.27 to R10.32).
fn is_end(event: &StreamEvent) -> bool {
    match event.name.as_str() {
        "complete" | "interrupted" | "wrapper_disconnected" => true,
        "error" => event.data["fatal"] == true,
        _ => false,
    }
}

/// Whether an end reports the time-out: a fatal error that no wrapper sent.
fn is_time_out(session: &SessionHistory, execution: &str, end: &StreamEvent) -> bool {
    let mut frames = session.imported_frames();
    end.name == "error"
        && !frames.any(|(ingest, frame)| {
            ingest.execution == execution && frame.name == "error" && frame.data == end.data
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["executions-end-in-time"];

    /// 2026-01-01, where written traces begin, in Unix milliseconds.
    const EPOCH_MS: i64 = 1_767_225_600_000;

    /// A session whose execution began 50 minutes before the run, so that ten minutes are left.
    fn imported() -> Writer {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        let execution = json!({"id": "exc_1", "status": "running", "startedAt": EPOCH_MS - 50 * 60_000});
        let data = json!({"cloudAgentSessionId": "s", "execution": execution});
        let body = json!({"result": {"data": data}});
        writer.answered("getSession", json!({"cloudAgentSessionId": "s"}), 200, body);
        writer
    }

    fn found(writer: Writer) -> Vec<String> {
        let mut found = writer.judged();
        found.retain(|rule| rule == FOUND[0]);
        found
    }

    #[test]
    fn an_execution_times_out_an_hour_after_its_start() {
        for (seconds, rules) in [(500, &FOUND[..]), (600, &NOTHING), (700, &FOUND)] {
            let mut writer = imported();
            writer.wait_until(seconds);
            writer.event_of("exc_1", "error", json!({"fatal": true, "error": "timed out"}));
            assert_eq!(found(writer), rules, "{seconds}");
        }
        let mut writer = imported();
        writer.wait(700);
        assert_eq!(found(writer), FOUND);
    }

    #[test]
    fn an_execution_that_ended_before_does_not_time_out() {
        let mut writer = imported();
        writer.event_of("exc_1", "complete", json!({"exitCode": 0}));
        writer.wait(700);
        assert_eq!(found(writer), NOTHING);
        let mut writer = imported();
        let error = json!({"fatal": true, "error": "out of memory"});
        writer.opens_ingest_of("exc_1");
        writer.imported_wrapper_sends("exc_1", "error", error.clone());
        writer.event_of("exc_1", "error", error);
        writer.wait(700);
        assert_eq!(found(writer), NOTHING);
        let mut writer = imported();
        writer.opens_ingest_of("exc_1");
        writer.wait(700);
        assert_eq!(found(writer), NOTHING, "it may have lost its wrapper");
    }
}
