//! The head of the queue is delivered when the protocol says (protocol §4): `DRAIN_DELAY` after it was admitted or after
//! the delivery before it, and again after the delay that follows a failure.
//!
//! A message is judged up to the first time at which a fault may have hidden or delayed an attempt, or a user may have
//! interrupted one. Other waits are judged by `queue_moves`, with a larger tolerance.

use std::time::Duration;

use super::attempts::{Attempt, Queue, Queued, attempts};
use super::exhaustion::warmth::Warmth;
use super::history::SessionHistory;
use super::{Check, Finding, Late, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "deliveries-are-on-time",
    rule: "The head of the queue is delivered a drain delay after its admission or the end of the delivery before it, \
        and again after the delay that follows a failure, not later; the last failure exhausts it at once.",
    why: "The head blocks the messages behind it. A timer that fires late makes every client wait, and no other rule \
        notices it.",
    moment: Moment::Always,
    protocol: &ids(["R3.14", "R4.3", "R4.7", "R4.8", "R4.9", "R4.23", "R7.8"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.log.is_none() {
        return Vec::new();
    }
    let warmth = Warmth::of(session);
    let time_error = session.run.time_error();
    let queue = Queue::of(session);
    let findings = queue.heads(time_error).filter_map(|(queued, head_from)| {
        let head_from = head_from?;
        // A store that failed may keep an input waiting until the server is restarted.
        let stopped_from = session
            .run
            .faults
            .server_may_have_failed_from(queued.event.at, queued.until(session));
        let seen = attempts(session, queued, head_from, stopped_from)?;
        let first = seen.find(|seen| first_attempt(session, &queue, queued, head_from, seen));
        let drained_early = seen.find(|seen| too_early(session, &queue, queued, seen));
        let repeated = seen.find(|seen| repeated(session, &warmth, queued, seen));
        let exhausted = seen
            .is_whole
            .then(|| seen.find(|seen| exhausted(session, &warmth, queued, seen)))
            .flatten();
        Some([first, drained_early, repeated, exhausted].into_iter().flatten())
    });
    findings.flatten().collect()
}

/// The tolerance for the server's reports and for a request on a new connection.
fn leeway(session: &SessionHistory) -> Duration {
    session.run.max_transit() + session.run.time_error()
}

/// The finding about a first attempt that came later than a drain delay after the message was the head of the queue and
/// no delivery was in progress.
fn first_attempt(
    session: &SessionHistory,
    queue: &Queue,
    queued: &Queued,
    head_from: Duration,
    seen: &[Attempt],
) -> Option<Finding> {
    let first = seen.first()?;
    let free_from = free_from(session, queue, queued, first.from)?;
    let due = head_from.max(free_from) + session.run.context.profile.drain_delay;
    let limit = due + leeway(session);
    (first.from > limit).then(|| {
        let text = format!(
            "it was the head of the queue and no delivery was in progress from {} on, but its first attempt came at {}",
            secs(head_from.max(free_from)),
            secs(first.from)
        );
        let late = Late {
            limit,
            at: Some(first.from),
        };
        ORACLE.finding_late(session.run, &ids(["R3.14", "R4.3"]), late, Some(queued.message), &text)
    })
}

/// The time by which the server knew the end of every request to the wrapper before `time`; `None` if it may have waited
/// for one at that time.
fn free_from(session: &SessionHistory, queue: &Queue, queued: &Queued, time: Duration) -> Option<Duration> {
    let seen = seen_free_from(session, time)?;
    let is_free = !may_wait_unseen(session, queue, queued, time);
    is_free.then_some(seen)
}

/// Whether the server may have waited at `time`, or shortly before, for the answer to a request that a fault has hidden, or
/// whose answer it has. Such a request may end long after its message, which other evidence may have settled.
fn may_wait_unseen(session: &SessionHistory, queue: &Queue, queued: &Queued, time: Duration) -> bool {
    let profile = &session.run.context.profile;
    let transit = session.run.max_transit();
    let longest = profile.wrapper_ready_timeout + profile.wrapper_job_timeout;
    let shortly = (profile.drain_delay + leeway(session)) * 2;
    let mut spans = session.run.faults.spans_without_requests();
    spans.any(|(began, ended)| {
        if time < began || time > ended.saturating_add(longest + shortly) {
            return false;
        }
        // Deliveries follow each other, so a later request shows that none before it still waits.
        let is_later = |at: Duration| at > ended.saturating_add(transit) && at < time;
        if session.requests_at().any(is_later) {
            return false;
        }
        let may_begin = queue.has_other(queued, began.saturating_sub(transit), ended);
        // The turn follows the answer to getting ready, and may be on its way when the fault begins.
        may_begin || seen_free_from(session, began).is_none_or(|free_from| free_from + transit >= began)
    })
}

/// The time by which the server knew the end of every request that reached the wrapper before `time`, if no fault hid
/// its answer; `None` if it may have waited for one at that time.
fn seen_free_from(session: &SessionHistory, time: Duration) -> Option<Duration> {
    let transit = session.run.max_transit();
    let prepared = session.preparations.iter();
    let prepared = prepared.map(|request| (request.at, &request.answer, request.is_ready()));
    let delivered = session.deliveries.iter();
    let delivered = delivered.map(|request| (request.at, &request.answer, request.is_accepted()));
    let earlier = prepared.chain(delivered).filter(|(at, ..)| *at < time);
    let over = earlier.map(|(_, answer, is_success)| {
        let answer = answer.as_ref()?;
        // Another answer may be one that the server cannot read, so that it waits for the time-out.
        let is_clear = is_success || answer.status == 400 || answer.code().is_some();
        is_clear.then_some(answer.at + transit)
    });
    let over: Option<Vec<Duration>> = over.collect();
    Some(over?.into_iter().max().unwrap_or_default())
}

/// The finding about a first attempt less than a drain delay after the admission of a message that came alone.
fn too_early(session: &SessionHistory, queue: &Queue, queued: &Queued, seen: &[Attempt]) -> Option<Finding> {
    let first = seen.first()?;
    let run = session.run;
    let delay = run.context.profile.drain_delay;
    let admitted_at = queued.event.at;
    let tolerance = run.time_error() + run.timing_tolerance();
    if first.from + tolerance >= admitted_at + delay {
        return None;
    }
    // A drain that was scheduled for another message may deliver this one, also if a start of the server put it off (R7.28),
    // or if its clock was set back (R7.36).
    let quiet_from = admitted_at.saturating_sub(delay + leeway(session) + tolerance);
    let is_near = |at: &Duration| (quiet_from..=first.from).contains(at);
    let is_alone = queue.others(queued).flatten().all(|at| !is_near(&at))
        && !run
            .faults
            .server_restarted_at(first.from)
            .is_some_and(|at| is_near(&at))
        && !run.faults.clock().went_back(Duration::ZERO, first.from)
        && session
            .ingests()
            .all(|ingest| !ingest.closed_at.iter().any(is_near))
        && free_from(session, queue, queued, first.from)
            .is_some_and(|free_from| free_from == Duration::ZERO || !is_near(&free_from));
    is_alone.then(|| {
        let text = format!(
            "it was admitted at {}, and its first attempt came at {}, before the drain delay of {} had passed",
            secs(admitted_at),
            secs(first.from),
            secs(delay)
        );
        ORACLE.finding_about(&ids(["R3.14"]), first.from, queued.message, text)
    })
}

/// The finding about an attempt that came later than the delay after the failure before it.
fn repeated(session: &SessionHistory, warmth: &Warmth, queued: &Queued, seen: &[Attempt]) -> Option<Finding> {
    let drain_delay = session.run.context.profile.drain_delay;
    let mut pairs = seen.windows(2).enumerate();
    pairs.find_map(|(place, pair)| {
        let [failed, next] = pair else { return None };
        // The count of failures is certain only without an attempt that was cut short.
        if seen[..=place].iter().any(|attempt| attempt.may_be_cut_short) {
            return None;
        }
        let delay = warmth.longest_delay_after(seen, place)?.max(drain_delay);
        let limit = failed.over_at_last + delay + leeway(session);
        (next.from > limit).then(|| {
            let text = format!(
                "its attempt at {} failed by {}, but the next one came at {} instead of {} later",
                secs(failed.from),
                secs(failed.over_at_last),
                secs(next.from),
                secs(delay)
            );
            let late = Late {
                limit,
                at: Some(next.from),
            };
            let violated = ids(["R4.23", "R7.8"]);
            ORACLE.finding_late(session.run, &violated, late, Some(queued.message), &text)
        })
    })
}

/// The finding about a message that is exhausted later than its last attempt failed.
fn exhausted(
    session: &SessionHistory,
    warmth: &Warmth,
    queued: &Queued,
    seen: &[Attempt],
) -> Option<Finding> {
    let end = queued.left.filter(|left| left.data["reason"] == "exhausted")?;
    let last = seen.last()?;
    let (_, most) = warmth.allowed_after(seen);
    let is_counted = seen.len() == most && !seen.iter().any(|attempt| attempt.may_be_cut_short);
    let limit = last.over_at_last + leeway(session);
    (is_counted && end.at > limit).then(|| {
        let text = format!(
            "its last attempt failed by {}, but it was exhausted at {}",
            secs(last.over_at_last),
            secs(end.at)
        );
        let late = Late {
            limit,
            at: Some(end.at),
        };
        ORACLE.finding_late(session.run, &ids(["R4.9"]), late, Some(queued.message), &text)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use turnstile_events::world::{Cause, WorldEvent};
    use turnstile_fault::{ClockChange, Fault, Link, Place};

    use crate::oracle::Severity;
    use crate::oracle::written::Writer;
    use crate::parties::{SERVER, WRAPPER};

    /// The texts of this oracle's findings.
    fn texts(writer: Writer) -> String {
        let findings = writer.findings().into_iter();
        let texts: Vec<String> = findings
            .filter(|finding| finding.rule == "deliveries-are-on-time")
            .map(|finding| finding.text)
            .collect();
        texts.join("\n")
    }

    /// A message was admitted.
    fn admitted() -> Writer {
        let mut writer = Writer::started("m1").also_judged_by("deliveries-are-on-time");
        writer.at_once(|writer| writer.queued("m1"));
        writer
    }

    /// What `happens` follows after that many seconds.
    fn after(writer: &mut Writer, seconds: u64, happens: impl FnOnce(&mut Writer)) {
        writer.wait(seconds - 1);
        writer.at_once(happens);
    }

    fn accepted(writer: &mut Writer) {
        writer.bound(1);
        writer.delivered_to("m1", 1);
        writer.sent("m1");
        writer.completed("m1");
    }

    #[test]
    fn a_message_is_delivered_a_drain_delay_after_its_admission() {
        // `at_once` adds a second afterwards.
        for (more, part) in [(0, ""), (2, "first attempt came at 8.000000 s")] {
            let mut writer = admitted();
            writer.wait(more);
            writer.is_at_the_moment(accepted);
            let texts = texts(writer);
            assert_eq!(texts.is_empty(), part.is_empty(), "{texts}");
            assert!(texts.contains(part), "{texts}");
        }
        let mut early = Writer::started("m1").also_judged_by("deliveries-are-on-time");
        early.at_once(|writer| {
            writer.queued("m1");
            accepted(writer);
        });
        assert!(texts(early).contains("before the drain delay"));
        let mut restarted = Writer::started("m1").also_judged_by("deliveries-are-on-time");
        restarted.world(WorldEvent::began(Fault::crash(SERVER), Cause::Order));
        restarted.world(WorldEvent::Ended {
            place: Place::Host(SERVER.to_owned()),
        });
        restarted.at_once(|writer| {
            writer.queued("m1");
            accepted(writer);
        });
        assert!(
            !texts(restarted).contains("before the drain delay"),
            "a drain was put off"
        );
        let minute = "1m".parse().unwrap();
        for (set, is_early) in [
            (ClockChange::Back(minute), false),
            (ClockChange::Forward(minute), true),
        ] {
            let mut writer = Writer::started("m1").also_judged_by("deliveries-are-on-time");
            writer.clock_is_set(set);
            writer.wait(5);
            writer.at_once(|writer| {
                writer.queued("m1");
                accepted(writer);
            });
            assert_eq!(
                texts(writer).contains("before the drain delay"),
                is_early,
                "{set}"
            );
        }
    }

    #[test]
    fn a_fault_excuses_only_what_follows_it() {
        let mut writer = Writer::started("m1").also_judged_by("deliveries-are-on-time");
        writer.at_once(|writer| {
            writer.queued("m1");
            writer.fails_to_get_ready("KILO_SERVER_FAILED");
        });
        writer.wait(3);
        writer.is_at_the_moment(|writer| writer.fails_to_get_ready("KILO_SERVER_FAILED"));
        writer.wait(3);
        writer.world(WorldEvent::began(Fault::crash(SERVER), Cause::Order));
        let texts = texts(writer);
        assert!(texts.contains("before the drain delay"), "{texts}");
        assert!(texts.contains("the next one came"), "{texts}");
    }

    #[test]
    fn a_failed_attempt_is_followed_by_the_next_one_after_its_delay() {
        for (seconds, is_late) in [(2, false), (4, true)] {
            let mut writer = admitted();
            writer.is_at_the_moment(|writer| writer.fails_to_get_ready("KILO_SERVER_FAILED"));
            writer.wait(seconds);
            writer.is_at_the_moment(accepted);
            assert_eq!(texts(writer).contains("the next one came"), is_late, "{seconds}");
        }
    }

    #[test]
    fn an_answer_that_the_server_may_not_be_able_to_read_may_take_the_whole_time_out() {
        for (status, is_late) in [(400, true), (502, false)] {
            let mut writer = admitted();
            writer.is_at_the_moment(|writer| writer.refused("m1", status));
            writer.wait(20);
            writer.is_at_the_moment(accepted);
            assert_eq!(!texts(writer).is_empty(), is_late, "{status}");
        }
    }

    #[test]
    fn an_attempt_without_an_answer_is_over_after_its_time_out() {
        type Request = fn(&mut Writer);
        let unanswered: [(Request, u64); 2] = [
            (
                |writer| {
                    writer.wrapper_receives("/session/ready", json!({"agentSessionId": "s"}));
                },
                600,
            ),
            (
                |writer| {
                    writer.bound(1);
                    writer.delivered_in_vain("m1");
                },
                30,
            ),
        ];
        for (receives, timeout) in unanswered {
            for (seconds, is_late) in [(2, false), (4, true)] {
                let mut writer = admitted();
                writer.is_at_the_moment(receives);
                writer.wait(timeout + seconds);
                writer.is_at_the_moment(accepted);
                let texts = texts(writer);
                assert_eq!(texts.contains("the next one came"), is_late, "{timeout}: {texts}");
            }
        }
    }

    #[test]
    fn the_last_failure_exhausts_the_message_at_once() {
        for (seconds, is_late) in [(0, false), (2, true)] {
            let mut writer = admitted();
            writer.is_at_the_moment(|writer| writer.refused("m1", 400));
            writer.wait(2);
            writer.is_at_the_moment(|writer| {
                writer.refused("m1", 400);
                writer.wait(seconds);
                writer.exhausted("m1", "BAD_REQUEST", 2);
            });
            assert_eq!(texts(writer).contains("it was exhausted"), is_late, "{seconds}");
        }
    }

    #[test]
    fn a_message_waits_for_the_delivery_before_it() {
        for (seconds, is_late) in [(1, false), (3, true)] {
            let mut writer = admitted();
            writer.is_at_the_moment(|writer| {
                writer.acked("send", "m2", json!({}));
                writer.queued("m2");
                let exchange = writer.wrapper_receives("/session/ready", json!({"agentSessionId": "s"}));
                writer.wait(20);
                writer.wrapper_answers(exchange, 200, json!({"status": "ready"}));
                accepted(writer);
            });
            writer.wait(seconds);
            writer.is_at_the_moment(|writer| {
                writer.delivered_to("m2", 1);
                writer.sent("m2");
                writer.completed("m2");
            });
            assert_eq!(!texts(writer).is_empty(), is_late, "{seconds}");
        }
    }

    #[test]
    fn a_message_waits_for_an_attempt_that_a_fault_has_hidden() {
        let (unseen, seen) = (true, false);
        for (is_hidden, seconds, is_late) in [(seen, 20, true), (unseen, 20, false), (unseen, 640, true)] {
            let mut writer = Writer::started("m1").also_judged_by("deliveries-are-on-time");
            let link = Link::between(SERVER, WRAPPER);
            if is_hidden {
                writer.world(WorldEvent::of(&Fault::black_hole(&link)));
            }
            writer.at_once(|writer| writer.queued("m1"));
            // What settles it is no answer to its delivery.
            writer.completed("m1");
            writer.wait(1);
            writer.world(WorldEvent::Ended {
                place: Place::EveryLink,
            });
            writer.wait(1);
            writer.at_once(|writer| {
                writer.acked("send", "m2", json!({}));
                writer.queued("m2");
            });
            writer.wait(seconds);
            writer.is_at_the_moment(|writer| {
                writer.delivered_to("m2", 1);
                writer.sent("m2");
                writer.completed("m2");
            });
            let texts = texts(writer);
            assert_eq!(
                texts.contains("first attempt came"),
                is_late,
                "{is_hidden} {seconds}: {texts}"
            );
        }
    }

    #[test]
    fn a_machine_that_is_late_excuses_a_late_attempt() {
        for (stalled, is_late) in [(0, true), (2, true), (4, false)] {
            let mut writer = admitted();
            writer.in_real_time(Duration::from_millis(150));
            writer.wait(5);
            writer.world(WorldEvent::Stalled {
                stalled_us: stalled * 1_000_000,
            });
            writer.is_at_the_moment(accepted);
            let findings = writer.findings().into_iter();
            let late: Vec<_> = findings
                .filter(|finding| finding.rule == "deliveries-are-on-time")
                .collect();
            assert_eq!(!late.is_empty(), is_late, "{late:?}");
            for finding in late {
                let is_excused = stalled > 0;
                assert_eq!(finding.severity == Severity::Warning, is_excused, "{finding:?}");
                assert_eq!(
                    finding.text.contains("the machine was 2"),
                    is_excused,
                    "{finding:?}"
                );
            }
        }
    }

    #[test]
    fn a_fault_excuses_a_late_attempt() {
        let mut writer = admitted();
        let link = Link::between(SERVER, WRAPPER);
        writer.world(WorldEvent::of(&Fault::cut(&link)));
        writer.wait(5);
        writer.world(WorldEvent::Ended {
            place: Place::EveryLink,
        });
        after(&mut writer, 1, accepted);
        assert_eq!(texts(writer), "");
    }
}
