//! A callback job fits the queue (protocol §8): the server makes it smaller before it submits it, and gives up one that is
//! still too large, without another attempt.
//!
//! What the server may leave out is checked by `callback_content`. Only simulated servers show what they submit; of
//! others the size of the body at the receiver is known.

use std::collections::BTreeSet;

use serde_json::Value;
use turnstile_events::queue::QueueAnswer;

use super::history::SessionHistory;
use super::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "job-fits-the-queue",
    rule: "A callback job is not larger than the queue takes, nothing is left out of one that fits, and one that \
        the queue refused for its size is not submitted again.",
    why: "The queue refuses a job that is too large every time. It would be submitted without end, and its \
        receiver would never learn the result.",
    moment: Moment::Always,
    protocol: &ids(["R8.35", "R8.36", "R8.37", "R8.38"]),
    check: Check::Sessions(check),
};

/// The most bytes of JSON that one byte of a text takes, as `\\u00xx`.
const LONGEST_ESCAPE: u64 = 6;
/// The fields that say how much of another field is left out.
const TRUNCATIONS: [&str; 2] = ["lastAssistantMessageTextTruncation", "errorMessageTruncation"];

fn check(session: &SessionHistory) -> Vec<Finding> {
    let limit = session.run.context.profile.callback_job_limit;
    let mut findings = Vec::new();
    let mut too_large: BTreeSet<&str> = BTreeSet::new();
    let submissions = session.run.submissions.iter();
    for (at, submission) in submissions.filter(|(_, job)| job.body["cloudAgentSessionId"] == session.id) {
        let message = submission.body["messageId"].as_str();
        let mut report = |violated: &[RuleId], text: String| {
            findings.push(ORACLE.finding(violated, *at, message, text));
        };
        let bytes = submission.bytes;
        if bytes > limit {
            report(
                &ids(["R8.35"]),
                format!("a callback job of {bytes} bytes was submitted, but the queue takes {limit}"),
            );
        } else if let Some(field) = needless_truncation(&submission.body, bytes, limit) {
            report(
                &ids(["R8.36", "R8.37"]),
                format!(
                    "its callback job of {bytes} bytes has `{field}`, but all of it would fit into {limit} bytes"
                ),
            );
        }
        if too_large.contains(submission.submitted.as_str()) {
            report(
                &ids(["R8.38"]),
                "its callback job was submitted again after the queue had refused it for its size".to_owned(),
            );
        }
        if submission.answer == QueueAnswer::TooLarge {
            too_large.insert(&submission.submitted);
        }
    }
    for request in &session.callbacks {
        let bytes = request.body.to_string().len();
        if bytes > limit {
            let text = format!("its callback has a body of {bytes} bytes, but a job has at most {limit}");
            findings.push(ORACLE.finding(
                &ids(["R8.35"]),
                request.at,
                request.body["messageId"].as_str(),
                text,
            ));
        }
    }
    findings
}

/// A field that says that something was left out of a job of that size, although it would certainly fit.
fn needless_truncation(body: &Value, bytes: usize, limit: usize) -> Option<&'static str> {
    let left_out = |field: &str| {
        let length = |name: &str| body[field][name].as_u64().unwrap_or_default();
        length("originalUtf8ByteLength").saturating_sub(length("retainedUtf8ByteLength"))
    };
    let mut truncated = TRUNCATIONS.into_iter().filter(|field| body[*field].is_object());
    let whole: u64 = TRUNCATIONS.into_iter().map(left_out).sum();
    // The name of a field that is left out is shorter than the field that says so.
    let largest = (bytes as u64).saturating_add(whole.saturating_mul(LONGEST_ESCAPE));
    truncated.next().filter(|_| largest <= limit as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use turnstile_events::queue::{QueueAnswer, Submission};

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["job-fits-the-queue"];

    /// A server submits callback jobs, each with its size, fields and answer.
    fn submitted(jobs: &[(usize, Value, QueueAnswer)]) -> Vec<String> {
        let mut writer = Writer::with_callback("m1");
        writer.turn("m1");
        for (bytes, more, answer) in jobs {
            let mut body = json!({"cloudAgentSessionId": "s", "messageId": "m1"});
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            writer.submits(Submission {
                submitted: "m1".to_owned(),
                bytes: *bytes,
                body,
                answer: *answer,
            });
        }
        writer.called_back("m1", json!({}), 200);
        writer.judged()
    }

    #[test]
    fn a_job_over_the_limit_is_found() {
        for (bytes, rules) in [(127_000, &NOTHING[..]), (127_001, &FOUND)] {
            assert_eq!(
                submitted(&[(bytes, json!({}), QueueAnswer::Accepted)]),
                rules,
                "{bytes}"
            );
        }
    }

    #[test]
    fn a_job_that_was_refused_for_its_size_is_not_submitted_again() {
        let large = (1_000, json!({}), QueueAnswer::TooLarge);
        let small = (1_000, json!({}), QueueAnswer::Accepted);
        let refused = (1_000, json!({}), QueueAnswer::Refused);
        assert_eq!(submitted(std::slice::from_ref(&large)), NOTHING);
        assert_eq!(submitted(&[large, small.clone()]), FOUND);
        assert_eq!(submitted(&[refused, small]), NOTHING);
    }

    #[test]
    fn a_text_that_fits_is_not_left_out() {
        let cut = |length: u64| {
            let more = json!({"lastAssistantMessageTextTruncation":
                {"originalUtf8ByteLength": length, "retainedUtf8ByteLength": 0}});
            [(1_000, more, QueueAnswer::Accepted)]
        };
        assert_eq!(submitted(&cut(126_500)), NOTHING);
        assert_eq!(submitted(&cut(1_000)), FOUND);
    }

    #[test]
    fn a_body_over_the_limit_at_the_receiver_is_found() {
        let mut writer = Writer::with_callback("m1");
        writer.queued("m1");
        writer.delivered("m1");
        writer.sent("m1");
        writer.completed("m1");
        writer.idle();
        let text = "a".repeat(130_000);
        writer.called_back("m1", json!({"lastAssistantMessageText": text}), 200);
        assert!(writer.judged().contains(&FOUND[0].to_owned()));
    }
}
