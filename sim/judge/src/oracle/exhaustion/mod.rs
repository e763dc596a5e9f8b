//! A message has as many delivery attempts as its session has delays, and one more, and each delay passes from a failure
//! to the next attempt (protocol §4). A session that has had a ready workspace has other delays than one that never had.
//!
//! The end of an exhausted message states the number of attempts. Attempts that reached the wrapper are counted as well: up to
//! the first time at which a fault may have hidden one, they are not too many; without such a fault they are as many as stated.

pub(super) mod warmth;

use std::collections::BTreeSet;
use std::time::Duration;

use self::warmth::Warmth;
use super::attempts::{Attempt, Queue, attempts};
use super::history::{SessionHistory, StreamEvent};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "exhausted-by-its-tries",
    rule: "A message has the number of delivery attempts that its session allows, with the delays from each failure \
        to the next attempt.",
    why: "Too few attempts or too short delays give up on a sandbox that is still starting. Too many block all \
        messages behind the head.",
    moment: Moment::Always,
    protocol: &ids([
        "R4.7", "R4.8", "R4.9", "R4.10", "R4.11", "R4.12", "R4.13", "R4.14", "R4.15", "R4.16", "R4.17",
        "R4.23", "R4.24",
    ]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let warmth = Warmth::of(session);
    let time_error = session.run.time_error();
    let mut findings = Vec::new();
    for (queued, head_from) in Queue::of(session).heads(time_error) {
        let seen = head_from.and_then(|from| attempts(session, queued, from, None));
        let mut report = |at: Duration, (violated, text): Violation| {
            findings.push(ORACLE.finding_about(&[violated], at, queued.message, text));
        };
        let soon = seen
            .as_ref()
            .and_then(|seen| seen.find(|seen| too_soon(session, &warmth, seen)));
        if let Some((at, text)) = soon {
            report(at, (RuleId::named("R4.23"), text));
        }
        match queued.left.filter(|left| is_exhaustion(left)) {
            Some(end) => {
                let violation =
                    |seen: Option<&[Attempt]>| violation(session, &warmth, queued.event, end, seen);
                let violation = match seen.filter(|seen| seen.is_whole) {
                    Some(seen) => seen.find(|seen| violation(Some(seen))),
                    None => violation(None),
                };
                if let Some(violation) = violation {
                    report(session.run.first_seen(end), violation);
                }
            }
            None => {
                let many = seen
                    .as_ref()
                    .and_then(|seen| seen.find(|seen| too_many(&warmth, seen)));
                if let Some((at, violation)) = many {
                    report(at, violation);
                }
            }
        }
    }
    findings.extend(accepted_and_exhausted(session));
    findings
}

/// Findings about messages that ended as exhausted after a wrapper had accepted them.
fn accepted_and_exhausted(session: &SessionHistory) -> Vec<Finding> {
    let mut accepted = BTreeSet::new();
    let findings = session.kept.iter().filter_map(|event| {
        let message = event.message()?;
        if event.is_sent() {
            accepted.insert(message);
        }
        let is_wrong = is_exhaustion(event) && accepted.contains(message);
        is_wrong.then(|| {
            let text = format!(
                "event {} exhausts it although a wrapper had accepted it",
                event.id
            );
            let seen_at = session.run.first_seen(event);
            ORACLE.finding_about(&[RuleId::named("R4.10")], seen_at, message, text)
        })
    });
    findings.collect()
}

/// A violated rule, and the text of the finding.
type Violation = (RuleId, String);

fn is_exhaustion(end: &StreamEvent) -> bool {
    end.is_end() && end.data["reason"] == "exhausted"
}

/// How the attempts before that end violate the rule, if they do.
fn violation(
    session: &SessionHistory,
    warmth: &Warmth,
    queued: &StreamEvent,
    end: &StreamEvent,
    seen: Option<&[Attempt]>,
) -> Option<Violation> {
    let Some(reported) = end.data["attempts"]
        .as_u64()
        .and_then(|reported| usize::try_from(reported).ok())
        .filter(|reported| *reported > 0)
    else {
        let text = format!("event {} exhausts it without the number of attempts", end.id);
        return Some((RuleId::named("R4.10"), text));
    };
    // A count of attempts that did not happen says more than that it is not allowed.
    if let Some(seen) = seen.filter(|seen| reported > seen.len()) {
        return miscounted(warmth, seen, reported);
    }
    let (least, most) = match seen {
        Some(seen) if seen.iter().all(|attempt| !attempt.may_be_cut_short) => warmth.allowed_after(seen),
        _ => warmth.allowed_between(queued.at, end.at),
    };
    let error = end.data["error"].as_str().unwrap_or_default();
    let code = error.split(':').next().unwrap_or_default();
    let least = if warmth.permanent.contains(code) { 1 } else { least };
    if reported < least || reported > most {
        let allowed = match least == most {
            true => most.to_string(),
            false => format!("{least} to {most}"),
        };
        let text = format!(
            "event {} exhausts it with {code} after {reported} attempts instead of {allowed}",
            end.id
        );
        return Some((RuleId::named("R4.9"), text));
    }
    match seen {
        Some(seen) => miscounted(warmth, seen, reported),
        None => too_early(session, warmth, queued, end, reported),
    }
}

