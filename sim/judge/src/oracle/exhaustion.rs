//! An exhausted message had the number of delivery attempts of the protocol, with its delays (protocol §4): five in a
//! session that has had a ready workspace, ten in one that never had, and none after a failure that is not retryable.
//!
//! The end of the message states the number of attempts. Attempts that reached the wrapper are counted as well, unless
//! a fault may have hidden one.

use std::time::Duration;

use super::history::{SessionHistory, StreamEvent};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "exhausted-by-its-tries",
    rule: "A message is exhausted after the number of delivery attempts that its session allows, with the \
        delays between them.",
    why: "Too few attempts or too short delays give up on a sandbox that is still starting. Too many block all \
        messages behind the head.",
    moment: Moment::Always,
    protocol: &ids([
        "R4.7", "R4.8", "R4.9", "R4.10", "R4.11", "R4.12", "R4.13", "R4.14", "R4.15", "R4.16",
    ]),
    check: Check::Sessions(check),
};

/// Codes of retryable failures (protocol §4).
const RETRYABLE: [&str; 4] = [
    "SANDBOX_CONNECT_FAILED",
    "WORKSPACE_SETUP_FAILED",
    "KILO_SERVER_FAILED",
    "WRAPPER_START_FAILED",
];

fn check(session: &SessionHistory) -> Vec<Finding> {
    let exhausted = session
        .kept
        .iter()
        .filter(|event| event.is_end() && event.data["reason"] == "exhausted");
    let findings = exhausted.filter_map(|end| {
        let message = end.message()?;
        let text = violation(session, end, message)?;
        Some(ORACLE.finding_about(session.run.first_seen(end), message, text))
    });
    findings.collect()
}

/// How the attempts before that end violate the rule, if they do.
fn violation(session: &SessionHistory, end: &StreamEvent, message: &str) -> Option<String> {
    let Some(reported) = end.data["attempts"]
        .as_u64()
        .and_then(|reported| usize::try_from(reported).ok())
        .filter(|reported| *reported > 0)
    else {
        return Some(format!(
            "event {} exhausts it without the number of attempts",
            end.id
        ));
    };
    let mut queue = session.kept.iter().filter(|event| event.is_queued());
    let queued = queue.find(|event| event.message() == Some(message))?;
    let seen = attempts(session, queued, end);
    let warmth = Warmth::of(session);
    let (least, most) = match &seen {
        Some(seen) => warmth.allowed_after(seen),
        None => warmth.allowed_between(queued.at, end.at),
    };
    let error = end.data["error"].as_str().unwrap_or_default();
    let code = error.split(':').next().unwrap_or_default();
    let least_reported = if RETRYABLE.contains(&code) { least } else { 1 };
    if reported < least_reported || reported > most {
        let allowed = match least_reported == most {
            true => most.to_string(),
            false => format!("{least_reported} to {most}"),
        };
        return Some(format!(
            "event {} exhausts it with {code} after {reported} attempts instead of {allowed}",
            end.id
        ));
    }
    if let Some(seen) = &seen
        && let Some(text) = miscounted(seen, reported)
    {
        return Some(text);
    }
    let first = seen.and_then(|seen| seen.first().map(|first| first.from));
    too_early(session, first.unwrap_or(queued.at), end, reported, least)
}

/// How the attempts that the wrapper received differ from the reported number, if it received all of them.
fn miscounted(seen: &[Attempt], reported: usize) -> Option<String> {
    if seen.len() != reported {
        return Some(format!(
            "its end reports {reported} attempts, but {} reached the wrapper",
            seen.len()
        ));
    }
    let (_, others) = seen.split_last()?;
    let refused = others.iter().find(|attempt| attempt.is_refused)?;
    Some(format!(
        "its attempt at {} was refused permanently, but another one followed",
        secs(refused.from)
    ))
}

/// How an end came earlier than the delays between its attempts allow, if it did.
fn too_early(
    session: &SessionHistory,
    first: Duration,
    end: &StreamEvent,
    reported: usize,
    least: usize,
) -> Option<String> {
    let profile = &session.run.context.profile;
    let (cold, warm) = (
        &profile.delivery_retry_delays_cold,
        &profile.delivery_retry_delays_warm,
    );
    let is_cold = least == cold.len();
    let delays = (0..reported - 1).map(|number| match warm.get(number) {
        Some(delay) if !is_cold && number + 1 < warm.len() => *delay,
        _ => cold.get(number).copied().unwrap_or_default(),
    });
    let delays: Duration = delays.sum();
    (end.at + session.run.time_error() < first + delays).then(|| {
        format!(
            "it was exhausted at {} after {reported} attempts, the first at {} or later, but the delays between them \
             take {}",
            secs(end.at),
            secs(first),
            secs(delays)
        )
    })
}

/// One attempt to deliver a message: a request to get ready, if needed, and the turn.
#[derive(Debug)]
struct Attempt {
    /// Time at which its first request reached the wrapper.
    from: Duration,
    /// Time at which its last request did.
    to: Duration,
    has_turn: bool,
    is_refused: bool,
}

