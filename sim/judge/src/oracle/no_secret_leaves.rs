//! No secret leaves the server (protocol §9) but to whom it is meant for: what is told to clients and what is
//! in the body of a callback has none in it.
//!
//! Secrets are what scripts plant as such, what the inputs of calls carry where secrets are carried, and the
//! tokens that the server mints for wrappers. The headers of a callback and what the wrapper is given are
//! where they belong.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::history::History;
use super::{Broken, Check, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-secret-leaves",
    rule: "No secret is in a reply, on a stream or in the body of a callback.",
    check: Check::Run(check),
};

/// Everything that is planted in a run to be found if it leaks: values of a callback target's headers, the
/// token of a git repository, values of a profile's environment. What scripts plant as a secret has one of these in
/// it.
pub const PLANTED_SECRETS: [&str; 3] = [
    "secret-of-the-receiver",
    "secret-of-the-git-host",
    "secret-of-the-profile",
];

/// Fields of inputs whose text is a secret.
const TOKENS: [&str; 3] = ["gitToken", "githubToken", "token"];
/// Fields of inputs all of whose texts are.
const SECRET_MAPS: [&str; 2] = ["headers", "envVars"];
/// A shorter text is not taken for a secret: it may turn up anywhere by chance.
const SHORTEST_SECRET: usize = 16;
/// How much of the end of a token tells it from every other.
const TOKEN_END: usize = 32;

fn check(history: &History) -> Vec<Broken> {
    let secrets = secrets(history);
    let mut search = Search {
        secrets: &secrets,
        text: String::new(),
    };
    let mut broken = Vec::new();
    for call in &history.calls {
        let Some((at, _, body)) = &call.reply else {
            continue;
        };
        if search.finds_one_in(body) {
            let text = format!(
                "the reply of {} to {} has a secret in it",
                call.procedure, call.party
            );
            broken.push(Broken::of(*at, call.asked_message(), text));
        }
    }
    // The same event is shown to many, and more than once.
    let mut known: BTreeMap<(&str, u64), &Value> = BTreeMap::new();
    for seen in &history.seen {
        let event = &seen.event;
        let is_known = event.id > 0 && known.get(&(&*event.session, event.id)) == Some(&&event.data);
        if is_known && event.others.is_empty() {
            continue;
        }
        let others = event.others.values().any(|value| search.finds_one_in(value));
        if others || search.finds_one_in(&event.data) {
            let text = format!("{} was shown {} with a secret in it", seen.party, event.name);
            broken.push(Broken::of(seen.seen_at, event.message(), text));
        } else if event.id > 0 {
            known.insert((&event.session, event.id), &event.data);
        }
    }
    for strange in &history.unreadable {
        if search.finds_one_in(&strange.frame) {
            let text = format!("{} was shown a frame with a secret in it", strange.party);
            broken.push(Broken::of(strange.seen_at, None, text));
        }
    }
    for request in &history.callbacks {
        if search.finds_one_in(&request.body) {
            let text = "the body of its callback has a secret in it";
            broken.push(Broken::of(request.at, request.body["messageId"].as_str(), text));
        }
    }
    broken
}

/// All secrets of a run.
fn secrets(history: &History) -> BTreeSet<&str> {
    let mut secrets = BTreeSet::from(PLANTED_SECRETS);
    secrets.extend(history.context.secrets.iter().map(String::as_str));
    for call in &history.calls {
        gather_secrets(&call.input, &mut secrets);
    }
    let tokens = history
        .bindings
        .iter()
        .filter_map(|binding| binding.token.as_deref());
    // A token's beginning is the same as that of others.
    secrets.extend(tokens.map(|token| {
        let start = token.len().saturating_sub(TOKEN_END);
        token.get(start..).unwrap_or(token)
    }));
    secrets
}

/// Adds what an input carries where secrets are carried.
fn gather_secrets<'a>(input: &'a Value, secrets: &mut BTreeSet<&'a str>) {
    let Some(fields) = input.as_object() else { return };
    for (name, value) in fields {
        let texts: Vec<&str> = match value {
            Value::String(text) if TOKENS.contains(&name.as_str()) => vec![text],
            Value::Object(values) if SECRET_MAPS.contains(&name.as_str()) => {
                values.values().filter_map(Value::as_str).collect()
            }
            _ => {
                gather_secrets(value, secrets);
                continue;
            }
        };
        secrets.extend(texts.into_iter().filter(|text| text.len() >= SHORTEST_SECRET));
    }
}

/// A search for secrets, with room that it uses again.
struct Search<'a> {
    secrets: &'a BTreeSet<&'a str>,
    text: String,
}

impl Search<'_> {
    fn finds_one_in(&mut self, value: &Value) -> bool {
        self.text.clear();
        write_texts(value, &mut self.text);
        self.secrets.iter().any(|secret| self.text.contains(secret))
    }
}

/// Adds all names and texts in `value`, each on a line of its own.
fn write_texts(value: &Value, text: &mut String) {
    match value {
        Value::String(more) => {
            text.push_str(more);
            text.push('\n');
        }
        Value::Array(values) => values.iter().for_each(|value| write_texts(value, text)),
        Value::Object(fields) => {
            for (name, value) in fields {
                text.push_str(name);
                text.push('\n');
                write_texts(value, text);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::PLANTED_SECRETS;
    use crate::oracle::written::{Writer, worker_token};
    use crate::parties::Secrets;

    const NOTHING: [&str; 0] = [];
    const BROKEN: [&str; 1] = ["no-secret-leaves"];

    fn ended() -> Writer {
        let mut writer = Writer::with_target(
            "m1",
            json!({"url": "http://receiver:9200/callback", "headers": {"x-key": "key of some receiver"}}),
        );
        writer.bound(1);
        writer.turn("m1");
        writer
    }

    fn called_back(mut writer: Writer) -> Vec<String> {
        let headers = json!({"content-type": "application/json", "host": "receiver:9200",
            "x-key": "key of some receiver"});
        writer.called_back_at("m1", "/callback", headers);
        writer.judged()
    }

    #[test]
    fn a_secret_is_where_it_belongs_in_the_headers_of_a_callback_and_with_the_wrapper() {
        assert_eq!(called_back(ended()), NOTHING);
    }

    #[test]
    fn a_secret_in_a_reply_or_on_a_stream_is_noticed() {
        let token = worker_token(1);
        let gathered = "key of some receiver";
        let secrets = Secrets::default();
        for secret in PLANTED_SECRETS
            .into_iter()
            .chain(secrets.all())
            .chain([gathered, &token])
        {
            let leaked = json!({"sandbox": {"note": format!("it was {secret}!")}});
            let mut replied = ended();
            replied.answered("getSession", json!({}), 200, json!({"result": {"data": leaked}}));
            assert_eq!(called_back(replied), BROKEN, "{secret}");

            let mut refused = ended();
            refused.answered("send", json!({}), 400, json!({"error": {"message": secret}}));
            assert_eq!(called_back(refused), BROKEN, "{secret}");

            let mut shown = ended();
            shown.client_is_told("observer", "cloud.status", leaked);
            assert_eq!(called_back(shown), BROKEN, "{secret}");
        }
    }

    #[test]
    fn a_secret_in_the_body_of_a_callback_is_noticed() {
        let mut writer = Writer::with_callback("m1");
        writer.turn("m1");
        writer.called_back("m1", json!({"target": PLANTED_SECRETS[0]}), 200);
        assert_eq!(writer.judged(), BROKEN);
    }
}
