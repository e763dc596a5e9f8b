//! Every acknowledged message ends (protocol §3, §6), once all faults are healed and time has passed.
//!
//! A play in real time may be over before that time has passed. A message whose turn its server may still wait for is a
//! warning then.

use std::collections::{BTreeMap, BTreeSet};

use std::time::Duration;

use super::history::{SessionHistory, StreamEvent};
use super::{Check, Finding, Moment, Oracle, Severity, secs};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "every-acked-message-ends",
    rule: "Every acknowledged message has ended.",
    why: "A message without an end blocks its session: clients show it as pending, no callback is sent, and \
        the messages behind it wait.",
    moment: Moment::AtEnd,
    protocol: &ids([
        "R3.7", "R3.15", "R4.3", "R7.1", "R7.3", "R7.4", "R7.5", "R7.8", "R7.28",
    ]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.is_removed || !session.is_watched() {
        return Vec::new();
    }
    let mut ended = BTreeSet::new();
    let mut last_event: BTreeMap<&str, &StreamEvent> = BTreeMap::new();
    for event in &session.kept {
        let Some(message) = event.message() else { continue };
        last_event.insert(message, event);
        if event.is_end() {
            ended.insert(message);
        }
    }
    let acked = session.acked().into_keys();
    acked
        .filter(|message| !ended.contains(message))
        .map(|message| {
            let (violated, waits) = match last_event.get(message) {
                None => (
                    RuleId::named("R3.15"),
                    "no event about it was ever kept".to_owned(),
                ),
                Some(last) if last.is_sent() => (RuleId::named("R7.4"), waits_for_its_end(session, last)),
                Some(_) => (
                    RuleId::named("R4.3"),
                    waits_in_the_queue(session, message, &ended),
                ),
            };
            let end = session.run.end;
            let finding =
                ORACLE.finding_about(&[violated], end, message, format!("it has not ended; {waits}"));
            let is_accepted = last_event.get(message).is_some_and(|last| last.is_sent());
            match time_left(session).filter(|_| is_accepted) {
                None => finding,
                Some(limit) => Finding {
                    severity: Severity::Warning,
                    text: format!(
                        "{}; the play ended before {}, when it has to end",
                        finding.text,
                        secs(limit)
                    ),
                    ..finding
                },
            }
        })
        .collect()
}

/// The time up to which a server may wait for output of a turn (R7.4), if the play, in real time, ended before it.
fn time_left(session: &SessionHistory) -> Option<Duration> {
    let run = session.run;
    let output = session.wrapper_frames().filter(|(_, frame)| frame.is_meaningful);
    let output = output.map(|(_, frame)| frame.at);
    let last = output.chain(session.sent.iter().map(|sent| sent.at)).max()?;
    let limit = last + run.context.profile.no_output_timeout;
    (run.context.in_real_time && run.end < limit).then_some(limit)
}

/// Whether a turn goes on that its server may still wait for (R7.4).
pub(super) fn has_turn_with_time_left(session: &SessionHistory) -> bool {
    check(session)
        .iter()
        .any(|finding| finding.severity == Severity::Warning)
}

fn waits_for_its_end(session: &SessionHistory, sent: &StreamEvent) -> String {
    let last_event = session.wrapper_frames().last().map(|(_, frame)| frame.at);
    let last_event = last_event.map_or("the wrapper never sent an event".to_owned(), |at| {
        format!("the wrapper sent its last event at {}", secs(at))
    });
    format!(
        "it was sent at {} and its turn has not ended; {last_event}",
        secs(sent.at)
    )
}

fn waits_in_the_queue(session: &SessionHistory, message: &str, ended: &BTreeSet<&str>) -> String {
    let deliveries = session
        .deliveries
        .iter()
        .filter(|delivery| delivery.message == message);
    if let Some(last) = deliveries.clone().next_back() {
        let answer = if last.is_accepted() {
            "accepted it"
        } else {
            "did not accept it"
        };
        return format!(
            "it was not sent; it was delivered to the wrapper {} times, the last time at {}, which {answer}",
            deliveries.count(),
            secs(last.at)
        );
    }
    let queue = session.kept.iter().filter(|event| event.is_queued());
    let head = queue
        .filter_map(|event| event.message())
        .find(|queued| !ended.contains(queued));
    match head {
        Some(head) if head != message => format!("it is still queued behind {head}"),
        _ => "it is still queued and was never delivered to a wrapper".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_profile::Profile;

    use super::*;
    use crate::oracle::written::Writer;

    #[test]
    fn a_session_that_the_harness_did_not_follow_is_not_judged() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer.in_session("other");
        writer.acked("start", "m2", json!({}));
        writer.in_session("s");
        assert_eq!(writer.judged(), [""; 0]);
    }

    #[test]
    fn an_acked_message_that_never_ends_is_found_with_what_it_waits_for() {
        let texts = |writer: Writer| -> Vec<String> {
            let findings = writer.findings().into_iter();
            let about_ends = findings.filter(|finding| finding.rule == "every-acked-message-ends");
            about_ends.map(|finding| finding.text).collect()
        };
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.acked("send", "m2", json!({}));
        writer.queued("m2");
        let queued = texts(writer.clone());
        assert!(queued[0].contains("never delivered to a wrapper"), "{queued:?}");
        assert!(queued[1].contains("behind m1"), "{queued:?}");

        writer.delivered("m1");
        let delivered = texts(writer.clone());
        assert!(
            delivered[0].contains("was delivered to the wrapper 1 times"),
            "{delivered:?}"
        );

        writer.sent("m1");
        let sent = texts(writer);
        assert!(sent[0].contains("its turn has not ended"), "{sent:?}");
    }

    #[test]
    fn a_turn_that_has_time_left_when_a_play_in_real_time_ends_is_a_warning() {
        for (no_output_timeout, in_real_time, severity) in [
            (100_000, true, Severity::Warning),
            (100_000, false, Severity::Violation),
            (300, true, Severity::Violation),
        ] {
            let mut writer = Writer::started("m1");
            let no_output_timeout = Duration::from_secs(no_output_timeout);
            writer.judged_by(Profile {
                no_output_timeout,
                ..Profile::default()
            });
            if in_real_time {
                writer.in_real_time(Duration::from_millis(150));
            }
            writer.queued("m1");
            writer.delivered("m1");
            writer.sent("m1");
            writer.waiters(json!({"tags": [{"tag": "t", "count": 1}], "liveResponses": 1}));
            let findings = writer.findings();
            let mut about_ends = findings.iter().filter(|finding| finding.rule == ORACLE.name);
            assert_eq!(about_ends.next().unwrap().severity, severity, "{findings:?}");
            let accuses_gateway = findings.iter().any(|finding| finding.rule == "gateway-is-empty");
            assert_eq!(accuses_gateway, severity == Severity::Violation, "{findings:?}");
        }
    }
}