/// The attempts to deliver a message that reached the wrapper; `None` if some may not have reached it, or if some may
/// have been cancelled and do not count.
fn attempts(session: &SessionHistory, queued: &StreamEvent, end: &StreamEvent) -> Option<Vec<Attempt>> {
    let reported_at = end.at + session.run.time_error();
    let mut ends = session.kept.iter().filter(|event| event.is_end());
    let loses_run = ends.any(|event| {
        let source = &event.data["completionSource"];
        *source == "wrapper_failure" && (queued.at..=end.at).contains(&event.at)
    });
    if loses_run || session.run.faults.have_begun(reported_at) {
        return None;
    }
    let head_from = head_from(session, queued)?;
    let mut attempts: Vec<Attempt> = Vec::new();
    let prepared = session
        .preparations
        .iter()
        .filter(|prepared| (head_from..=reported_at).contains(&prepared.at))
        .map(|prepared| (prepared.at, false, prepared.is_refused()));
    let delivered = session
        .deliveries
        .iter()
        .filter(|delivery| Some(delivery.message.as_str()) == queued.message() && delivery.at <= reported_at)
        .map(|delivery| (delivery.at, true, delivery.is_refused()));
    let mut requests: Vec<_> = prepared.chain(delivered).collect();
    requests.sort_unstable();
    for (at, has_turn, is_refused) in requests {
        match attempts.last_mut().filter(|last| has_turn && !last.has_turn) {
            Some(last) => {
                last.to = at;
                last.has_turn = true;
                last.is_refused |= is_refused;
            }
            None => attempts.push(Attempt {
                from: at,
                to: at,
                has_turn,
                is_refused,
            }),
        }
    }
    Some(attempts)
}

/// The time from which a message was the head of the queue; `None` if an earlier one never left the queue.
fn head_from(session: &SessionHistory, queued: &StreamEvent) -> Option<Duration> {
    let mut from = queued.at;
    let earlier = session
        .kept
        .iter()
        .filter(|event| event.is_queued() && event.id < queued.id);
    for before in earlier {
        let mut events = session.kept.iter();
        let left = events.find(|event| event.message() == before.message() && !event.is_queued())?;
        // The next message is not attempted in the same millisecond: the next drain runs a second later.
        from = from.max(left.at + session.run.time_error());
    }
    Some(from)
}

/// The time since which a session has had a ready workspace, as far as the wire shows it.
struct Warmth {
    /// The earliest possible time; the maximum if there was none.
    possible_from: Duration,
    /// The time by which it certainly had one: turns are delivered only then.
    certain_from: Duration,
    /// Number of attempts in a session that never had one.
    cold_attempts: usize,
    /// Number of attempts in a session that has had one.
    warm_attempts: usize,
}

impl Warmth {
    fn of(session: &SessionHistory) -> Self {
        let profile = &session.run.context.profile;
        let is_made_here = session.calls.iter().any(|call| call.is_creation());
        let mut prepared = session.preparations.iter();
        let prepared = prepared.find(|prepared| prepared.is_ready());
        let first_turn = session.deliveries.first();
        Self {
            possible_from: if is_made_here {
                prepared.map_or(Duration::MAX, |prepared| prepared.at)
            } else {
                // A session that an older service created may have had one.
                Duration::ZERO
            },
            certain_from: first_turn.map_or(Duration::MAX, |turn| turn.at),
            // The failure that uses the last delay exhausts the message (protocol §4).
            cold_attempts: profile.delivery_retry_delays_cold.len(),
            warm_attempts: profile.delivery_retry_delays_warm.len(),
        }
    }

    /// The fewest and the most attempts of a message that was queued and exhausted at these times.
    fn allowed_between(&self, queued_at: Duration, ended_at: Duration) -> (usize, usize) {
        let is_cold = self.possible_from > ended_at;
        let is_warm = self.certain_from < queued_at;
        (
            if is_cold {
                self.cold_attempts
            } else {
                self.warm_attempts
            },
            if is_warm {
                self.warm_attempts
            } else {
                self.cold_attempts
            },
        )
    }

