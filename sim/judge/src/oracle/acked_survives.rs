//! What a client was told is admitted survives any crash (protocol §3), as it was asked for, and so does
//! every kept event that a stream has shown.

use std::collections::BTreeMap;

use serde_json::Value;

use super::history::{Call, SeenEvent, SessionHistory, StreamEvent};
use super::{Broken, Check, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "acked-survives",
    rule: "What was acknowledged or shown as kept is in the log at the end, unchanged.",
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Broken> {
    if session.is_removed {
        return Vec::new();
    }
    let Some(log) = &session.log else {
        let text = format!(
            "the log of {} could not be read when all was over: the server did not answer",
            session.id
        );
        let unread = session
            .is_unread()
            .then(|| Broken::of(session.run.end, None, text));
        return unread.into_iter().collect();
    };
    let queued: BTreeMap<&str, &StreamEvent> = log
        .iter()
        .filter(|event| event.is_queued())
        .filter_map(|event| Some((event.message()?, *event)))
        .collect();
    let mut broken = Vec::new();
    for (message, (at, call)) in session.acked() {
        let text = match (queued.get(message), prompt(call)) {
            (None, _) => "it was acknowledged, and the log knows nothing of it".to_owned(),
            (Some(queued), Some(prompt)) if queued.data["content"] != *prompt => format!(
                "it was acknowledged with the prompt {prompt}, and the log has {}",
                queued.data["content"]
            ),
            (Some(_), _) => continue,
        };
        broken.push(Broken::new(at, message, text));
    }
    let by_id: BTreeMap<u64, &StreamEvent> = log.iter().map(|event| (event.id, *event)).collect();
    let kept = session.seen().filter(|seen| seen.event.id > 0);
    broken.extend(kept.filter_map(|seen| changed(seen, by_id.get(&seen.event.id).copied())));
    broken
}

/// The prompt of a call that asks for a message by its prompt.
fn prompt(call: &Call) -> Option<&Value> {
    let input = &call.input;
    let prompts = [
        &input["message"]["prompt"],
        &input["prompt"],
        &input["payload"]["prompt"],
    ];
    // What a session is prepared with may be a payload of another kind, and its prompt a title only.
    let has_one = input["initialPayload"].is_null();
    prompts.into_iter().find(|prompt| prompt.is_string() && has_one)
}

/// What became of an event that was shown as kept, if that is not right.
fn changed(seen: &SeenEvent, kept: Option<&StreamEvent>) -> Option<Broken> {
    let event = &seen.event;
    let (id, name) = (event.id, &event.name);
    let was_shown = format!("event {id} was shown to {} as {name}", seen.party);
    let text = match kept {
        None => format!("{was_shown}, and the log does not have it"),
        Some(kept) if kept.entity() != event.entity() || kept.name != *name => {
            format!(
                "{was_shown}, and the log has it as {} or about something else",
                kept.name
            )
        }
        Some(kept) if !event.is_upserted() && kept.data != event.data => {
            format!("{was_shown}, and the log has it with other content")
        }
        Some(_) => return None,
    };
    Some(Broken::of(seen.seen_at, event.message(), text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    #[test]
    fn an_acked_message_that_the_log_does_not_know_is_noticed() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer.acked("send", "m2", json!({}));
        assert_eq!(writer.judged(), ["acked-survives", "every-acked-message-ends"]);
    }

    #[test]
    fn a_message_that_is_kept_with_another_prompt_is_noticed() {
        for (content, rules) in [("say hi", &[][..]), ("say no", &["acked-survives"])] {
            let mut writer = Writer::started("m0");
            writer.turn("m0");
            writer.acked("send", "m1", json!({"message": {"id": "m1", "prompt": "say hi"}}));
            writer.message_event("queued", "m1", json!({"delivery": "queued", "content": content}));
            writer.failed_in_queue("m1");
            assert_eq!(writer.judged(), rules);
        }
    }

    #[test]
    fn an_event_that_was_shown_and_is_gone_or_changed_is_noticed() {
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
    fn a_log_that_cannot_be_read_is_noticed_unless_the_session_was_removed() {
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
