//! A message that cannot be delivered is tried as often as the protocol says before it is given up, and with
//! its delays (protocol §4): five times in a session that has had a ready workspace, ten times in one that
//! never had, and not again after a failure that no other try mends.
//!
//! How often, the end itself says. Tries that reached the wrapper can be counted as well, as long as nothing
//! came between it and the server; where something did, a try may have come to nothing unseen.

use std::time::Duration;

use super::history::{SessionHistory, StreamEvent};
use super::{Broken, Check, Oracle, secs};

pub(super) const ORACLE: Oracle = Oracle {
    name: "exhausted-by-its-tries",
    rule: "A message is given up after as many tries as its session allows, with the delays between them.",
    check: Check::Sessions(check),
};

/// The pauses between tries in a session that never had a workspace, in seconds (protocol §4).
const COLD_PAUSES: [u64; 9] = [2, 4, 8, 16, 32, 60, 60, 60, 120];
/// The same in one that has had one. None is longer than its cold counterpart.
const WARM_PAUSES: [u64; 4] = [2, 4, 8, 15];
/// How often a message is tried in a session that never had a workspace.
const COLD_TRIES: usize = COLD_PAUSES.len() + 1;
/// How often in one that has had one.
const WARM_TRIES: usize = WARM_PAUSES.len() + 1;

/// Failures after which another try makes sense (protocol §4).
const RETRYABLE: [&str; 4] = [
    "SANDBOX_CONNECT_FAILED",
    "WORKSPACE_SETUP_FAILED",
    "KILO_SERVER_FAILED",
    "WRAPPER_START_FAILED",
];

fn check(session: &SessionHistory) -> Vec<Broken> {
    let given_up = session
        .kept
        .iter()
        .filter(|event| event.is_end() && event.data["reason"] == "exhausted");
    let flaws = given_up.filter_map(|end| {
        let message = end.message()?;
        let text = flaw(session, end, message)?;
        Some(Broken::new(session.run.first_seen(end), message, text))
    });
    flaws.collect()
}

/// What is wrong with the way to that end, if anything is.
fn flaw(session: &SessionHistory, end: &StreamEvent, message: &str) -> Option<String> {
    let Some(told) = end.data["attempts"]
        .as_u64()
        .and_then(|told| usize::try_from(told).ok())
        .filter(|told| *told > 0)
    else {
        return Some(format!(
            "event {} gives it up and does not say after how many tries",
            end.id
        ));
    };
    let mut queue = session.kept.iter().filter(|event| event.is_queued());
    let queued = queue.find(|event| event.message() == Some(message))?;
    let seen = tries(session, queued, end);
    let warmth = Warmth::of(session);
    let (least, most) = match &seen {
        Some(seen) => warmth.allowed_after(seen),
        None => warmth.allowed_between(queued.at, end.at),
    };
    let error = end.data["error"].as_str().unwrap_or_default();
    let code = error.split(':').next().unwrap_or_default();
    let least_told = if RETRYABLE.contains(&code) { least } else { 1 };
    if told < least_told || told > most {
        let allowed = match least_told == most {
            true => most.to_string(),
            false => format!("{least_told} to {most}"),
        };
        return Some(format!(
            "event {} gives it up for {code} after {told} tries, and it has {allowed}",
            end.id
        ));
    }
    if let Some(seen) = &seen
        && let Some(text) = miscounted(seen, told)
    {
        return Some(text);
    }
    let first = seen.and_then(|seen| seen.first().map(|first| first.from));
    too_early(
        first.unwrap_or(queued.at),
        end,
        told,
        least,
        session.run.time_error(),
    )
}

/// What is wrong with the tries that the wrapper has seen, if it has seen all of them.
fn miscounted(seen: &[Try], told: usize) -> Option<String> {
    if seen.len() != told {
        return Some(format!(
            "it is said to have been tried {told} times, and the wrapper has seen {} tries",
            seen.len()
        ));
    }
    let (_, others) = seen.split_last()?;
    let refused = others.iter().find(|tried| tried.is_refused)?;
    Some(format!(
        "its try at {} was refused for good, and it was tried again",
        secs(refused.from)
    ))
}

/// Whether the pauses between so many tries cannot all have been made since the first of them.
fn too_early(
    first: Duration,
    end: &StreamEvent,
    told: usize,
    least: usize,
    error: Duration,
) -> Option<String> {
    let is_cold = least == COLD_TRIES;
    let mut pauses = COLD_PAUSES;
    if !is_cold {
        pauses[..WARM_PAUSES.len()].copy_from_slice(&WARM_PAUSES);
    }
    let pauses = Duration::from_secs(pauses[..told - 1].iter().sum());
    (end.at + error < first + pauses).then(|| {
        format!(
            "it was given up at {} after {told} tries, the first of them not before {}, and the pauses between \
             them take {}",
            secs(end.at),
            secs(first),
            secs(pauses)
        )
    })
}

