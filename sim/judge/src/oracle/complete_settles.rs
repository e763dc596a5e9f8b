//! `complete` settles every accepted message at once (protocol §6): no accepted message is unfinished after it.
//!
//! A message counts as accepted if it was sent before the `complete`, or if its wrapper had reported it and its delivery
//! was in progress. Which events happened before the `complete` is read from the order of the log.

use std::time::Duration;

use super::frames::RunEnd;
use super::history::{SessionHistory, StreamEvent};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "complete-settles",
    rule: "Every message that was accepted before a `complete` has ended with it at the latest.",
    why: "The wrapper has finished and reports nothing more. A message that is left waits for a deadline, and the \
        messages and the callback behind it wait with it.",
    moment: Moment::Always,
    protocol: &ids(["R6.8", "R6.17", "R6.18", "R6.34", "R6.35", "R6.38"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.log.is_none() {
        return Vec::new();
    }
    let accepted: Vec<Accepted> = session
        .sent
        .iter()
        .filter_map(|sent| Accepted::of(session, sent))
        .collect();
    let completes = session
        .kept
        .iter()
        .filter(|event| RunEnd::of_event(event).is_some_and(RunEnd::is_complete));
    completes
        .flat_map(|complete| unsettled(session, &accepted, complete))
        .collect()
}

/// A message that was accepted. A long run has many of them, and each `complete` is compared with all.
struct Accepted<'a> {
    sent: &'a StreamEvent,
    message: &'a str,
    /// Time of its end; `None` if it never ended.
    ended_at: Option<Duration>,
    /// Time of its delivery, if the wire shows exactly one.
    delivered_at: Option<Duration>,
}

impl<'a> Accepted<'a> {
    fn of(session: &SessionHistory<'a>, sent: &'a StreamEvent) -> Option<Self> {
        let message = sent.message()?;
        Some(Self {
            sent,
            message,
            ended_at: session.end_of(message).map(|end| end.at),
            delivered_at: session.only_delivery_of(message),
        })
    }

    /// Whether it was accepted before a `complete`, or in delivery then after its wrapper had reported it.
    fn is_of(&self, session: &SessionHistory, complete: &StreamEvent) -> bool {
        self.sent.id < complete.id
            || self.sent.at > complete.at
                && self.delivered_at.is_some_and(|at| at <= complete.at)
                && session.was_taken_before(self.message, complete)
    }
}

fn unsettled(session: &SessionHistory, accepted: &[Accepted], complete: &StreamEvent) -> Vec<Finding> {
    let settled_by = complete.at + session.run.time_error();
    let left = accepted.iter().filter(|accepted| {
        accepted.ended_at.is_none_or(|at| at > settled_by) && accepted.is_of(session, complete)
    });
    let findings = left.map(|accepted| {
        let ends = accepted.ended_at.map_or("it never ended".to_owned(), |at| {
            format!("it ended at {}", secs(at))
        });
        let text = format!(
            "`complete` (event {}) came at {} after it was accepted, but {ends}",
            complete.id,
            secs(complete.at)
        );
        let seen_at = session.run.first_seen(complete);
        ORACLE.finding_about(&ids(["R6.17"]), seen_at, accepted.message, text)
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["complete-settles"];

    fn at_work() -> Writer {
        let mut writer = Writer::at_work();
        writer.wrapper_reports(1, "m1");
        writer
    }

    fn completes(writer: &mut Writer, data: Value, happens: impl FnOnce(&mut Writer)) {
        writer.wrapper_sends(1, "complete", data.clone());
        writer.at_once(|writer| {
            writer.event("complete", data);
            happens(writer);
        });
    }

    fn by_reconciliation(writer: &mut Writer, message: &str) {
        writer.completed_with(message, json!({"completionSource": "idle_reconciliation"}));
    }

    #[test]
    fn a_message_that_does_not_end_with_complete_is_found() {
        for (is_at_once, rules) in [(true, &NOTHING[..]), (false, &FOUND)] {
            let mut writer = at_work();
            completes(&mut writer, json!({"exitCode": 0}), |writer| {
                if is_at_once {
                    by_reconciliation(writer, "m1");
                }
            });
            if !is_at_once {
                writer.completed("m1");
            }
            assert_eq!(writer.judged(), rules, "{is_at_once}");
        }
    }

    #[test]
    fn an_invalid_complete_settles_nothing() {
        let mut writer = at_work();
        completes(&mut writer, json!({"gateResult": "pass"}), |_| {});
        writer.completed("m1");
        assert_eq!(writer.judged(), NOTHING);
    }

    #[test]
    fn a_message_in_delivery_is_settled_if_its_wrapper_reported_it() {
        for (is_reported, rules) in [(false, &NOTHING[..]), (true, &FOUND)] {
            let mut writer = at_work();
            writer.acked("send", "m2", json!({}));
            writer.queued("m2");
            writer.delivered_to("m2", 1);
            if is_reported {
                writer.wrapper_sends_assistant(1, "m2", "a2", json!({}));
                writer.assistant("m2", "a2", json!({}));
            }
            completes(&mut writer, json!({"exitCode": 0}), |writer| {
                by_reconciliation(writer, "m1");
            });
            writer.sent("m2");
            writer.completed("m2");
            // A wrapper that completes without a report of what it accepted has its own finding.
            let mut found = writer.judged();
            found.retain(|rule| rule == FOUND[0]);
            assert_eq!(found, rules, "{is_reported}");
        }
    }
}