    /// The same for a message with these attempts: each failure decides again between cold and warm.
    fn allowed_after(&self, attempts: &[Attempt]) -> (usize, usize) {
        let least = self.warm_attempts.min(self.cold_attempts);
        let allowed = |cold: usize| (cold + 1).clamp(least, self.cold_attempts);
        let ends = attempts.iter().skip(1).map(|attempt| attempt.from);
        let ends = ends.chain([Duration::MAX]);
        let certainly_cold = ends.take_while(|end| *end <= self.possible_from).count();
        let possibly_cold = attempts
            .iter()
            .take_while(|attempt| attempt.to < self.certain_from);
        (allowed(certainly_cold), allowed(possibly_cold.count()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{ConnectionEnd, Fault};

    use crate::oracle::written::Writer;
    use crate::parties::{SERVER, WRAPPER};

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["exhausted-by-its-tries"];
    /// The delays between attempts in a session that never had a workspace, in seconds.
    const COLD_DELAYS: [u64; 9] = [2, 4, 8, 16, 32, 60, 60, 60, 120];
    /// The same in a session that has had one.
    const WARM_DELAYS: [u64; 4] = [2, 4, 8, 15];

    fn queued(message: &str) -> Writer {
        let mut writer = Writer::started(message);
        writer.queued(message);
        writer
    }

    /// A session that has had a ready workspace, with a queued message.
    fn warm() -> Writer {
        let mut writer = queued("m0");
        writer.bound(1);
        writer.delivered("m0");
        writer.sent("m0");
        writer.completed("m0");
        writer.acked("send", "m1", json!({}));
        writer.queued("m1");
        writer
    }

    /// The wrapper fails to get ready, once more than there are delays.
    fn attempt(writer: &mut Writer, delays: &[u64]) {
        writer.fails_to_get_ready("KILO_SERVER_FAILED");
        for delay in delays {
            writer.wait(*delay);
            writer.fails_to_get_ready("KILO_SERVER_FAILED");
        }
    }

    fn given_up(mut writer: Writer, code: &str, attempts: usize) -> Vec<String> {
        writer.exhausted("m1", code, attempts);
        writer.judged()
    }

    #[test]
    fn a_cold_message_has_ten_attempts_and_a_warm_one_five() {
        for (attempts, rules) in [(9, &FOUND[..]), (10, &NOTHING)] {
            let mut writer = queued("m1");
            attempt(&mut writer, &COLD_DELAYS[..attempts - 1]);
            assert_eq!(
                given_up(writer, "KILO_SERVER_FAILED", attempts),
                rules,
                "{attempts}"
            );
        }
        for (attempts, rules) in [(4, &FOUND[..]), (5, &NOTHING)] {
            let mut writer = warm();
            attempt(&mut writer, &WARM_DELAYS[..attempts - 1]);
            assert_eq!(
                given_up(writer, "KILO_SERVER_FAILED", attempts),
                rules,
                "{attempts}"
            );
        }
        let mut too_often = warm();
        attempt(&mut too_often, &COLD_DELAYS);
        assert_eq!(given_up(too_often, "KILO_SERVER_FAILED", 10), FOUND);
    }

    #[test]
    fn a_session_that_becomes_warm_exhausts_at_the_next_failure() {
        for (more, rules) in [(0, &NOTHING[..]), (1, &FOUND)] {
            let mut writer = queued("m1");
            attempt(&mut writer, &COLD_DELAYS[..5]);
            for _ in 0..=more {
                writer.wait(60);
                writer.bound(1);
                writer.refused("m1", 500);
            }
            assert_eq!(
                given_up(writer, "WRAPPER_START_FAILED", 7 + more),
                rules,
                "{more}"
            );
        }
    }

    #[test]
    fn a_number_of_attempts_that_the_wrapper_did_not_receive_is_found() {
        let mut writer = queued("m1");
        attempt(&mut writer, &COLD_DELAYS[..8]);
        writer.wait(120);
        assert_eq!(given_up(writer.clone(), "KILO_SERVER_FAILED", 10), FOUND);

        // A fault may have kept the last attempt from the wrapper.
        let reset = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
        writer.world(WorldEvent::ended_connections(&reset, 1));
        assert_eq!(given_up(writer, "KILO_SERVER_FAILED", 10), NOTHING);
    }

    #[test]
    fn delays_are_checked_also_if_no_attempt_is_visible() {
        for (waited, rules) in [(COLD_DELAYS.iter().sum(), &NOTHING[..]), (100, &FOUND)] {
            let mut writer = queued("m1");
            let reset = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
            writer.world(WorldEvent::ended_connections(&reset, 1));
            writer.wait(waited);
            assert_eq!(given_up(writer, "SANDBOX_CONNECT_FAILED", 10), rules, "{waited}");
        }
    }

    #[test]
    fn an_attempt_after_a_permanent_refusal_is_found() {
        let mut writer = queued("m1");
        attempt(&mut writer, &[]);
        writer.wait(2);
        writer.bound(1);
        writer.refused("m1", 400);
        assert_eq!(given_up(writer.clone(), "BAD_REQUEST", 2), NOTHING);
        writer.wait(4);
        writer.refused("m1", 400);
        assert_eq!(given_up(writer, "BAD_REQUEST", 3), FOUND);
    }

    #[test]
    fn an_end_without_its_number_of_attempts_is_found() {
        let mut writer = queued("m1");
        let data = json!({"status": "failed", "completionSource": "delivery_failure", "reason": "exhausted",
            "accepted": false, "delivery": "queued"});
        writer.message_event("failed", "m1", data);
        assert_eq!(writer.judged(), FOUND);
    }
}