/// One try to deliver a message: the wrapper is made ready, if it has to be, and given the turn.
#[derive(Debug)]
struct Try {
    /// When its first request reached the wrapper.
    from: Duration,
    /// When its last did.
    to: Duration,
    has_turn: bool,
    is_refused: bool,
}

/// The tries to deliver a message, as the wrapper saw them; none if it may not have seen all of them, or if
/// some may have been called off and do not count.
fn tries(session: &SessionHistory, queued: &StreamEvent, end: &StreamEvent) -> Option<Vec<Try>> {
    let told_at = end.at + session.run.time_error();
    let mut ends = session.kept.iter().filter(|event| event.is_end());
    let loses_run = ends.any(|event| {
        let source = &event.data["completionSource"];
        *source == "wrapper_failure" && (queued.at..=end.at).contains(&event.at)
    });
    if loses_run || session.run.faults.have_begun(told_at) {
        return None;
    }
    let head_from = head_from(session, queued)?;
    let mut tries: Vec<Try> = Vec::new();
    let prepared = session
        .preparations
        .iter()
        .filter(|prepared| (head_from..=told_at).contains(&prepared.at))
        .map(|prepared| (prepared.at, false, prepared.is_refused()));
    let delivered = session
        .deliveries
        .iter()
        .filter(|delivery| Some(delivery.message.as_str()) == queued.message() && delivery.at <= told_at)
        .map(|delivery| (delivery.at, true, delivery.is_refused()));
    let mut requests: Vec<_> = prepared.chain(delivered).collect();
    requests.sort_unstable();
    for (at, has_turn, is_refused) in requests {
        match tries.last_mut().filter(|last| has_turn && !last.has_turn) {
            Some(last) => {
                last.to = at;
                last.has_turn = true;
                last.is_refused |= is_refused;
            }
            None => tries.push(Try {
                from: at,
                to: at,
                has_turn,
                is_refused,
            }),
        }
    }
    Some(tries)
}

/// From when on a message was the first that waited; none if one before it never left the queue.
fn head_from(session: &SessionHistory, queued: &StreamEvent) -> Option<Duration> {
    let mut from = queued.at;
    let earlier = session
        .kept
        .iter()
        .filter(|event| event.is_queued() && event.id < queued.id);
    for before in earlier {
        let mut events = session.kept.iter();
        let left = events.find(|event| event.message() == before.message() && !event.is_queued())?;
        // The next one is not tried in the same millisecond: the queue is drained again a second later.
        from = from.max(left.at + session.run.time_error());
    }
    Some(from)
}

/// Since when a session has had a ready workspace.
struct Warmth {
    /// The earliest that the server can have known of one; never if it cannot.
    possible_from: Duration,
    /// From when on it certainly did: it gives out turns only then.
    certain_from: Duration,
}

impl Warmth {
    fn of(session: &SessionHistory) -> Self {
        let is_made_here = session.calls.iter().any(|call| call.is_creation());
        let mut prepared = session.preparations.iter();
        let prepared = prepared.find(|prepared| prepared.is_ready());
        let first_turn = session.deliveries.first();
        Self {
            possible_from: if is_made_here {
                prepared.map_or(Duration::MAX, |prepared| prepared.at)
            } else {
                // What an older service left may have had one.
                Duration::ZERO
            },
            certain_from: first_turn.map_or(Duration::MAX, |turn| turn.at),
        }
    }

    /// The fewest and the most tries of a message that was queued and given up then.
    fn allowed_between(&self, queued_at: Duration, ended_at: Duration) -> (usize, usize) {
        let is_cold = self.possible_from > ended_at;
        let is_warm = self.certain_from < queued_at;
        (
            if is_cold { COLD_TRIES } else { WARM_TRIES },
            if is_warm { WARM_TRIES } else { COLD_TRIES },
        )
    }

