//! Differences between the view of a client and the view that follows from the events, each with the rule that it
//! violates.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use turnstile_judge::client_view::{Badge, Tone};

use super::model::{Model, Shown};
use super::rules::{BADGES, CURSOR, NO_DOUBLE, NO_GAP, ORDER, RUNS, SESSION, WHOLE_BADGE};
use crate::role::rule::RoleRule;

/// A difference, and the rule that it violates.
pub(super) type Difference = (&'static RoleRule, String);

/// What a view violates in any state.
pub(super) fn malformed(view: &Value) -> Option<Difference> {
    let Some(badges) = view["badges"].as_object() else {
        return Some((
            &RUNS,
            format!("`badges` of the view is no object: {}", view["badges"]),
        ));
    };
    for (message, badge) in badges {
        let pair = (badge["label"].as_str(), badge["tone"].as_str());
        let is_whole = [Badge::Queued, Badge::FailedToDeliver]
            .iter()
            .any(|badge| pair == (Some(badge.label()), Some(tone(*badge))));
        if !is_whole {
            return Some((&WHOLE_BADGE, format!("message {message} has the badge {badge}")));
        }
    }
    if !view["cursor"].is_u64() {
        return Some((
            &RUNS,
            format!("`cursor` of the view is no whole number: {}", view["cursor"]),
        ));
    }
    let messages = view["messages"].as_array();
    let is_message = |message: &Value| message["id"].is_string() && message["text"].is_string();
    if !messages.is_some_and(|messages| messages.iter().all(is_message)) {
        let text = format!(
            "`messages` of the view is no list of messages with id and text: {}",
            view["messages"]
        );
        return Some((&RUNS, text));
    }
    None
}

/// How a well-formed view differs from what the events say.
pub(super) fn difference(view: &Value, model: &Model, session: &Value) -> Option<Difference> {
    badges(view, model)
        .or_else(|| transcript(view, &model.messages))
        .or_else(|| {
            let last = model.last();
            (view["cursor"] != last)
                .then(|| (&CURSOR, format!("the cursor is {}, not {last}", view["cursor"])))
        })
        .or_else(|| kept_session(view, session))
}

fn tone(badge: Badge) -> &'static str {
    match badge.tone() {
        Tone::Info => "info",
        Tone::Error => "error",
    }
}

fn badges(view: &Value, model: &Model) -> Option<Difference> {
    let expected: BTreeMap<String, Value> = model
        .badges()
        .into_iter()
        .map(|(message, badge)| (message, json!({"label": badge.label(), "tone": tone(badge)})))
        .collect();
    let expected = json!(expected);
    (view["badges"] != expected).then(|| {
        (
            &BADGES,
            format!("the badges are {}, not {expected}", view["badges"]),
        )
    })
}

fn transcript(view: &Value, expected: &[Shown]) -> Option<Difference> {
    let shown: Vec<(&str, &str)> = view["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|message| Some((message["id"].as_str()?, message["text"].as_str()?)))
        .collect();
    for message in expected {
        let text = message.text();
        let mut found = shown
            .iter()
            .filter(|(id, _)| *id == message.id)
            .map(|(_, text)| *text);
        let Some(seen) = found.next() else {
            return Some((&NO_GAP, format!("the message {} is missing", message.id)));
        };
        if found.next().is_some() {
            return Some((&NO_DOUBLE, format!("the message {} is shown twice", message.id)));
        }
        if seen != text {
            let rule = match (sorted(seen) == sorted(&text), seen.len() > text.len()) {
                (true, _) => &ORDER,
                (false, true) => &NO_DOUBLE,
                (false, false) => &NO_GAP,
            };
            return Some((
                rule,
                format!("the text of {} is {seen:?}, not {text:?}", message.id),
            ));
        }
    }
    if shown.len() > expected.len() {
        return Some((
            &NO_DOUBLE,
            format!("{} messages are shown, not {}", shown.len(), expected.len()),
        ));
    }
    let ids: Vec<&str> = shown.iter().map(|(id, _)| *id).collect();
    let order: Vec<&str> = expected.iter().map(|message| message.id.as_str()).collect();
    (ids != order).then(|| {
        (
            &ORDER,
            format!("the messages are in the order {ids:?}, not {order:?}"),
        )
    })
}

fn sorted(text: &str) -> Vec<char> {
    let mut chars: Vec<char> = text.chars().collect();
    chars.sort_unstable();
    chars
}

fn kept_session(view: &Value, session: &Value) -> Option<Difference> {
    let fields = session.as_object()?;
    let lost = fields
        .iter()
        .find(|(name, value)| view["session"][name.as_str()] != **value)?;
    let (name, value) = lost;
    let text = format!(
        "the session has `{name}`: {}, not {value}",
        view["session"][name.as_str()]
    );
    Some((&SESSION, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> Value {
        json!({"badges": {}, "messages": [], "cursor": 0, "session": {}})
    }

    #[test]
    fn a_mixed_badge_and_a_malformed_view_are_reported() {
        assert_eq!(malformed(&view()), None);
        let mut mixed = view();
        mixed["badges"] = json!({"m": {"label": "Queued", "tone": "error"}});
        assert_eq!(malformed(&mixed).map(|(rule, _)| rule), Some(&WHOLE_BADGE));
        for wrong in [
            json!({}),
            json!({"badges": {}, "cursor": -1}),
            json!({"badges": {}, "cursor": 1}),
        ] {
            assert_eq!(malformed(&wrong).map(|(rule, _)| rule), Some(&RUNS), "{wrong}");
        }
    }

    #[test]
    fn differences_are_of_the_rule_that_they_violate() {
        let mut model = Model::default();
        model.message("a", "assistant", json!({}));
        model.part("a", "p1", "ab");
        model.message("b", "assistant", json!({}));
        model.queue("m");
        let session = json!({"associatedPr": {"number": 7}});
        let right = json!({
            "badges": {"m": {"label": "Queued", "tone": "info"}},
            "messages": [{"id": "a", "text": "ab"}, {"id": "b", "text": ""}],
            "cursor": 4, "session": {"associatedPr": {"number": 7}, "title": "more"},
        });
        assert_eq!(difference(&right, &model, &session), None);
        for (place, value, rule) in [
            ("badges", json!({}), &BADGES),
            ("cursor", json!(3), &CURSOR),
            ("session", json!({}), &SESSION),
            (
                "messages",
                json!([{"id": "a", "text": "a"}, {"id": "b", "text": ""}]),
                &NO_GAP,
            ),
            (
                "messages",
                json!([{"id": "a", "text": "abab"}, {"id": "b", "text": ""}]),
                &NO_DOUBLE,
            ),
            (
                "messages",
                json!([{"id": "a", "text": "ba"}, {"id": "b", "text": ""}]),
                &ORDER,
            ),
            (
                "messages",
                json!([{"id": "b", "text": ""}, {"id": "a", "text": "ab"}]),
                &ORDER,
            ),
            ("messages", json!([{"id": "b", "text": ""}]), &NO_GAP),
        ] {
            let mut wrong = right.clone();
            wrong[place] = value;
            let found = difference(&wrong, &model, &session);
            assert_eq!(found.map(|(rule, _)| rule), Some(rule), "{wrong}");
        }
    }
}