/// How the attempts that the wrapper received differ from the reported number.
fn miscounted(warmth: &Warmth, seen: &[Attempt], reported: usize) -> Option<Violation> {
    let uncounted = seen.iter().filter(|attempt| attempt.may_be_cut_short).count();
    if reported > seen.len() || reported < seen.len() - uncounted {
        let text = format!(
            "its end reports {reported} attempts, but {} reached the wrapper",
            seen.len()
        );
        return Some((RuleId::named("R4.24"), text));
    }
    let (_, others) = seen.split_last()?;
    others
        .iter()
        .find_map(|attempt| permanent_refusal(warmth, attempt))
}

/// The text of the finding about an attempt that was refused permanently, if it was.
fn permanent_refusal(warmth: &Warmth, attempt: &Attempt) -> Option<Violation> {
    let code = attempt.code.filter(|code| warmth.permanent.contains(*code))?;
    let text = format!(
        "its attempt at {} was refused permanently with {code}, but another one followed",
        secs(attempt.from)
    );
    Some((RuleId::named("R4.12"), text))
}

/// The finding about attempts of a message that should have been exhausted before, with its time.
fn too_many(warmth: &Warmth, seen: &[Attempt]) -> Option<(Duration, Violation)> {
    if seen.iter().any(|attempt| attempt.may_be_cut_short) {
        return None;
    }
    let (last, others) = seen.split_last()?;
    if let Some(violation) = others
        .iter()
        .find_map(|attempt| permanent_refusal(warmth, attempt))
    {
        return Some((last.from, violation));
    }
    let (_, most) = warmth.allowed_after(seen);
    (seen.len() > most).then(|| {
        let text = format!(
            "{} attempts to deliver it reached the wrapper instead of {most} at most",
            seen.len()
        );
        (last.from, (RuleId::named("R4.9"), text))
    })
}

/// The finding about the first attempt that came before the delay after the failure before it was over, with its time.
fn too_soon(session: &SessionHistory, warmth: &Warmth, seen: &[Attempt]) -> Option<(Duration, String)> {
    let tolerance = session.run.time_error() + session.run.timing_tolerance();
    for (failures, pair) in seen.windows(2).enumerate() {
        let [failed, next] = pair else { continue };
        if failed.may_be_cut_short {
            break;
        }
        let Some(delay) = warmth.delay_after(seen, failures) else {
            continue;
        };
        let faults = &session.run.faults;
        let may_have_passed = faults.clock().went_forward(failed.failed_from, next.from);
        if next.from + tolerance < failed.failed_from + delay && !may_have_passed {
            let text = format!(
                "its attempt at {} failed at {} or later, but the next one came at {}, before the delay of {}",
                secs(failed.from),
                secs(failed.failed_from),
                secs(next.from),
                secs(delay)
            );
            return Some((next.from, text));
        }
    }
    None
}

/// How an end came earlier than the delays between its attempts allow, if it did.
fn too_early(
    session: &SessionHistory,
    warmth: &Warmth,
    queued: &StreamEvent,
    end: &StreamEvent,
    reported: usize,
) -> Option<Violation> {
    let possible = warmth.between(queued.at, end.at);
    let delays = (0..reported - 1).filter_map(|failures| warmth.shortest(possible, failures));
    let delays: Duration = delays.sum();
    let may_have_passed = session.run.faults.clock().went_forward(queued.at, end.at);
    (end.at + session.run.time_error() < queued.at + delays && !may_have_passed).then(|| {
        let text = format!(
            "it was exhausted at {} after {reported} attempts, the first at {} or later, but the delays between them \
             take {}",
            secs(end.at),
            secs(queued.at),
            secs(delays)
        );
        (RuleId::named("R4.9"), text)
    })
}

#[cfg(test)]
mod tests;
