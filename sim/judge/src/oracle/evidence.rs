//! Every end of a message has its evidence (protocol §6, §7): the reply that it names, the fatal error that it is blamed
//! on, an attempt that failed.
//!
//! Evidence is what wrappers sent up to the end, under any fence and on any socket, whether or not it reached the server:
//! what counts is judged elsewhere, and so are the ends that need a silence (`grace`, `unhealthy`), an idle
//! (`reconciliation`) or a request (`interrupts`). Other rules judge the ends of imported executions.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::frames::RunEnd;
use super::history::{Fence, SessionHistory, StreamEvent, answer, kilo};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "ends-have-their-evidence",
    rule: "A message completes only with a reply of the assistant, fails with the assistant's error only with such an \
        error, with the wrapper's error only with a fatal one, without a reply only if none was finished, and as \
        exhausted only after an attempt.",
    why: "Clients and receivers act on the kind of an end: they merge what completed and repeat what failed. An end with \
        another cause than the one it names sends them the wrong way.",
    moment: Moment::Always,
    protocol: &ids([
        "R4.10", "R6.2", "R6.3", "R6.5", "R6.8", "R6.9", "R6.12", "R6.37", "R7.21", "R7.22", "R7.23", "R7.24",
    ]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.log.is_none() {
        return Vec::new();
    }
    let evidence = Evidence::of(session);
    let findings = session.ends.iter().filter_map(|end| {
        let message = end.message()?;
        // A message of an imported execution was never queued here.
        let queued = session.queued_of(message)?;
        let (violated, missing) = violation(session, &evidence, queued, end, message)?;
        let text = format!(
            "event {} ends it {} at {}, but {missing}",
            end.id,
            kind(end),
            secs(end.at)
        );
        Some(ORACLE.finding_about(&[violated], session.run.first_seen(end), message, text))
    });
    findings.collect()
}

/// The kind of an end, as a finding shows it.
fn kind(end: &StreamEvent) -> String {
    let field = |name: &str| end.data[name].as_str().unwrap_or("none").to_owned();
    format!(
        "as {} (source {}, reason {})",
        field("status"),
        field("completionSource"),
        field("reason")
    )
}

/// The rule that an end without its evidence violates, and what is missing.
fn violation(
    session: &SessionHistory,
    evidence: &Evidence,
    queued: &StreamEvent,
    end: &StreamEvent,
    message: &str,
) -> Option<(RuleId, String)> {
    let sent_by = end.at + session.run.time_error();
    if evidence.unread_from <= sent_by {
        return None;
    }
    let replies = evidence.replies(message, sent_by);
    let source = end.data["completionSource"].as_str()?;
    let status = end.data["status"].as_str()?;
    let reason = end.data["reason"].as_str();
    let rule = RuleId::named;
    let (violated, missing) = match (source, status, reason) {
        ("assistant_message_event", "completed", _) if !replies.finished => {
            (rule("R6.2"), "no reply without an error was finished before")
        }
        ("assistant_message_event", "failed", _) if !replies.failed => {
            (rule("R6.3"), "no reply had an error before")
        }
        ("idle_reconciliation", "completed", _) => {
            let unfinished_counts = session.run.context.profile.unfinished_reply_counts;
            match (replies.finished, replies.unfinished && unfinished_counts) {
                (false, false) if replies.unfinished => (rule("R7.23"), "its only reply was not finished"),
                (false, false) => (rule("R7.24"), "there was no reply"),
                _ => return None,
            }
        }
        ("idle_reconciliation", "failed", Some("assistant_error")) if !replies.failed => {
            (rule("R7.21"), "no reply had an error before")
        }
        ("idle_reconciliation", "failed", Some("missing_assistant_reply")) => {
            let reply = finished_in_log(session, end, message)?;
            let text = format!(
                "event {} is a reply that was finished without an error at {}",
                reply.id,
                secs(reply.at)
            );
            return Some((rule("R7.22"), text));
        }
        ("wrapper_failure", _, Some("wrapper_error"))
            if !evidence.has_fatal_error(session, message, sent_by) =>
        {
            (rule("R6.5"), "its wrapper sent no fatal error before")
        }
        ("delivery_failure", ..) if is_never_attempted(session, queued, end, message) => {
            (rule("R6.9"), "no attempt to deliver it reached the wrapper")
        }
        _ => return None,
    };
    Some((violated, missing.to_owned()))
}

