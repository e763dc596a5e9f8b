//! The times of the requests for one job: a failed request is followed by the next one after its delay.
//!
//! Only a job that the queue certainly has once is judged, and only up to the first request that may not have reached the
//! receiver.

use std::collections::BTreeMap;
use std::time::Duration;

use turnstile_events::queue::QueueAnswer;

use super::{ORACLE, Submissions};
use crate::oracle::history::{CallbackRequest, SessionHistory};
use crate::oracle::{Finding, Late, secs};
use crate::parties::RECEIVER;
use crate::rules::ids;

/// Findings about requests that came too early, too late, or after the last attempt.
pub(super) fn misplaced(session: &SessionHistory, submissions: &Submissions) -> Vec<Finding> {
    let mut jobs: BTreeMap<&str, Vec<&CallbackRequest>> = BTreeMap::new();
    for request in &session.callbacks {
        if let Some(owner) = request.body["executionId"].as_str() {
            jobs.entry(owner).or_default().push(request);
        }
    }
    let ended_at = ends(session);
    let mut findings = Vec::new();
    for (owner, requests) in jobs {
        // The earliest time at which the queue had the job of a message or an execution.
        let began = ended_at.get(owner).copied().unwrap_or_default();
        if is_once_in_queue(session, submissions.get(owner), began, &requests) {
            findings.extend(of_job(session, began, &requests));
        }
    }
    findings
}

/// The time at which each message ended.
fn ends<'a>(session: &SessionHistory<'a>) -> BTreeMap<&'a str, Duration> {
    let ends = session.ends.iter();
    ends.filter_map(|end| Some((end.message()?, end.at))).collect()
}

/// Whether the queue certainly has a job only once.
fn is_once_in_queue(
    session: &SessionHistory,
    submitted: Option<&Vec<(Duration, QueueAnswer)>>,
    began: Duration,
    requests: &[&CallbackRequest],
) -> bool {
    let submitted = submitted.into_iter().flatten();
    let accepted = submitted.filter(|(_, answer)| *answer == QueueAnswer::Accepted);
    let until = requests.last().map_or(Duration::ZERO, |last| last.at);
    accepted.count() <= 1 && !session.run.faults.queue_may_have_failed(began, until)
}

fn of_job(session: &SessionHistory, began: Duration, requests: &[&CallbackRequest]) -> Vec<Finding> {
    let (run, profile) = (session.run, &session.run.context.profile);
    let message = requests[0].body["messageId"].as_str();
    let mut findings = Vec::new();
    let mut delay = profile.callback_retry_base;
    for (place, request) in requests.iter().enumerate() {
        let Some(failed) = Failed::read(session, request) else {
            break;
        };
        let limit = failed.by + delay + run.max_transit() + run.time_error();
        let next = requests.get(place + 1).map(|next| next.at);
        if is_disturbed(session, began, next.unwrap_or(limit)) {
            break;
        }
        if place + 1 >= profile.callback_attempts.get() as usize {
            findings.extend(next.map(|at| {
                let text = format!(
                    "request {} came at {}, after the last attempt",
                    place + 2,
                    secs(at)
                );
                ORACLE.finding(&ids(["R8.31"]), at, message, text)
            }));
            break;
        }
        let failure = format!(
            "its request at {} failed at {} at the latest",
            secs(request.at),
            secs(failed.by)
        );
        let tolerance = run.time_error() + run.timing_tolerance();
        if let Some(at) = next.filter(|at| *at + tolerance < failed.from + delay) {
            let text = format!(
                "{failure}, and the next one came at {}, before {} had passed",
                secs(at),
                secs(delay)
            );
            findings.push(ORACLE.finding(&ids(["R8.30"]), at, message, text));
        }
        if next.unwrap_or(run.end) > limit {
            let came = next.map_or("never came".to_owned(), |at| format!("came at {}", secs(at)));
            let text = format!(
                "{failure}, and the next one {came} instead of {} later",
                secs(delay)
            );
            findings.push(ORACLE.finding_late(
                run,
                &ids(["R8.28", "R8.30"]),
                Late { limit, at: next },
                message,
                &text,
            ));
        }
        delay *= 2;
    }
    findings
}

/// Whether a request may have been made in that time without reaching the receiver, or may have been put off.
fn is_disturbed(session: &SessionHistory, from: Duration, until: Duration) -> bool {
    let faults = &session.run.faults;
    faults.may_have_disrupted(RECEIVER, from, until) || faults.may_have_stopped_server(from, until)
}

/// The span in which a request failed for the queue.
struct Failed {
    from: Duration,
    by: Duration,
}

impl Failed {
    /// The failure of a request; `None` if it may not have failed, or is not repeated.
    fn read(session: &SessionHistory, request: &CallbackRequest) -> Option<Self> {
        let transit = session.run.max_transit();
        let timed_out_by = request.at + session.run.context.profile.callback_timeout;
        let (Some(status), Some(answered_at)) = (request.status, request.answered_at) else {
            return Some(Self {
                from: request.at,
                by: timed_out_by,
            });
        };
        if answered_at > timed_out_by {
            return Some(Self {
                from: timed_out_by.saturating_sub(transit),
                by: timed_out_by,
            });
        }
        let is_in_time = answered_at + transit * 2 <= timed_out_by;
        let is_repeated = status == 429 || status >= 500;
        (is_in_time && is_repeated).then(|| Self {
            from: answered_at,
            by: answered_at + transit,
        })
    }
}
