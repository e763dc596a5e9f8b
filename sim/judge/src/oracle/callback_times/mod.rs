//! Callbacks keep their times (protocol §8): a job is submitted at once when its batch is finalized, and again a delay
//! after each refusal by the queue; it is requested at once, and again after the delay that follows each failure.
//!
//! A stop of the server and a failure of its disk, of its queue or of the way to the receiver excuse what may have been
//! affected. Submissions are recorded only in simulated worlds; live, the first request is judged by the batch. The file
//! `requests` has the times of requests.

mod requests;

use std::collections::BTreeMap;
use std::time::Duration;

use turnstile_events::queue::QueueAnswer;

use super::admissions::{Likely, wants_gate};
use super::batches::{Batch, batches};
use super::history::SessionHistory;
use super::one_callback::{first_requests, is_owed};
use super::{Check, Finding, Late, Moment, Oracle, secs};
use crate::parties::RECEIVER;
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "callbacks-are-on-time",
    rule: "A callback is submitted when its batch is finalized and again a delay after each refusal, and requested \
        when the queue has it and again a delay after each failure: neither earlier nor later.",
    why: "The receiver starts follow-up work with the callback. A retry that comes late delays that work without an \
        error, and retries that come early overload a queue or a receiver that is in trouble.",
    moment: Moment::Always,
    protocol: &ids([
        "R7.9", "R7.28", "R8.2", "R8.20", "R8.21", "R8.26", "R8.28", "R8.30", "R8.31", "R8.39",
    ]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.log.is_none() {
        return Vec::new();
    }
    let submissions = submissions(session);
    let mut findings = Vec::new();
    for (owner, submitted) in &submissions {
        findings.extend(resubmitted(session, owner, submitted));
    }
    findings.extend(first_steps(session, &submissions));
    findings.extend(requests::misplaced(session, &submissions));
    findings
}

/// The submissions of each job of a session, with the times of the queue's answers.
type Submissions<'a> = BTreeMap<&'a str, Vec<(Duration, QueueAnswer)>>;

fn submissions<'a>(session: &SessionHistory<'a>) -> Submissions<'a> {
    let mut submissions = Submissions::new();
    for (at, submission) in &session.run.submissions {
        if submission.body["cloudAgentSessionId"] == session.id {
            let of_owner = submissions.entry(&*submission.submitted).or_default();
            of_owner.push((*at, submission.answer));
        }
    }
    submissions
}

/// Findings about submissions that follow a refusal too early or too late.
fn resubmitted(session: &SessionHistory, owner: &str, submitted: &[(Duration, QueueAnswer)]) -> Vec<Finding> {
    let run = session.run;
    let delay = run.context.profile.enqueue_retry_delay;
    let mut findings = Vec::new();
    for (place, (refused_at, answer)) in submitted.iter().enumerate() {
        if *answer != QueueAnswer::Refused {
            continue;
        }
        let next = submitted.get(place + 1).map(|(at, _)| *at);
        let due = *refused_at + delay;
        let refusal = format!("the queue did not accept its job at {}", secs(*refused_at));
        if let Some(at) = next.filter(|at| *at + run.time_error() < due)
            && !run.faults.may_have_stopped_server(*refused_at, at)
        {
            let text = format!("{refusal}, and it was submitted again at {}, too early", secs(at));
            findings.push(ORACLE.finding_about(&ids(["R8.20"]), at, owner, text));
        }
        if let Some(at) = next
            && let Some(restarted_at) = resumed_too_early(session, *refused_at, due, at)
        {
            let restart = format!("the server was restarted at {}", secs(restarted_at));
            let text = format!(
                "{refusal}, {restart}, and it was submitted again at {}, at once",
                secs(at)
            );
            findings.push(ORACLE.finding_about(&ids(["R7.28"]), at, owner, text));
        }
        let limit = limit(session, *refused_at, due, next.unwrap_or(run.end));
        if next.is_none() && session.is_removed {
            continue;
        }
        if let Some(limit) = limit.filter(|limit| next.unwrap_or(run.end) > *limit) {
            let again = next.map_or("was not submitted again".to_owned(), |at| {
                format!("was submitted again at {}", secs(at))
            });
            let text = format!("{refusal}, and it {again}");
            let late = Late { limit, at: next };
            findings.push(ORACLE.finding_late(run, &ids(["R7.9", "R8.21"]), late, Some(owner), &text));
        }
    }
    findings
}

