//! A user's interrupt ends every message before it is answered (protocol §6): the pending ones in queue order, then the
//! accepted ones in the same order. Every interrupted message has an error text.
//!
//! The interrupt took effect between the request and its answer. A message that was queued or ended around that time
//! allows both. An answer without success proves nothing: another user gets it too, and the trace does not show the user.

use std::time::Duration;

use super::frames::RunEnd;
use super::history::{Call, SessionHistory, StreamEvent};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "interrupts-settle",
    rule: "A user's interrupt ends every message before it is answered, the pending ones first, each with an error \
        text.",
    why: "The user is told that the work has stopped. A message that is left would run, or block the queue, although \
        no client expects it any more.",
    moment: Moment::Always,
    protocol: &ids(["R2.60", "R6.10", "R6.24", "R6.25", "R6.29", "R6.33"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.log.is_none() {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = without_text(session).collect();
    let interrupts = session.calls.iter().filter_map(|call| Interrupt::read(call));
    for interrupt in interrupts {
        findings.extend(left(session, &interrupt));
        findings.extend(out_of_order(session, &interrupt));
    }
    findings
}

/// An interrupt that was answered with success.
struct Interrupt {
    requested_at: Duration,
    answered_at: Duration,
}

impl Interrupt {
    fn read(call: &Call) -> Option<Self> {
        if call.procedure != "interruptSession" {
            return None;
        }
        let (answered_at, data) = call.success()?;
        (data["success"] == true).then_some(Self {
            requested_at: call.at,
            answered_at,
        })
    }
}

/// Findings about interrupted messages without an error text.
fn without_text(session: &SessionHistory) -> impl Iterator<Item = Finding> {
    let interrupted = session
        .ends
        .iter()
        .filter(|end| end.data["status"] == "interrupted");
    interrupted.filter_map(|end| {
        let error = &end.data["error"];
        if error.as_str().is_some_and(|text| !text.is_empty()) {
            return None;
        }
        let text = format!(
            "event {} interrupts it with the error {error} instead of a text",
            end.id
        );
        Some(ORACLE.finding(&ids(["R6.33"]), session.run.first_seen(end), end.message(), text))
    })
}

/// Findings about messages that were queued before an interrupt and had not ended when it was answered.
fn left(session: &SessionHistory, interrupt: &Interrupt) -> Vec<Finding> {
    let time_error = session.run.time_error();
    let queued = session
        .kept
        .iter()
        .filter(|event| event.is_queued() && event.at + time_error < interrupt.requested_at);
    let findings = queued.filter_map(|queued| {
        let message = queued.message()?;
        let end = session.end_of(message);
        if end.is_some_and(|end| end.at <= interrupt.answered_at + time_error) {
            return None;
        }
        let ends = end.map_or("it never ended".to_owned(), |end| {
            format!("it ended at {}", secs(end.at))
        });
        let text = format!(
            "the interrupt of {} was answered at {} with success, but {ends}",
            secs(interrupt.requested_at),
            secs(interrupt.answered_at)
        );
        Some(ORACLE.finding_about(&ids(["R6.10", "R6.24"]), interrupt.answered_at, message, text))
    });
    findings.collect()
}

/// The finding about messages that an interrupt ended in another order.
fn out_of_order(session: &SessionHistory, interrupt: &Interrupt) -> Option<Finding> {
    let time_error = session.run.time_error();
    let span = interrupt.requested_at.saturating_sub(time_error)..=interrupt.answered_at;
    let is_in_span = |event: &&&StreamEvent| span.contains(&event.at);
    let mut events = session.kept.iter().filter(is_in_span);
    let has_another_cause = events.any(|event| {
        let is_of_wrapper = RunEnd::of_event(event) == Some(RunEnd::Interrupted);
        is_of_wrapper || event.is_of_execution()
    });
    let mut others = session.calls.iter().filter(|call| {
        let answered_at = call.reply.as_ref().map_or(Duration::MAX, |(at, ..)| *at);
        matches!(call.procedure.as_str(), "interruptSession" | "deleteSession")
            && call.at <= interrupt.answered_at
            // Its ends may seem to be in the span.
            && answered_at.saturating_add(time_error) >= interrupt.requested_at
    });
    let is_only = others.next().is_some() && others.next().is_none();
    if has_another_cause || !is_only {
        return None;
    }
    let ends = session
        .ends
        .iter()
        .filter(is_in_span)
        .filter(|end| end.data["completionSource"] == "interrupt");
    let ended: Vec<Ended> = ends.filter_map(|end| Ended::of(session, end)).collect();
    let pair = ended.windows(2).find(|pair| pair[0].belongs_after(&pair[1]))?;
    let (first, second) = (pair[0].message, pair[1].message);
    let text = format!("the interrupt ended {first} before {second}, but {second} comes first");
    Some(ORACLE.finding_about(&ids(["R6.24"]), interrupt.answered_at, second, text))
}

/// A message that was interrupted.
struct Ended<'a> {
    message: &'a str,
    was_accepted: bool,
    queued_at: Duration,
}

impl<'a> Ended<'a> {
    fn of(session: &SessionHistory<'a>, end: &'a StreamEvent) -> Option<Self> {
        let message = end.message()?;
        Some(Self {
            message,
            was_accepted: end.data["accepted"] == true,
            queued_at: session.queued_of(message)?.at,
        })
    }

    /// Whether it has to end after another message. The order within one millisecond is open.
    fn belongs_after(&self, other: &Self) -> bool {
        (self.was_accepted, self.queued_at) > (other.was_accepted, other.queued_at)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["interrupts-settle"];

    /// One accepted message, and two that wait.
    fn at_work() -> Writer {
        let mut writer = Writer::at_work();
        for message in ["m2", "m3"] {
            writer.acked("send", message, json!({}));
            writer.queued(message);
        }
        writer
    }

    fn interrupted_in_queue(writer: &mut Writer, message: &str) {
        writer.interrupted_with(message, json!({"accepted": false, "delivery": "queued"}));
    }

    #[test]
    fn a_message_that_is_left_by_an_interrupt_is_found() {
        for (is_left, success, rules) in [
            (false, true, &NOTHING[..]),
            (true, true, &FOUND),
            (true, false, &NOTHING),
        ] {
            let mut writer = at_work();
            writer.interrupts_with(success, |writer| {
                interrupted_in_queue(writer, "m2");
                interrupted_in_queue(writer, "m3");
                if !is_left {
                    writer.interrupted("m1");
                }
            });
            if is_left {
                writer.wait(1);
                writer.completed("m1");
            }
            let mut found = writer.judged();
            found.retain(|rule| rule == FOUND[0]);
            assert_eq!(found, rules, "{is_left} {success}");
        }
    }

    #[test]
    fn an_interrupt_of_an_idle_session_changes_nothing() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer.interrupts_with(false, |_| {});
        assert_eq!(writer.judged(), NOTHING);
    }

    #[test]
    fn another_order_than_that_of_the_queue_is_found() {
        for (order, rules) in [
            (["m2", "m3", "m1"], &NOTHING[..]),
            (["m3", "m2", "m1"], &FOUND),
            (["m1", "m2", "m3"], &FOUND),
        ] {
            let mut writer = at_work();
            writer.interrupts_with(true, |writer| {
                for message in order {
                    match message {
                        "m1" => writer.interrupted("m1"),
                        queued => interrupted_in_queue(writer, queued),
                    }
                }
            });
            assert_eq!(writer.judged(), rules, "{order:?}");
        }
    }

    #[test]
    fn an_interrupted_message_without_a_text_is_found() {
        for error in [Value::Null, json!("")] {
            let mut writer = Writer::at_work();
            writer.wrapper_sends(1, "interrupted", json!({}));
            writer.interrupted_with("m1", json!({"error": error}));
            assert_eq!(writer.judged(), FOUND);
        }
    }
}
