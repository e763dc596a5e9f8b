//! The head of the queue does not wait longer than the protocol says (protocol §4): the next attempt follows a failure
//! after its delay, and the next message follows a message that has left the queue.
//!
//! The time that a message is the head of the queue is divided into spans in which something may be under way for it: a
//! request to the wrapper, a fault, a lost ingest. Between two of them nothing may last longer than the longest delay.

use std::time::Duration;

use super::attempts::{Queue, Queued};
use super::history::SessionHistory;
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "queue-moves",
    rule: "The head of the queue is delivered, or delivered again, within the time that the protocol allows.",
    why: "The head blocks the messages behind it. If the timer of the next attempt is lost, the session stands \
        still without an error.",
    moment: Moment::Always,
    protocol: &ids([
        "R3.14", "R4.3", "R4.6", "R4.7", "R4.8", "R4.10", "R6.23", "R6.27", "R6.28", "R7.8", "R7.28",
    ]),
    check: Check::Sessions(check),
};

/// The time for the server's own work between two steps.
const WORK: Duration = Duration::from_secs(2);

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.log.is_none() || session.is_removed {
        return Vec::new();
    }
    let queue = Queue::of(session);
    let time_error = session.run.time_error();
    let longest = longest_rest(session);
    let events = events(session);
    let findings = queue.heads(time_error).filter_map(|(queued, head_from)| {
        let from = head_from?;
        let until = queued.left.map_or(session.run.end, |left| left.at);
        let mut busy = spans(session, &queue, &events, queued, from, until);
        busy.push((until, until));
        busy.sort_unstable();
        let mut rests_from = from;
        for (began, ended) in busy {
            if began > rests_from.saturating_add(longest) {
                let text = format!(
                    "it was the head of the queue, but nothing was done for it from {} to {}",
                    secs(rests_from),
                    secs(began)
                );
                return Some(ORACLE.finding_about(
                    &ids(["R4.3", "R7.8"]),
                    rests_from + longest,
                    queued.message,
                    text,
                ));
            }
            rests_from = rests_from.max(ended);
        }
        None
    });
    findings.collect()
}

/// The longest time that may pass without a sign that something is under way for the head of the queue.
fn longest_rest(session: &SessionHistory) -> Duration {
    let profile = &session.run.context.profile;
    let delays = profile
        .delivery_retry_delays_cold
        .iter()
        .chain(&profile.delivery_retry_delays_warm);
    let longest_delay = delays.max().copied().unwrap_or_default();
    // An attempt to connect to the wrapper may fail without a sign.
    longest_delay
        + profile.drain_delay * 2
        + profile.wrapper_connect_timeout
        + WORK
        + session.run.max_transit() * 2
        + session.run.time_error()
}

/// The events about messages, in order of time.
fn events<'a>(session: &SessionHistory<'a>) -> Vec<(Duration, &'a str)> {
    let events = session.kept.iter();
    let mut events: Vec<_> = events
        .filter_map(|event| Some((event.at, event.message()?)))
        .collect();
    events.sort_unstable();
    events
}

/// The spans in which something may be under way for a message.
fn spans(
    session: &SessionHistory,
    queue: &Queue,
    events: &[(Duration, &str)],
    queued: &Queued,
    from: Duration,
    until: Duration,
) -> Vec<(Duration, Duration)> {
    let profile = &session.run.context.profile;
    let mut spans = requests(session, queue, from, until);
    // A run without a socket may first have to come back, or to be given up.
    let sockets = session.ingests().flat_map(|ingest| {
        let closed = ingest
            .closed_at
            .map(|closed_at| (closed_at, closed_at + profile.disconnect_grace));
        [Some((ingest.opened_at, ingest.opened_at)), closed]
    });
    spans.extend(sockets.flatten());
    let first = events.partition_point(|(at, _)| *at < from);
    let in_span = events[first..].iter().take_while(|(at, _)| *at <= until);
    let of_others = in_span.filter(|(_, message)| *message != queued.message);
    spans.extend(of_others.map(|(at, _)| (*at, *at)));
    // After a fault the server may wait for the answer to a request that never arrived.
    let hidden = profile.wrapper_ready_timeout + profile.wrapper_job_timeout;
    spans.extend(
        session
            .run
            .faults
            .spans_without_delivery(hidden, profile.resume_delay),
    );
    spans.retain(|(began, ended)| *began <= until && *ended >= from);
    spans
}