/// The time of the restart after which a retry that was overdue came before the delay of such deadlines (R7.28), if it did.
/// The refusal was certainly stored before the server stopped.
fn resumed_too_early(
    session: &SessionHistory,
    refused_at: Duration,
    due: Duration,
    at: Duration,
) -> Option<Duration> {
    let (run, faults) = (session.run, &session.run.faults);
    let restarted_at = faults.server_restarted_at(at)?;
    let stopped_at = faults.server_stopped_before(restarted_at)?;
    let stored_by = refused_at + run.max_transit() + run.time_error();
    let is_stored = stored_by < stopped_at
        && !faults.store_may_have_failed(refused_at, at)
        && !faults.may_have_stopped_server(refused_at, stored_by);
    // Before the stop it may have been due and not done.
    let was_due = stopped_at + run.time_error() < due && due + run.time_error() < restarted_at;
    let is_early = at + run.time_error() < restarted_at + run.context.profile.resume_delay;
    // A clock that was set forward may have made it due before the stop, in an earlier process.
    let is_by_clock = faults.clock().went_forward(refused_at, stopped_at);
    (is_stored && was_due && is_early && !is_by_clock).then_some(restarted_at)
}

/// Findings about jobs that were submitted late, and about first requests that came late.
fn first_steps(session: &SessionHistory, submissions: &Submissions) -> Vec<Finding> {
    let batches = batches(session);
    if batches.are_open {
        return Vec::new();
    }
    let firsts = first_requests(session);
    let judged = batches
        .all
        .iter()
        .filter(|batch| is_finalized_at_once(session, batch));
    let findings = judged.flat_map(|batch| {
        let submitted = submissions
            .get(batch.message)
            .and_then(|submitted| submitted.first());
        let first = firsts.get(batch.message).map(|first| first.at);
        let is_recorded = !session.run.submissions.is_empty();
        let submission = submitted.and_then(|(at, _)| late_submission(session, batch, *at));
        let taken_at = match submitted {
            Some((at, QueueAnswer::Accepted)) => Some(*at),
            Some(_) => None,
            None => (!is_recorded).then_some(batch.not_before),
        };
        let request = taken_at
            .zip(first)
            .and_then(|(taken_at, first)| late_request(session, batch, taken_at, first));
        submission.into_iter().chain(request)
    });
    findings.collect()
}

/// Whether a batch was certainly finalized at the time of an event.
fn is_finalized_at_once(session: &SessionHistory, batch: &Batch) -> bool {
    batch.is_certain && batch.finalized_by.is_some() && wants_gate(session, batch.message) == Likely::No
}

fn late_submission(session: &SessionHistory, batch: &Batch, at: Duration) -> Option<Finding> {
    let limit = limit(session, batch.end.at, batch.not_before, at)?;
    (at > limit).then(|| {
        let text = format!(
            "its batch was finalized at {}, but its job was submitted at {}",
            secs(batch.not_before),
            secs(at)
        );
        let late = Late { limit, at: Some(at) };
        ORACLE.finding_late(session.run, &ids(["R8.2"]), late, Some(batch.message), &text)
    })
}

fn late_request(
    session: &SessionHistory,
    batch: &Batch,
    taken_at: Duration,
    first: Duration,
) -> Option<Finding> {
    let run = session.run;
    let due = taken_at + run.context.profile.callback_latency;
    let limit = limit(session, batch.end.at, due, first)?;
    if first <= limit {
        return None;
    }
    let faults = &run.faults;
    let is_disturbed = faults.may_have_disrupted(RECEIVER, batch.end.at, limit)
        || faults.queue_may_have_failed(batch.end.at, limit)
        || !is_owed(session, batch.message);
    (!is_disturbed).then(|| {
        let text = format!(
            "the queue had its job at {}, but its first request came at {}",
            secs(taken_at),
            secs(first)
        );
        let late = Late {
            limit,
            at: Some(first),
        };
        ORACLE.finding_late(run, &ids(["R8.39"]), late, Some(batch.message), &text)
    })
}

/// The latest time, with the tolerance, of what the server had to do at `due` and did at `at`, given that its cause was at
/// `since`. `None` if a fault excuses any delay. After a restart a deadline is due later.
fn limit(session: &SessionHistory, since: Duration, due: Duration, at: Duration) -> Option<Duration> {
    let run = session.run;
    let (faults, leeway) = (&run.faults, run.max_transit() + run.time_error());
    let limit = due.saturating_add(leeway);
    if faults.store_may_have_failed(since, at) || faults.queue_may_have_hung(due.min(at), at) {
        return None;
    }
    if !faults.may_have_stopped_server(since, limit) {
        return Some(limit);
    }
    let restarted_at = faults.server_restarted_at(at)?;
    let is_down_again = faults.may_have_stopped_server(restarted_at + Duration::from_micros(1), at);
    let resumed_by = restarted_at + run.context.profile.resume_delay + leeway;
    // After a change back the wait begins again.
    let from = if faults.clock().went_back(since, restarted_at) {
        restarted_at + due.saturating_sub(since) + leeway
    } else {
        resumed_by
    };
    (restarted_at >= since && !is_down_again).then(|| limit.max(resumed_by).max(from))
}

#[cfg(test)]
mod tests;
