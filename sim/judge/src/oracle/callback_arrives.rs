//! A callback is requested until its receiver has accepted it or refused it permanently, or until the last attempt has
//! failed (protocol §8).
//!
//! A callback that was never requested is reported by `one_callback`. A play in real time may be over before the last
//! attempt: a callback that may still be requested is a warning then.

use std::collections::BTreeMap;
use std::time::Duration;

use super::history::{CallbackRequest, SessionHistory};
use super::{Check, Finding, Moment, Oracle, Severity, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "due-callbacks-arrive",
    rule: "Every callback was accepted by its receiver, unless the receiver refused it permanently or all \
        attempts failed.",
    why: "A receiver that is down for some minutes must still get the result: it has no other way to learn it.",
    moment: Moment::AtEnd,
    protocol: &ids([
        "R8.19", "R8.21", "R8.27", "R8.28", "R8.29", "R8.30", "R8.31", "R8.34",
    ]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let mut callbacks: BTreeMap<&str, Vec<&CallbackRequest>> = BTreeMap::new();
    let of_messages = session
        .callbacks
        .iter()
        .filter(|request| !request.is_of_execution());
    for request in of_messages {
        callbacks.entry(request.key()).or_default().push(request);
    }
    let mut findings = Vec::new();
    for (message, requests) in callbacks {
        let is_accepted = requests.iter().any(|request| request.is_delivered());
        let end = session.end_of(message);
        let since = end.map_or(requests[0].at, |end| end.at);
        let is_dropped = session.is_removed && !session.run.context.profile.delete_keeps_callbacks;
        if is_accepted || is_dropped || is_given_up(session, &requests, since) {
            continue;
        }
        let last = requests[requests.len() - 1];
        let answer = last.status.map_or("got no answer".to_owned(), |status| {
            format!("was answered with {status}")
        });
        let text = format!(
            "its callback was requested {} times, the last time at {}, which {answer}, and it was not \
             accepted",
            requests.len(),
            secs(last.at)
        );
        let finding = ORACLE.finding_about(&ids(["R8.28", "R8.31"]), session.run.end, message, text);
        findings.push(match time_left(session, since) {
            None => finding,
            Some(limit) => Finding {
                severity: Severity::Warning,
                text: format!(
                    "{}; the play ended before {}, up to when it may be requested",
                    finding.text,
                    secs(limit)
                ),
                ..finding
            },
        });
    }
    findings
}

/// The time by which the last attempt of a callback has failed whose first one was not before `since`, if the play, in real
/// time, ended before it. A request that is overdue is reported by `callback_times`.
fn time_left(session: &SessionHistory, since: Duration) -> Option<Duration> {
    let (run, profile) = (session.run, &session.run.context.profile);
    let attempts = profile.callback_attempts.get();
    let limit = last_attempt(session, since)
        .saturating_add(profile.callback_latency)
        .saturating_add(profile.callback_timeout.saturating_mul(attempts));
    (run.context.in_real_time && run.end < limit).then_some(limit)
}

/// The earliest time of the last attempt of a callback whose first one was not before `since`.
fn last_attempt(session: &SessionHistory, since: Duration) -> Duration {
    let profile = &session.run.context.profile;
    // Each delay is twice as long as the one before.
    let all_delays = profile
        .callback_retry_base
        .saturating_mul(2_u32.saturating_pow(profile.callback_attempts.get() - 1) - 1);
    since.saturating_add(all_delays)
}

/// Whether the queue may correctly have given up a callback whose first request was not before `since`, after these
/// requests that reached the receiver.
///
/// Attempts that do not reach the receiver are not recorded. If the receiver was unreachable, some attempts may be
/// missing, and the fifth may have failed as soon as the delays between five attempts have passed.
pub(super) fn is_given_up(session: &SessionHistory, requests: &[&CallbackRequest], since: Duration) -> bool {
    let unreachable_until = session.run.faults.receiver_unreachable_until();
    let may_miss_some = unreachable_until.is_some_and(|until| until >= since);
    let last_seen = requests.iter().map(|request| request.at).max();
    requests.len() >= session.run.context.profile.callback_attempts.get() as usize
        || requests.iter().any(|request| is_definite_refusal(request.status))
        || may_miss_some && unreachable_until.max(last_seen) >= Some(last_attempt(session, since))
}

/// Whether the queue sends no further request after this answer.
fn is_definite_refusal(status: Option<u16>) -> bool {
    status.is_some_and(|status| (300..500).contains(&status) && status != 429)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{Fault, Link, LinkEffect, Place};
    use turnstile_profile::Profile;

    use super::ORACLE;
    use crate::oracle::Severity;
    use crate::oracle::written::Writer;
    use crate::parties::{RECEIVER, SERVER};

    /// Of two faults of one link the first to end leaves the other.
    #[test]
    fn a_request_that_is_lost_while_the_second_of_two_faults_lasts_is_an_attempt() {
        let both = Link::between(SERVER, RECEIVER);
        let one = Link::one_way(RECEIVER, SERVER);
        for (is_healed_before, is_found) in [(false, false), (true, true)] {
            let mut writer = Writer::with_callback("m1");
            for link in [&both, &one] {
                writer.world(WorldEvent::of(&Fault::on(link, LinkEffect::BlackHole)));
            }
            writer.wait(1);
            writer.world(WorldEvent::Ended {
                place: Place::Link(one.clone()),
            });
            if is_healed_before {
                writer.world(WorldEvent::Ended {
                    place: Place::Link(both.clone()),
                });
            }
            writer.turn("m1");
            writer.world(WorldEvent::Ended {
                place: Place::Link(both.clone()),
            });
            for wait in [60, 120, 240, 480] {
                writer.wait(wait);
                writer.called_back("m1", json!({}), 500);
            }
            let found = writer.judged();
            assert_eq!(
                found.contains(&ORACLE.name.to_owned()),
                is_found,
                "{is_healed_before}: {found:?}"
            );
        }
    }

    #[test]
    fn a_permanent_refusal_or_five_failures_end_the_requests() {
        const NOTHING: [&str; 0] = [];
        for (answers, rules) in [
            (&[404][..], &NOTHING[..]),
            (&[500, 200], &NOTHING),
            (&[500, 429, 500, 500, 500], &NOTHING),
            (&[500], &["due-callbacks-arrive"]),
            (&[429, 500], &["due-callbacks-arrive"]),
        ] {
            let mut writer = Writer::with_callback("m1");
            writer.turn("m1");
            for answer in answers {
                writer.called_back("m1", json!({}), *answer);
            }
            assert_eq!(writer.judged(), rules, "{answers:?}");
        }
    }

    #[test]
    fn a_callback_whose_next_request_is_not_due_when_a_play_in_real_time_ends_is_a_warning() {
        for (retry_base, in_real_time, severity) in [
            (100_000, true, Severity::Warning),
            (100_000, false, Severity::Violation),
            (1, true, Severity::Violation),
        ] {
            let mut writer = Writer::with_callback("m1");
            writer.judged_by(Profile {
                callback_retry_base: Duration::from_secs(retry_base),
                ..Profile::default()
            });
            if in_real_time {
                writer.in_real_time(Duration::from_millis(150));
            }
            writer.turn("m1");
            writer.called_back("m1", json!({}), 503);
            let findings = writer.findings();
            let mut about_callbacks = findings.iter().filter(|finding| finding.rule == ORACLE.name);
            assert_eq!(about_callbacks.next().unwrap().severity, severity, "{findings:?}");
        }
    }
}
