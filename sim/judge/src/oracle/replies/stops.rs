//! The replies of `interruptSession` and `deleteSession`, and of everything after a deletion (protocol §2).

use std::time::Duration;

use super::work::moments;
use super::{ORACLE, Reply};
use crate::oracle::history::{Call, SessionHistory};
use crate::oracle::{Finding, secs};
use crate::rules::ids;

/// Procedures that need an existing session and refuse another one with 404 (R2.92).
const REFUSING: [&str; 6] = [
    "send",
    "sendMessageV2",
    "initiateFromKilocodeSessionV2",
    "getSession",
    "getSessionHealth",
    "getLatestAssistantMessage",
];

/// The first request of its user to delete a session.
pub(super) fn first_deletion<'a>(session: &SessionHistory<'a>) -> Option<&'a Call> {
    let mut calls = session.calls.iter().copied();
    calls.find(|call| call.procedure == "deleteSession" && call.is_by_user())
}

/// Findings about replies of a session that was deleted before.
pub(super) fn after_deletion(session: &SessionHistory, deletion: Option<&Call>) -> Vec<Finding> {
    let deleted_at = deletion.and_then(|call| {
        let (at, data) = call.success()?;
        (data["success"] == true).then_some(at)
    });
    let mut findings = Vec::new();
    for call in &session.calls {
        let Some((at, data)) = call.success() else {
            continue;
        };
        if call.procedure == "deleteSession" && data["success"] != true {
            let text = format!("deleteSession was answered 200 with {data}");
            findings.push(ORACLE.finding(&ids(["R2.90", "R2.96"]), at, None, text));
        }
        if deleted_at.is_none_or(|deleted_at| call.at <= deleted_at) {
            continue;
        }
        let exists = REFUSING.contains(&call.procedure.as_str());
        let is_interrupted = call.procedure == "interruptSession" && data["success"] == true;
        if exists || is_interrupted {
            let text = format!(
                "{} was answered 200 after the session had been deleted",
                call.procedure
            );
            findings.push(ORACLE.finding(&ids(["R2.92"]), at, None, text));
        }
    }
    findings
}

/// The finding about a session that was created, was not deleted, and does not exist for its user.
pub(super) fn missing(reply: &Reply) -> Option<Finding> {
    let mut creations = reply.session.calls.iter().filter(|call| call.is_creation());
    let was_created = creations.any(|call| {
        let created_at = call.success().map(|(at, _)| at);
        created_at.is_some_and(|at| at < reply.call.at)
    });
    // An unknown procedure is refused with the same status.
    let is_known = REFUSING.contains(&reply.call.procedure.as_str());
    let is_missing = reply.status == 404 && is_known && was_created && !reply.session.is_removed;
    is_missing.then(|| reply.finding(&ids(["R2.31", "R2.92"]), None, "although the session exists"))
}

/// The share of its lifetime for which a session may still exist afterwards: a server may remove sessions once a day.
const REMOVAL_SLACK: u32 = 10;

/// Findings about a session that exists although nothing happened in it for longer than its lifetime. What counts as
/// activity is a choice (R7.34), so everything does.
pub(super) fn outlived(session: &SessionHistory) -> Vec<Finding> {
    let run = session.run;
    let lifetime = run.context.profile.session_lifetime;
    let is_asked = |call: &&&Call| call.at >= lifetime && REFUSING.contains(&call.procedure.as_str());
    let late = session.calls.iter().filter(is_asked).filter_map(|call| {
        let (at, _) = call.success()?;
        let last = last_activity(session, call.at)?;
        let limit = last + lifetime + lifetime / REMOVAL_SLACK;
        let is_late = call.at > limit && !run.faults.may_have_stopped_server(last, call.at);
        is_late.then(|| {
            let text = format!(
                "{} was answered 200, although nothing had happened since {}",
                call.procedure,
                secs(last)
            );
            ORACLE.finding(&ids(["R7.11"]), at, None, text)
        })
    });
    late.collect()
}

/// The time of the last thing that happened in a session before a time.
fn last_activity(session: &SessionHistory, before: Duration) -> Option<Duration> {
    let calls = session.calls.iter().map(|call| call.at);
    let kept = session.kept.iter().map(|event| event.at);
    let frames = session.wrapper_frames().map(|(_, frame)| frame.at);
    let streams = session
        .streams
        .iter()
        .flat_map(|stream| [Some(stream.opened_at), stream.closed_at]);
    calls
        .chain(kept)
        .chain(frames)
        .chain(streams.flatten())
        .filter(|at| *at < before)
        .max()
}

/// The finding about an interrupt whose reply does not fit the work that it found.
pub(super) fn interrupt(reply: &Reply) -> Vec<Finding> {
    if reply.status != 200 {
        return Vec::new();
    }
    let data = reply.data;
    let mut findings = Vec::new();
    let mut events = reply.log.iter();
    let has_executions = events.any(|event| event.is_of_execution())
        || reply.session.imported_ingests().next().is_some()
        || !reply.session.calls.iter().any(|call| call.is_creation());
    if has_executions {
        return findings;
    }
    if data["processesFound"] != false {
        let text = format!("with the processesFound {}", data["processesFound"]);
        findings.push(reply.finding(&ids(["R2.61"]), None, &text));
    }
    let moments = moments(reply);
    let is_right = match data["success"].as_bool() {
        Some(true) => moments.iter().any(Option::is_some),
        Some(false) => moments.iter().any(Option::is_none),
        None => false,
    };
    if !is_right {
        let text = format!(
            "with the success {}, although the log has other work",
            data["success"]
        );
        findings.push(reply.finding(&ids(["R2.60"]), None, &text));
    }
    findings
}
