//! Acknowledged messages and kept events that a stream has shown survive every crash unchanged (protocol §3).

use std::collections::BTreeMap;

use serde_json::Value;

use super::history::{Call, SeenEvent, SessionHistory, StreamEvent};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "acked-survives",
    rule: "Everything that was acknowledged, or shown as kept, is in the log unchanged. Crashes lose none of \
        it.",
    why: "A client does not send an acknowledged message again, and it does not request an event again that it \
        has seen. What is lost after that is lost permanently.",
    moment: Moment::AtEnd,
    protocol: &ids(["R3.15", "R3.17", "R9.26", "R9.27"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.is_removed {
        return Vec::new();
    }
    let Some(log) = &session.log else {
        let text = format!(
            "the log of {} could not be read at the end of the run: the server did not answer",
            session.id
        );
        let unread = session
            .is_unread()
            .then(|| ORACLE.finding(&ids(["R3.15"]), session.run.end, None, text));
        return unread.into_iter().collect();
    };
    let queued: BTreeMap<&str, &StreamEvent> = log
        .iter()
        .filter(|event| event.is_queued())
        .filter_map(|event| Some((event.message()?, *event)))
        .collect();
    let mut findings = Vec::new();
    for (message, (at, call)) in session.acked() {
        let text = match (queued.get(message), prompt(call)) {
            (None, _) => "it was acknowledged, but the log does not contain it".to_owned(),
            (Some(queued), Some(prompt)) if queued.data["content"] != *prompt => format!(
                "it was acknowledged with the prompt {prompt}, but the log has {}",
                queued.data["content"]
            ),
            (Some(_), _) => continue,
        };
        findings.push(ORACLE.finding_about(&ids(["R3.15"]), at, message, text));
    }
    let by_id: BTreeMap<u64, &StreamEvent> = log.iter().map(|event| (event.id, *event)).collect();
    let kept = session.seen().filter(|seen| seen.event.id > 0);
    findings.extend(kept.filter_map(|seen| changed(seen, by_id.get(&seen.event.id).copied())));
    findings
}

/// The prompt of a call that admits a message by its prompt.
fn prompt(call: &Call) -> Option<&Value> {
    let input = &call.input;
    let prompts = [
        &input["message"]["prompt"],
        &input["prompt"],
        &input["payload"]["prompt"],
    ];
    // With an initial payload, the prompt of `prepareSession` is only a title.
    let has_one = input["initialPayload"].is_null();
    prompts.into_iter().find(|prompt| prompt.is_string() && has_one)
}

/// The finding about an event that was shown as kept and that the log lacks or has changed.
fn changed(seen: &SeenEvent, kept: Option<&StreamEvent>) -> Option<Finding> {
    let event = &seen.event;
    // Most are unchanged, and need no text.
    if kept.is_some_and(|kept| kept.content == event.content && kept.data == event.data) {
        return None;
    }
    let (id, name) = (event.id, &event.name);
    let was_shown = format!("event {id} was shown to {} as {name}", seen.party);
    let text = match kept {
        None => format!("{was_shown}, but the log does not have it"),
        Some(kept) if kept.entity() != event.entity() || kept.name != *name => {
            format!(
                "{was_shown}, but the log has it as {} or about another entity",
                kept.name
            )
        }
        Some(kept) if !event.is_upserted() && kept.data != event.data => {
            format!("{was_shown}, but the log has it with other content")
        }
        Some(_) => return None,
    };
    Some(ORACLE.finding(&ids(["R9.26", "R9.27"]), seen.seen_at, event.message(), text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    #[test]
    fn an_acked_message_that_is_missing_from_the_log_is_found() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer.acked("send", "m2", json!({}));
        assert_eq!(writer.judged(), ["acked-survives", "every-acked-message-ends"]);
    }

    #[test]
    fn a_message_that_is_kept_with_another_prompt_is_found() {
        for (content, rules) in [("say hi", &[][..]), ("say no", &["acked-survives"])] {
            let mut writer = Writer::started("m0");
            writer.turn("m0");
            writer.acked("send", "m1", json!({"message": {"id": "m1", "prompt": "say hi"}}));
            writer.message_event("queued", "m1", json!({"delivery": "queued", "content": content}));
            let in_queue = json!({"accepted": false, "delivery": "queued"});
            writer.interrupts_with(true, |writer| writer.interrupted_with("m1", in_queue));
            assert_eq!(writer.judged(), rules);
        }
    }

    #[test]
    fn a_shown_event_that_is_missing_or_changed_is_found() {
        let mut gone = Writer::started("m1");
        gone.turn("m1");
        gone.idle();
        gone.loses_last_event();
        assert_eq!(gone.judged(), ["acked-survives"]);

        let mut changed = Writer::started("m1");
        changed.turn("m1");
        changed.changes_event(1, json!({"messageId": "m1", "delivery": "other"}));
        assert_eq!(changed.judged(), ["acked-survives"]);
    }

    #[test]
    fn an_unreadable_log_is_found_unless_the_session_was_removed() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        assert_eq!(writer.clone().judged_without_log(), ["acked-survives"]);
        let mut expired = writer.clone();
        expired.wait(90 * 24 * 60 * 60);
        assert_eq!(expired.judged_without_log(), [""; 0]);
        writer.answered(
            "deleteSession",
            json!({"sessionId": "s"}),
            200,
            json!({"result": {"data": {}}}),
        );
        assert_eq!(writer.judged_without_log(), [""; 0]);
    }
}
