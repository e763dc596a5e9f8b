//! A callback may come more than once, but only as the same job (protocol §8): receivers tell repeats by the
//! key, so a repeat has the key and the content of the first.

use std::collections::BTreeMap;

use super::history::{CallbackRequest, History};
use super::{Broken, Check, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "callbacks-repeat-unchanged",
    rule: "All requests of one callback have the same key and the same content.",
    check: Check::Run(check),
};

fn check(history: &History) -> Vec<Broken> {
    let mut firsts: BTreeMap<(&str, &str), &CallbackRequest> = BTreeMap::new();
    let mut broken = Vec::new();
    for request in &history.callbacks {
        let body = &request.body;
        let message = body["messageId"].as_str();
        let mut complain = |text: String| broken.push(Broken::of(request.at, message, text));
        let Some(session) = body["cloudAgentSessionId"].as_str() else {
            complain("a callback came that does not say of which session it is".to_owned());
            continue;
        };
        let Some(about) = message.or_else(|| body["executionId"].as_str()) else {
            complain("a callback came that does not say what it is about".to_owned());
            continue;
        };
        if let Some(message) = message.filter(|message| *message != request.key()) {
            complain(format!(
                "its callback has the key {:?}, and receivers know it by {message:?}",
                request.key()
            ));
        }
        let first = *firsts.entry((session, about)).or_insert(request);
        if first.body != *body {
            let changed = changed_fields(&first.body, body);
            complain(format!(
                "a repeat of its callback has another {changed} than the first"
            ));
        }
    }
    broken
}

/// The names of the fields in which two bodies differ.
fn changed_fields(first: &serde_json::Value, repeat: &serde_json::Value) -> String {
    let names = |body: &serde_json::Value| -> Vec<String> {
        body.as_object()
            .into_iter()
            .flat_map(|fields| fields.keys().cloned())
            .collect()
    };
    let mut changed = names(first);
    changed.extend(names(repeat));
    changed.sort_unstable();
    changed.dedup();
    changed.retain(|name| first[name] != repeat[name]);
    changed.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    #[test]
    fn a_repeat_is_right_only_with_the_same_key_and_content() {
        const NOTHING: [&str; 0] = [];
        for (repeat, rules) in [
            (json!({}), &NOTHING[..]),
            (json!({"kiloSessionId": "root"}), &["callbacks-repeat-unchanged"]),
        ] {
            let mut writer = Writer::with_callback("m1");
            writer.turn("m1");
            writer.called_back("m1", json!({}), 200);
            writer.called_back("m1", repeat, 200);
            assert_eq!(writer.judged(), rules);
        }
    }

    #[test]
    fn a_callback_with_a_key_of_its_own_is_noticed() {
        let mut writer = Writer::with_callback("m1");
        writer.turn("m1");
        writer.called_back("m1", json!({"idempotencyKey": "another"}), 200);
        let found = writer.judged();
        assert!(
            found.contains(&"callbacks-repeat-unchanged".to_owned()),
            "{found:?}"
        );
    }
}