/// What the wrappers of a session sent that may end a message.
struct Evidence<'a> {
    /// The replies to each message, with the times of sending.
    replies: BTreeMap<&'a str, Vec<(Duration, Reply)>>,
    /// The times of fatal errors, each with the fence of its run.
    fatal_errors: Vec<(Duration, &'a Fence)>,
    /// Time of the first frame that the trace shows as text only, such as one with half of a surrogate pair. The server may
    /// have read it.
    unread_from: Duration,
}

/// The kinds of a version of a reply.
#[derive(Clone, Copy)]
enum Reply {
    Finished,
    Failed,
    Unfinished,
}

/// Which kinds of replies a message had.
#[derive(Default)]
struct Replies {
    finished: bool,
    failed: bool,
    unfinished: bool,
}

impl<'a> Evidence<'a> {
    fn of(session: &SessionHistory<'a>) -> Self {
        let mut evidence = Self {
            replies: BTreeMap::new(),
            fatal_errors: Vec::new(),
            unread_from: Duration::MAX,
        };
        for (ingest, frame) in session.wrapper_frames() {
            if frame.name.is_empty() {
                evidence.unread_from = evidence.unread_from.min(frame.at);
            } else if RunEnd::of_frame(frame) == Some(RunEnd::FatalError) {
                evidence.fatal_errors.push((frame.at, &ingest.fence));
            } else if let Some((message, reply)) = reply(kilo(&frame.name, &frame.data)) {
                let replies = evidence.replies.entry(message).or_default();
                replies.push((frame.at, reply));
            }
        }
        evidence
    }

    /// The replies to a message that were sent by that time.
    fn replies(&self, message: &str, sent_by: Duration) -> Replies {
        let mut replies = Replies::default();
        let sent = self.replies.get(message).into_iter().flatten();
        for (_, reply) in sent.filter(|(at, _)| *at <= sent_by) {
            match reply {
                Reply::Finished => replies.finished = true,
                Reply::Failed => replies.failed = true,
                Reply::Unfinished => replies.unfinished = true,
            }
        }
        replies
    }

    /// Whether a run that the message was delivered to sent a fatal error by that time.
    fn has_fatal_error(&self, session: &SessionHistory, message: &str, sent_by: Duration) -> bool {
        let mut errors = self.fatal_errors.iter().filter(|(at, _)| *at <= sent_by);
        errors.any(|(_, fence)| {
            let mut delivered = session.deliveries.iter();
            delivered.any(|delivery| delivery.message == message && delivery.fence.as_ref() == Some(fence))
        })
    }
}

/// The message that a kilo event replies to, and the kind of the reply, if it is a version of an assistant's message.
fn reply<'a>(event: Option<(&str, &'a Value)>) -> Option<(&'a str, Reply)> {
    let (message, info) = answer(event?)?;
    let kind = match (info["error"].is_null(), info["time"]["completed"].is_null()) {
        (false, _) => Reply::Failed,
        (true, false) => Reply::Finished,
        (true, true) => Reply::Unfinished,
    };
    Some((message, kind))
}

/// The row of a reply to a message that was finished without an error before that end.
fn finished_in_log<'a>(
    session: &SessionHistory<'a>,
    end: &StreamEvent,
    message: &str,
) -> Option<&'a StreamEvent> {
    let mut earlier = session
        .kept
        .iter()
        .copied()
        .filter(|event| event.id < end.id && event.at + session.run.time_error() < end.at);
    earlier
        .find(|event| matches!(reply(event.kilo()), Some((answered, Reply::Finished)) if answered == message))
}

