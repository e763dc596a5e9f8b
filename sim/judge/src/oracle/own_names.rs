//! The names `connected` and `cloud.*` belong to the server (protocol §5): a frame of a wrapper with such a name is on no
//! stream, and is answered with an error on its socket. The cloud statuses that follow from a frame of the wrapper need
//! that frame.
//!
//! A second `connected` on a stream is reported by `replay`, a status `preparing` without a cause by `preparing`.

use std::time::Duration;

use serde_json::Value;

use super::history::{
    CONNECTED, ProtocolError, SeenEvent, SessionHistory, Stream, StreamEvent, WrapperFrame, is_reserved,
};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "server-names-are-its-own",
    rule: "No stream shows an event that a wrapper sent under a name of the server, the wrapper receives an error for \
        it, and the status of a commit or of a fatal error has its cause.",
    why: "Clients trust these events. A wrapper that could send them could show a message as failed that has \
        completed, or clear what a client shows.",
    moment: Moment::Always,
    protocol: &ids(["R5.22", "R5.54", "R5.83", "R5.85", "R9.43"]),
    check: Check::Sessions(check),
};

/// The types of a cloud status (protocol §9).
const STATUSES: [&str; 4] = ["preparing", "ready", "finalizing", "error"];
/// The time in which the server answers a frame on a connection that is not disturbed.
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// The same in real time, on a busy machine.
const REAL_ANSWER_TIME: Duration = Duration::from_secs(5);

/// A frame of a wrapper, or of the wrapper of an imported execution, and its socket.
struct Sent<'a> {
    frame: &'a WrapperFrame,
    host: &'a str,
    opened_at: Duration,
    closed_at: Option<Duration>,
    /// Errors that the server sent on sockets of this kind.
    errors: &'a [ProtocolError],
}

fn check(session: &SessionHistory) -> Vec<Finding> {
    let sent = sent(session);
    let forged: Vec<&Sent> = sent.iter().filter(|sent| is_reserved(&sent.frame.name)).collect();
    let mut findings: Vec<Finding> = forged
        .iter()
        .filter(|sent| is_unanswered(session, sent))
        .map(|sent| {
            let Sent { frame, .. } = sent;
            let text = format!(
                "a wrapper sent {} at {}, and received no error",
                frame.name,
                secs(frame.at)
            );
            ORACLE.finding(&ids(["R5.83"]), frame.at, None, text)
        })
        .collect();
    let is_shown = |seen: &&SeenEvent| {
        let event = &seen.event;
        let is_it = |frame: &WrapperFrame| {
            frame.content == event.content && frame.at <= event.at + session.run.time_error()
        };
        forged.iter().any(|sent| is_it(sent.frame)) && !may_be_genuine(session, event)
    };
    findings.extend(session.seen().filter(is_shown).map(|seen| {
        let text = format!(
            "{} received {} as a wrapper had sent it",
            seen.party, seen.event.name
        );
        ORACLE.finding(&ids(["R5.83"]), seen.seen_at, seen.event.message(), text)
    }));
    // The trace does not show the content of a frame without a name.
    if sent.iter().all(|sent| !sent.frame.name.is_empty()) {
        for stream in &session.streams {
            for cause in &CAUSES {
                findings.extend(status_without_cause(session, stream, &sent, cause));
            }
        }
    }
    findings
}

/// The frames of a session's wrappers.
fn sent<'a>(session: &SessionHistory<'a>) -> Vec<Sent<'a>> {
    let run = session.run;
    let frames = session.wrapper_frames().map(|(ingest, frame)| Sent {
        frame,
        host: &ingest.host,
        opened_at: ingest.opened_at,
        closed_at: ingest.closed_at,
        errors: &run.protocol_errors,
    });
    let imported = session.imported_frames().map(|(ingest, frame)| Sent {
        frame,
        host: &ingest.host,
        opened_at: ingest.opened_at,
        closed_at: ingest.closed_at,
        errors: &run.imported_errors,
    });
    frames.chain(imported).collect()
}