/// The requests to the wrapper, each until the server knows how it ended. A user's interrupt cuts a delivery short.
fn requests(
    session: &SessionHistory,
    queue: &Queue,
    from: Duration,
    until: Duration,
) -> Vec<(Duration, Duration)> {
    let profile = &session.run.context.profile;
    let interrupted_at: Vec<Duration> = queue.interrupted_at().collect();
    let prepared = session.preparations.iter().map(|prepared| {
        let answer = prepared.answer.as_ref();
        (
            prepared.at,
            answer.map(|answer| answer.at),
            profile.wrapper_ready_timeout,
        )
    });
    let delivered = session.deliveries.iter().map(|delivery| {
        let answer = delivery.answer.as_ref();
        (
            delivery.at,
            answer.map(|answer| answer.at),
            profile.wrapper_job_timeout,
        )
    });
    let requests = prepared.chain(delivered).filter(|(at, ..)| *at <= until);
    let spans = requests.map(|(at, answered_at, timeout)| {
        let over_by = answered_at.unwrap_or(Duration::MAX).min(at + timeout) + session.run.max_transit();
        let cuts = interrupted_at.iter().filter(|cut| **cut >= at && **cut <= from);
        (at, cuts.min().map_or(over_by, |cut| over_by.min(*cut)))
    });
    spans.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{Fault, Link, Place};

    use crate::oracle::written::Writer;
    use crate::parties::{SERVER, WRAPPER};

    /// Whether this oracle finds something. A message that never ends is found by another one as well.
    fn is_found(writer: Writer) -> bool {
        writer.judged().contains(&"queue-moves".to_owned())
    }

    fn started() -> Writer {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer
    }

    #[test]
    fn a_head_that_is_not_delivered_is_found() {
        assert!(is_found(started()));

        let mut late = started();
        late.wait(60);
        late.delivered("m1");
        late.sent("m1");
        late.completed("m1");
        assert!(is_found(late));
    }

    #[test]
    fn a_head_that_is_not_delivered_again_is_found() {
        for (waited, found) in [(2, false), (60, true)] {
            let mut writer = started();
            writer.fails_to_get_ready("KILO_SERVER_FAILED");
            writer.wait(waited);
            writer.bound(1);
            writer.delivered("m1");
            writer.sent("m1");
            writer.completed("m1");
            assert_eq!(is_found(writer), found, "{waited}");
        }
    }

    #[test]
    fn a_slow_answer_is_awaited() {
        let mut writer = started();
        writer.fails_to_get_ready_after(500, "KILO_SERVER_FAILED");
        writer.wait(2);
        writer.bound(1);
        writer.delivered("m1");
        writer.sent("m1");
        writer.completed("m1");
        assert!(!is_found(writer));
    }

    #[test]
    fn a_message_does_not_wait_for_a_delivery_that_a_user_interrupted() {
        for (is_interrupted, found) in [(true, true), (false, false)] {
            let mut writer = started();
            // The wrapper does not answer.
            writer.wrapper_receives("/session/ready", json!({"agentSessionId": "s"}));
            let source = if is_interrupted {
                "interrupt"
            } else {
                "wrapper_failure"
            };
            let data = json!({"status": "interrupted", "completionSource": source, "reason": "interrupted",
                "accepted": false, "delivery": "queued"});
            writer.message_event("failed", "m1", data);
            writer.acked("send", "m2", json!({}));
            writer.queued("m2");
            writer.wait(60);
            writer.bound(2);
            writer.delivered("m2");
            writer.sent("m2");
            writer.completed("m2");
            assert_eq!(is_found(writer), found, "{is_interrupted}");
        }
    }

    #[test]
    fn a_fault_between_server_and_wrapper_excuses_the_wait() {
        let mut writer = started();
        let link = Link::between(SERVER, WRAPPER);
        writer.world(WorldEvent::of(&Fault::cut(&link)));
        writer.wait(60);
        writer.world(WorldEvent::Ended {
            place: Place::EveryLink,
        });
        writer.delivered("m1");
        writer.sent("m1");
        writer.completed("m1");
        assert!(!is_found(writer));
    }
}