/// Whether certainly no attempt to deliver a message was made before that end.
fn is_never_attempted(
    session: &SessionHistory,
    queued: &StreamEvent,
    end: &StreamEvent,
    message: &str,
) -> bool {
    let faults = &session.run.faults;
    let is_disturbed = faults.may_have_disrupted_wrappers(queued.at, end.at)
        || faults.may_have_stopped_server(queued.at, end.at);
    let mut prepared = session.preparations.iter().map(|prepared| prepared.at);
    let mut delivered = session
        .deliveries
        .iter()
        .filter(|delivery| delivery.message == message);
    let is_in_span = |at: Duration| (queued.at..=end.at + session.run.time_error()).contains(&at);
    !is_disturbed && !session.bindings.is_empty() && !prepared.any(is_in_span) && delivered.next().is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["ends-have-their-evidence"];

    fn found(writer: Writer) -> Vec<String> {
        let mut found = writer.judged();
        found.retain(|rule| rule == FOUND[0]);
        found
    }

    /// A message is accepted, and its wrapper sends a reply with this `time` and error.
    fn answered(time: Value, error: Value) -> Writer {
        let mut writer = Writer::at_work().also_judged_by(FOUND[0]);
        let info = json!({"id": "a1", "role": "assistant", "parentID": "m1", "time": time, "error": error});
        let data = json!({"event": "message.updated", "properties": {"info": info}});
        writer.wrapper_sends(1, "kilocode", data.clone());
        writer.event("kilocode", data);
        writer
    }

    fn reconciled(writer: &mut Writer, reason: Option<&str>) {
        let data = json!({"completionSource": "idle_reconciliation", "reason": reason});
        match reason {
            None => writer.completed_with("m1", data),
            Some(_) => writer.failed("m1", data),
        }
    }

    #[test]
    fn a_message_completes_only_with_a_finished_reply() {
        let done = json!({"completed": 2});
        let error = json!({"message": "no"});
        for (time, error, rules) in [
            (done.clone(), Value::Null, &NOTHING[..]),
            (json!({}), Value::Null, &FOUND),
            (done.clone(), error.clone(), &FOUND),
        ] {
            let mut writer = answered(time.clone(), error.clone());
            writer.completed("m1");
            assert_eq!(found(writer), rules, "{time} {error}");
        }
        let mut without = Writer::at_work().also_judged_by(FOUND[0]);
        without.completed("m1");
        assert_eq!(found(without), FOUND);
    }

    #[test]
    fn a_message_fails_with_an_error_of_the_assistant_only_if_there_is_one() {
        for (error, rules) in [(json!({"message": "no"}), &NOTHING[..]), (Value::Null, &FOUND)] {
            for source in ["assistant_message_event", "idle_reconciliation"] {
                let mut writer = answered(json!({}), error.clone());
                let data = json!({"completionSource": source, "reason": "assistant_error"});
                writer.failed("m1", data);
                assert_eq!(found(writer), rules, "{error} {source}");
            }
        }
    }

    #[test]
    fn reconciliation_decides_by_the_transcript() {
        let missing = Some("missing_assistant_reply");
        for (time, reason, rules) in [
            (json!({}), missing, &NOTHING[..]),
            (json!({}), None, &FOUND),
            (json!({"completed": 2}), None, &NOTHING),
            (json!({"completed": 2}), missing, &FOUND),
        ] {
            let mut writer = answered(time.clone(), Value::Null);
            writer.idle();
            writer.wait(15);
            reconciled(&mut writer, reason);
            assert_eq!(found(writer), rules, "{time} {reason:?}");
        }
    }

    #[test]
    fn an_unfinished_reply_counts_if_the_profile_says_so() {
        let mut writer = answered(json!({}), Value::Null);
        writer.judged_by(turnstile_profile::Profile {
            unfinished_reply_counts: true,
            ..Default::default()
        });
        reconciled(&mut writer, None);
        assert_eq!(found(writer), NOTHING);
    }

    #[test]
    fn an_error_of_the_wrapper_is_a_fatal_one_of_its_run() {
        for (generation, fatal, rules) in [(1, true, &NOTHING[..]), (1, false, &FOUND), (2, true, &FOUND)] {
            let mut writer = Writer::at_work().also_judged_by(FOUND[0]);
            writer.opens_ingest(2);
            writer.wrapper_sends(generation, "error", json!({"fatal": fatal}));
            let data = json!({"completionSource": "wrapper_failure", "reason": "wrapper_error"});
            writer.failed("m1", data);
            assert_eq!(found(writer), rules, "{generation} {fatal}");
        }
    }

    #[test]
    fn a_frame_that_is_only_text_may_be_any_evidence() {
        let mut writer = Writer::at_work().also_judged_by(FOUND[0]);
        writer.wrapper_sends(1, "", Value::Null);
        let data = json!({"completionSource": "wrapper_failure", "reason": "wrapper_error"});
        writer.failed("m1", data);
        assert_eq!(found(writer), NOTHING);
    }

    #[test]
    fn a_message_is_exhausted_only_after_an_attempt() {
        for (is_attempted, rules) in [(true, &NOTHING[..]), (false, &FOUND)] {
            let mut writer = Writer::at_work().also_judged_by(FOUND[0]);
            writer.acked("send", "m2", json!({}));
            writer.queued("m2");
            if is_attempted {
                writer.refused("m2", 400);
            }
            writer.exhausted("m2", "BAD_REQUEST", 2);
            assert_eq!(found(writer), rules, "{is_attempted}");
        }
    }
}