/// A cloud status that the server sends only after a frame of the wrapper.
struct Cause {
    /// The type of the status.
    status: &'static str,
    rule: RuleId,
    /// The frame, in words.
    needs: &'static str,
    is_given_by: fn(&WrapperFrame) -> bool,
}

const CAUSES: [Cause; 2] = [
    Cause {
        status: "finalizing",
        rule: RuleId::named("R5.85"),
        needs: "`autocommit_started`",
        is_given_by: |frame| frame.name == "autocommit_started",
    },
    Cause {
        status: "error",
        rule: RuleId::named("R5.22"),
        needs: "fatal `error`",
        is_given_by: |frame| frame.name == "error" && frame.data["fatal"] == true,
    },
];

/// The finding about the first status of a stream that comes more often than its cause.
fn status_without_cause(
    session: &SessionHistory,
    stream: &Stream,
    sent: &[Sent],
    cause: &Cause,
) -> Option<Finding> {
    let is_status = |seen: &&SeenEvent| {
        seen.event.name == "cloud.status" && seen.event.data["cloudStatus"]["type"] == cause.status
    };
    let mut shown = session.run.shown(stream).filter(is_status).enumerate();
    let (_, seen) = shown.find(|(earlier, seen)| {
        let sent_by = seen.seen_at + session.run.max_transit();
        let causes = sent
            .iter()
            .filter(|sent| sent.frame.at <= sent_by && (cause.is_given_by)(sent.frame));
        causes.count() <= *earlier
    })?;
    let text = format!(
        "{} received the cloud status {}, but no wrapper had sent a further {}",
        stream.party, cause.status, cause.needs
    );
    Some(ORACLE.finding(&[cause.rule], seen.seen_at, None, text))
}

/// Whether a frame with a name of the server certainly reached it and was not answered, although its socket stayed open.
fn is_unanswered(session: &SessionHistory, sent: &Sent) -> bool {
    let (run, frame) = (session.run, sent.frame);
    let answer_time = if run.context.in_real_time {
        REAL_ANSWER_TIME
    } else {
        ANSWER_TIME
    };
    let answered_by = frame.at + answer_time + run.max_transit() * 2;
    let is_open = sent.closed_at.is_none_or(|closed_at| closed_at > answered_by);
    let is_disturbed = run
        .faults
        .may_have_disrupted(sent.host, sent.opened_at, answered_by)
        || run.faults.may_have_stopped_server(frame.at, answered_by);
    let mut errors = sent.errors.iter();
    let is_answered =
        errors.any(|error| error.ingest == frame.ingest && (frame.at..=answered_by).contains(&error.at));
    is_open && run.end > answered_by && !is_disturbed && !is_answered
}

/// Whether the server itself may have sent an event with this content.
fn may_be_genuine(session: &SessionHistory, event: &StreamEvent) -> bool {
    let data = &event.data;
    match event.name.as_str() {
        CONNECTED => true,
        "cloud.status" => STATUSES
            .iter()
            .any(|status| data["cloudStatus"]["type"] == *status),
        _ => {
            let Some(message) = event.message() else {
                return false;
            };
            let of_message = session.kept.iter().filter(|kept| kept.message() == Some(message));
            let is_known = of_message.clone().any(|kept| kept.is_queued());
            is_known
                && has_own_fields(event, data)
                && of_message.filter(|kept| kept.name == event.name).count() <= 1
        }
    }
}

