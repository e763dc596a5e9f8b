//! The names `connected` and `cloud.*` belong to the server (protocol §5): a frame of a wrapper with such a name is on no
//! stream, and is answered with an error on its socket.
//!
//! A second `connected` on a stream is reported by `replay`.

use std::time::Duration;

use serde_json::Value;

use super::history::{CONNECTED, Ingest, SeenEvent, SessionHistory, StreamEvent, WrapperFrame};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "server-names-are-its-own",
    rule: "No stream shows an event that a wrapper sent under a name of the server, and the wrapper receives an \
        error for it.",
    why: "Clients trust these events. A wrapper that could send them could show a message as failed that has \
        completed, or clear what a client shows.",
    moment: Moment::Always,
    protocol: &ids(["R5.54", "R5.83", "R9.43"]),
    check: Check::Sessions(check),
};

/// Prefix of the names that belong to the server, beside `connected`.
const RESERVED: &str = "cloud.";
/// The types of a cloud status (protocol §9).
const STATUSES: [&str; 4] = ["preparing", "ready", "finalizing", "error"];
/// The time in which the server answers a frame on a connection that is not disturbed.
const ANSWER_TIME: Duration = Duration::from_secs(5);

fn check(session: &SessionHistory) -> Vec<Finding> {
    let forged: Vec<(usize, &Ingest, &WrapperFrame)> = session
        .wrapper_frames()
        .filter(|(_, frame)| is_reserved(&frame.name))
        .map(|(ingest, frame)| (frame.ingest, ingest, frame))
        .collect();
    if forged.is_empty() {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = forged
        .iter()
        .filter(|(number, ingest, frame)| is_unanswered(session, *number, ingest, frame))
        .map(|(_, _, frame)| {
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
            frame.name == event.name
                && frame.data == event.data
                && frame.at <= event.at + session.run.time_error()
        };
        forged.iter().any(|(_, _, frame)| is_it(frame)) && !may_be_genuine(session, event)
    };
    findings.extend(session.seen().filter(is_shown).map(|seen| {
        let text = format!(
            "{} received {} as a wrapper had sent it",
            seen.party, seen.event.name
        );
        ORACLE.finding(&ids(["R5.83"]), seen.seen_at, seen.event.message(), text)
    }));
    findings
}

fn is_reserved(name: &str) -> bool {
    name == CONNECTED || name.starts_with(RESERVED)
}

/// Whether a frame with a name of the server certainly reached it and was not answered, although its socket stayed open.
fn is_unanswered(session: &SessionHistory, number: usize, ingest: &Ingest, frame: &WrapperFrame) -> bool {
    let run = session.run;
    let answered_by = frame.at + ANSWER_TIME + run.max_transit() * 2;
    let is_open = ingest.closed_at.is_none_or(|closed_at| closed_at > answered_by);
    let is_disturbed = run
        .faults
        .may_have_disrupted(&ingest.host, ingest.opened_at, answered_by)
        || run.faults.may_have_stopped_server(frame.at, answered_by);
    let mut errors = run.protocol_errors.iter();
    let is_answered =
        errors.any(|error| error.ingest == number && (frame.at..=answered_by).contains(&error.at));
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
}
