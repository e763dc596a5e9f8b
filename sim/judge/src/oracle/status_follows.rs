//! An accepted delivery, some events of a wrapper and some ends of work change the status that clients see (protocol §5):
//! the server adds a `cloud.status` after them.
//!
//! Only the stream of the harness is judged, which reads at once and has no faults.

use serde_json::Value;

use super::frames::RunEnd;
use super::history::{SeenEvent, SessionHistory, Stream, StreamEvent};
use super::replay::is_connected;
use super::{Check, Finding, Late, Moment, Oracle, secs};
use crate::parties::OBSERVER;
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "status-follows-its-event",
    rule: "After an accepted delivery, a fatal error, and an event of a wrapper that changes the cloud status, clients get \
        the new status. After the end of the work they get `ready`, if the last status was another one.",
    why: "A client that is not told the end of a commit or of a preparation, or an error, shows the old status for ever.",
    moment: Moment::Always,
    protocol: &ids(["R5.21", "R5.22", "R5.70", "R5.85", "R5.86", "R5.87"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let watching = session.streams.iter().filter(|stream| stream.party == OBSERVER);
    watching
        .flat_map(|stream| without_status(session, stream))
        .collect()
}

/// Findings about events of a stream after which no status came.
fn without_status(session: &SessionHistory, stream: &Stream) -> Vec<Finding> {
    let run = session.run;
    let mut shown = run.shown(stream);
    // A replay repeats events, and no status.
    if !shown.any(|seen| is_connected(&seen.event)) {
        return Vec::new();
    }
    let live: Vec<&SeenEvent> = shown.collect();
    let window = run.max_transit() * 2;
    // The type of the last status that the stream has shown.
    let mut last = None;
    let findings = live.iter().enumerate().filter_map(|(place, seen)| {
        last = status_of(&seen.event).or(last);
        let (violated, status) =
            expected(session, seen).or_else(|| ready_again(session, &seen.event, last))?;
        let limit = seen.seen_at + window;
        let until = limit + run.warned_lateness();
        let is_open = stream.closed_at.is_none_or(|closed_at| closed_at > until) && until < run.end;
        let is_disturbed = run.faults.may_have_stopped_server(seen.seen_at, until)
            || run.faults.store_may_have_failed(seen.event.at, until);
        let mut later = live[place + 1..]
            .iter()
            .take_while(|later| later.seen_at <= until);
        let shown = later.find(|later| status_of(&later.event) == Some(status));
        let shown_at = shown.map(|shown| shown.seen_at);
        if !is_open || is_disturbed || shown_at.is_some_and(|at| at <= limit) {
            return None;
        }
        let (party, name, at) = (&stream.party, &seen.event.name, secs(seen.seen_at));
        let (violated, message) = (&[violated], seen.event.message());
        Some(match shown_at {
            None => {
                let text = format!("{party} received {name} at {at}, and no status {status:?} after it");
                ORACLE.finding(violated, seen.seen_at, message, text)
            }
            at_last => {
                let late = Late { limit, at: at_last };
                let text = format!("{party} received {name} at {at}, and the status {status:?} after it");
                ORACLE.finding_late(run, violated, late, message, &text)
            }
        })
    });
    findings.collect()
}

/// The rule about an event, and the type of the status that follows it; `None` if none has to.
fn expected(session: &SessionHistory, seen: &SeenEvent) -> Option<(RuleId, &'static str)> {
    let event = &seen.event;
    if event.is_of_execution() {
        return None;
    }
    match event.name.as_str() {
        "cloud.message.sent" if is_taken_by_delivery(session, event) => {
            Some((RuleId::named("R5.21"), "ready"))
        }
        "error" if is_fatal(&event.data) => Some((RuleId::named("R5.22"), "error")),
        "autocommit_started" => Some((RuleId::named("R5.85"), "finalizing")),
        "autocommit_completed" => Some((RuleId::named("R5.86"), "ready")),
        "preparing" if event.data["step"].is_string() && event.data["message"].is_string() => {
            Some((RuleId::named("R5.87"), "preparing"))
        }
        _ => None,
    }
}

/// The type of the status that an event shows; `None` if it shows none.
fn status_of(event: &StreamEvent) -> Option<&str> {
    let is_status = event.name == "cloud.status";
    is_status.then(|| event.data["cloudStatus"]["type"].as_str().unwrap_or("unknown"))
}

/// The rule about an event that ends work while the last status is not `ready`, and the status that follows it.
fn ready_again(
    session: &SessionHistory,
    event: &StreamEvent,
    last: Option<&str>,
) -> Option<(RuleId, &'static str)> {
    let is_other = last.is_some_and(|last| last != "ready");
    (is_other && ends_work(session, event)).then(|| (RuleId::named("R5.70"), "ready"))
}

/// Whether an event is a `complete`, or the end of a message by the loss of the wrapper, an exhausted delivery or an
/// interrupt. A message of an imported execution was never queued.
fn ends_work(session: &SessionHistory, event: &StreamEvent) -> bool {
    if RunEnd::of_event(event).is_some_and(RunEnd::is_complete) {
        return true;
    }
    let is_queued = |message| session.queued_of(message).is_some();
    if event.name != "cloud.message.failed" || !event.message().is_some_and(is_queued) {
        return false;
    }
    let text = |field: &str| event.data[field].as_str();
    match text("completionSource") {
        Some("delivery_failure" | "interrupt") => true,
        Some("wrapper_failure") => {
            matches!(text("reason"), Some("wrapper_disconnected" | "wrapper_failure"))
        }
        _ => false,
    }
}

/// Whether a message was accepted because its delivery was, in a run that went on (R5.23).
fn is_taken_by_delivery(session: &SessionHistory, sent: &StreamEvent) -> bool {
    let run = session.run;
    let Some(message) = sent.message() else {
        return false;
    };
    let answers = session
        .deliveries
        .iter()
        .filter(|delivery| delivery.message == message && delivery.is_accepted())
        .filter_map(|delivery| delivery.answer.as_ref());
    let ends = session.ends.iter().filter(|end| end.message() == Some(message));
    let error = run.time_error();
    answers
        .map(|answer| answer.at)
        .any(|at| at <= sent.at + error && sent.at <= at + 2 * run.max_transit() + error)
        && ends.map(|end| end.at).all(|at| at > sent.at + error)
}

/// Whether the data of an `error` is valid and fatal (R6.5, R6.37).
fn is_fatal(data: &Value) -> bool {
    let is_text = |value: &Value| value.is_null() || value.is_string();
    data["fatal"] == true
        && (is_text(&data["error"]) || data["error"].is_object())
        && is_text(&data["message"])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;
    use crate::parties::OBSERVER;
    use crate::rules::RuleId;

    const RULE: &str = "status-follows-its-event";

    /// Whether a wrapper's event is found that is followed by that status.
    fn is_found(name: &str, data: &Value, status: Option<&str>) -> bool {
        let mut writer = Writer::at_work().also_judged_by(RULE);
        writer.at_once(|writer| {
            writer.wrapper_sends(1, name, data.clone());
            writer.client_receives_unkept(OBSERVER, name, data.clone());
            if let Some(status) = status {
                let data = json!({"cloudStatus": {"type": status, "step": "s", "message": "m"}});
                writer.client_receives_unkept(OBSERVER, "cloud.status", data);
            }
        });
        writer.completed("m1");
        texts(writer, |_| true).contains(&format!("received {name} at"))
    }

    /// The texts of this oracle's findings about messages that pass `is_about`.
    fn texts(writer: Writer, is_about: fn(Option<&str>) -> bool) -> String {
        let findings = writer.findings().into_iter();
        findings
            .filter(|finding| finding.rule == RULE && is_about(finding.message.as_deref()))
            .map(|finding| finding.text)
            .collect()
    }

    #[test]
    fn an_event_without_its_status_is_found() {
        let step = json!({"step": "clone", "message": "Cloning"});
        let fatal = json!({"fatal": true, "error": "no credit"});
        for (name, data, status) in [
            ("error", fatal, "error"),
            ("autocommit_started", json!({"messageId": "m1"}), "finalizing"),
            ("autocommit_completed", json!({"messageId": "m1"}), "ready"),
            ("preparing", step, "preparing"),
        ] {
            assert!(!is_found(name, &data, Some(status)), "{name}");
            assert!(is_found(name, &data, None), "{name}");
            assert!(is_found(name, &data, Some("other")), "{name}");
        }
        assert!(!is_found("preparing", &json!({"step": "clone"}), None));
        assert!(!is_found("heartbeat", &json!({}), None));
        for data in [json!({"fatal": false}), json!({"fatal": true, "error": 1})] {
            assert!(!is_found("error", &data, None), "{data}");
        }
    }

    /// Whether the end of `m1` is found after a status, which another status follows.
    fn is_end_found(before: Option<&str>, end: fn(&mut Writer), after: Option<&str>) -> bool {
        let mut writer = Writer::at_work().also_judged_by(RULE);
        let shows = |writer: &mut Writer, status: Option<&str>| {
            if let Some(status) = status {
                let data = json!({"cloudStatus": {"type": status, "step": "s", "message": "m"}});
                writer.client_receives_unkept(OBSERVER, "cloud.status", data);
            }
        };
        shows(&mut writer, before);
        writer.at_once(|writer| {
            end(writer);
            shows(writer, after);
        });
        let findings = writer.findings();
        findings
            .iter()
            .any(|finding| finding.rule == RULE && finding.protocol.contains(&RuleId::named("R5.70")))
    }

    #[test]
    fn ready_follows_the_end_of_work_if_the_last_status_was_another_one() {
        let interrupted = |writer: &mut Writer| writer.interrupted("m1");
        let lost = |writer: &mut Writer| {
            writer.failed(
                "m1",
                json!({"completionSource": "wrapper_failure", "reason": "wrapper_disconnected", "error": "no"}),
            );
        };
        let exhausted = |writer: &mut Writer| writer.exhausted("m1", "BAD_REQUEST", 2);
        let complete = |writer: &mut Writer| writer.event("complete", json!({"exitCode": 0}));
        let ends: [fn(&mut Writer); 4] = [interrupted, lost, exhausted, complete];
        for end in ends {
            for other in ["preparing", "finalizing", "error"] {
                assert!(is_end_found(Some(other), end, None), "{other}");
                assert!(is_end_found(Some(other), end, Some("error")), "{other}");
                assert!(!is_end_found(Some(other), end, Some("ready")), "{other}");
            }
            assert!(!is_end_found(Some("ready"), end, None));
            // The status before the stream was opened is unknown.
            assert!(!is_end_found(None, end, None));
        }
    }

    #[test]
    fn other_ends_need_no_status() {
        let fatal = |writer: &mut Writer| {
            writer.failed(
                "m1",
                json!({"completionSource": "wrapper_failure", "reason": "wrapper_error", "error": "no"}),
            );
        };
        let answered = |writer: &mut Writer| writer.completed("m1");
        let invalid = |writer: &mut Writer| writer.event("complete", json!({"exitCode": "0"}));
        let of_execution = |writer: &mut Writer| writer.event_of("exc_1", "complete", json!({"exitCode": 0}));
        let of_imported = |writer: &mut Writer| writer.interrupted("never-queued");
        let ends: [fn(&mut Writer); 5] = [fatal, answered, invalid, of_execution, of_imported];
        for end in ends {
            assert!(!is_end_found(Some("preparing"), end, None));
        }
    }

    /// Whether the acceptance of `m2` is found that is followed by that status.
    fn is_acceptance_found(status: Option<&str>, ends_at_once: bool) -> bool {
        let mut writer = Writer::at_work().also_judged_by(RULE);
        writer.acked("send", "m2", json!({}));
        writer.queued("m2");
        writer.at_once(|writer| {
            writer.delivered_to("m2", 1);
            writer.client_receives_next(OBSERVER, |writer| writer.sent("m2"));
            if let Some(status) = status {
                let data = json!({"cloudStatus": {"type": status}});
                writer.client_receives_unkept(OBSERVER, "cloud.status", data);
            }
            if ends_at_once {
                writer.completed("m2");
            }
        });
        writer.wait(2);
        if !ends_at_once {
            writer.completed("m2");
        }
        writer.completed("m1");
        !texts(writer, |message| message == Some("m2")).is_empty()
    }

    #[test]
    fn an_acceptance_without_its_status_is_found_unless_the_run_ends_with_it() {
        assert!(is_acceptance_found(None, false));
        assert!(is_acceptance_found(Some("error"), false));
        assert!(!is_acceptance_found(Some("ready"), false));
        assert!(!is_acceptance_found(None, true));
    }
}