    /// The same, of a message with these tries: cold or warm is decided at each failure.
    fn allowed_after(&self, tries: &[Try]) -> (usize, usize) {
        let allowed = |cold: usize| (cold + 1).clamp(WARM_TRIES, COLD_TRIES);
        let ends = tries.iter().skip(1).map(|tried| tried.from);
        let ends = ends.chain([Duration::MAX]);
        let surely_cold = ends.take_while(|end| *end <= self.possible_from).count();
        let perhaps_cold = tries.iter().take_while(|tried| tried.to < self.certain_from);
        (allowed(surely_cold), allowed(perhaps_cold.count()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{ConnectionEnd, Fault};

    use super::{COLD_PAUSES, WARM_PAUSES};
    use crate::oracle::written::Writer;
    use crate::parties::{SERVER, WRAPPER};

    const NOTHING: [&str; 0] = [];
    const BROKEN: [&str; 1] = ["exhausted-by-its-tries"];

    fn queued(message: &str) -> Writer {
        let mut writer = Writer::started(message);
        writer.queued(message);
        writer
    }

    /// A session that has had a workspace, with a message that waits.
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

    /// The wrapper fails to get ready, once more than there are pauses.
    fn tried(writer: &mut Writer, pauses: &[u64]) {
        writer.fails_to_get_ready("KILO_SERVER_FAILED");
        for pause in pauses {
            writer.wait(*pause);
            writer.fails_to_get_ready("KILO_SERVER_FAILED");
        }
    }

    fn given_up(mut writer: Writer, code: &str, attempts: usize) -> Vec<String> {
        writer.exhausted("m1", code, attempts);
        writer.judged()
    }

    #[test]
    fn a_cold_message_has_ten_tries_and_a_warm_one_five() {
        for (tries, rules) in [(9, &BROKEN[..]), (10, &NOTHING)] {
            let mut writer = queued("m1");
            tried(&mut writer, &COLD_PAUSES[..tries - 1]);
            assert_eq!(given_up(writer, "KILO_SERVER_FAILED", tries), rules, "{tries}");
        }
        for (tries, rules) in [(4, &BROKEN[..]), (5, &NOTHING)] {
            let mut writer = warm();
            tried(&mut writer, &WARM_PAUSES[..tries - 1]);
            assert_eq!(given_up(writer, "KILO_SERVER_FAILED", tries), rules, "{tries}");
        }
        let mut too_often = warm();
        tried(&mut too_often, &COLD_PAUSES);
        assert_eq!(given_up(too_often, "KILO_SERVER_FAILED", 10), BROKEN);
    }

    #[test]
    fn a_session_that_becomes_warm_on_the_way_gives_up_at_the_failure_after_that() {
        for (more, rules) in [(0, &NOTHING[..]), (1, &BROKEN)] {
            let mut writer = queued("m1");
            tried(&mut writer, &COLD_PAUSES[..5]);
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
    fn what_is_told_of_the_tries_is_what_the_wrapper_has_seen_of_them() {
        let mut writer = queued("m1");
        tried(&mut writer, &COLD_PAUSES[..8]);
        writer.wait(120);
        assert_eq!(given_up(writer.clone(), "KILO_SERVER_FAILED", 10), BROKEN);

        // Unless the wrapper was not there to see the last one.
        let reset = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
        writer.world(WorldEvent::ended_connections(&reset, 1));
        assert_eq!(given_up(writer, "KILO_SERVER_FAILED", 10), NOTHING);
    }

    #[test]
    fn the_pauses_are_made_also_where_no_try_is_seen() {
        for (waited, rules) in [(COLD_PAUSES.iter().sum(), &NOTHING[..]), (100, &BROKEN)] {
            let mut writer = queued("m1");
            let reset = Fault::end_of(WRAPPER, SERVER, ConnectionEnd::Reset);
            writer.world(WorldEvent::ended_connections(&reset, 1));
            writer.wait(waited);
            assert_eq!(given_up(writer, "SANDBOX_CONNECT_FAILED", 10), rules, "{waited}");
        }
    }

    #[test]
    fn a_refusal_ends_the_tries_at_once() {
        let mut writer = queued("m1");
        tried(&mut writer, &[]);
        writer.wait(2);
        writer.bound(1);
        writer.refused("m1", 400);
        assert_eq!(given_up(writer.clone(), "BAD_REQUEST", 2), NOTHING);
        writer.wait(4);
        writer.refused("m1", 400);
        assert_eq!(given_up(writer, "BAD_REQUEST", 3), BROKEN);
    }

    #[test]
    fn an_end_that_does_not_tell_its_tries_is_noticed() {
        let mut writer = queued("m1");
        let data = json!({"status": "failed", "completionSource": "delivery_failure", "reason": "exhausted",
            "accepted": false, "delivery": "queued"});
        writer.message_event("failed", "m1", data);
        assert_eq!(writer.judged(), BROKEN);
    }
}