/// Whether an event of a message has the fields that the server gives it.
fn has_own_fields(event: &StreamEvent, data: &Value) -> bool {
    let fields: &[&str] = match event.name.as_str() {
        "cloud.message.queued" => &["content", "delivery"],
        "cloud.message.sent" => &["delivery"],
        "cloud.message.completed" => &["status", "delivery", "accepted", "completionSource"],
        "cloud.message.failed" => &[
            "status",
            "delivery",
            "accepted",
            "completionSource",
            "reason",
            "error",
        ],
        _ => return false,
    };
    fields.iter().all(|field| !data[*field].is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;
    use crate::parties::OBSERVER;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["server-names-are-its-own"];

    /// A wrapper sends an event under a name of the server, and receives an error or not.
    fn forged(name: &str, data: Value, is_answered: bool) -> Writer {
        let mut writer = Writer::started("m1");
        writer.bound(1);
        writer.opens_ingest(1);
        writer.turn("m1");
        writer.wrapper_sends(1, name, data);
        if is_answered {
            writer.wrapper_receives_error(1, "WS_PROTOCOL_ERROR");
        }
        writer
    }

    fn failed() -> Value {
        json!({"messageId": "m1", "status": "failed", "delivery": "queued", "accepted": false})
    }

    #[test]
    fn a_frame_under_a_name_of_the_server_is_answered() {
        for (is_answered, rules) in [(true, &NOTHING[..]), (false, &FOUND)] {
            assert_eq!(
                forged("cloud.message.failed", failed(), is_answered).judged(),
                rules
            );
            assert_eq!(forged("connected", json!({}), is_answered).judged(), rules);
        }
        // The fence may not have been current any more.
        let mut closed = forged("connected", json!({}), false);
        closed.ingest_ends(1);
        assert_eq!(closed.judged(), NOTHING);
    }

    #[test]
    fn a_frame_under_a_name_of_the_server_that_is_shown_is_found() {
        let mut shown = forged("cloud.notice", json!({"text": "hi"}), true);
        shown.client_receives_unkept(OBSERVER, "cloud.notice", json!({"text": "hi"}));
        assert_eq!(shown.judged(), FOUND);

        let mut stored = forged("cloud.message.failed", failed(), true);
        stored.message_event("failed", "m1", failed());
        assert!(stored.judged().contains(&FOUND[0].to_owned()));
    }

    #[test]
    fn an_event_of_the_server_with_the_same_content_is_allowed() {
        let status = json!({"cloudStatus": {"type": "ready"}});
        let mut writer = forged("cloud.status", status.clone(), true);
        writer.client_receives_unkept(OBSERVER, "cloud.status", status);
        assert_eq!(writer.judged(), NOTHING);
    }

    #[test]
    fn a_forged_frame_of_an_imported_execution_is_found() {
        for (is_answered, rules) in [(true, &NOTHING[..]), (false, &FOUND)] {
            let mut writer = Writer::at_work();
            writer.opens_ingest_of("exc_1");
            writer.imported_wrapper_sends("exc_1", "cloud.status", json!({"cloudStatus": null}));
            if is_answered {
                writer.imported_wrapper_receives_error("exc_1");
            }
            assert_eq!(writer.ended("m1"), rules, "{is_answered}");
        }
    }

    #[test]
    fn a_status_of_a_commit_or_an_error_needs_its_frame() {
        let fatal = json!({"fatal": true, "error": "no"});
        let warning = json!({"fatal": false, "error": "no"});
        for (frame, data, status, times, rules) in [
            ("autocommit_started", json!({}), "finalizing", 1, &NOTHING[..]),
            ("autocommit_started", json!({}), "finalizing", 2, &FOUND),
            ("autocommit_completed", json!({}), "finalizing", 1, &FOUND),
            ("error", fatal, "error", 1, &NOTHING),
            ("error", warning, "error", 1, &FOUND),
            ("pong", json!({}), "ready", 3, &NOTHING),
        ] {
            let mut writer = Writer::started("m1");
            writer.bound(1);
            writer.opens_ingest(1);
            writer.turn("m1");
            writer.wrapper_sends(1, frame, data);
            for _ in 0..times {
                let status = json!({"cloudStatus": {"type": status}});
                writer.client_receives_unkept(OBSERVER, "cloud.status", status);
            }
            assert_eq!(writer.judged(), rules, "{frame} {status} {times}");
        }
    }
}
