//! No reply, stream or callback body contains a secret (protocol §9).
//!
//! Secrets are the planted texts of scripts, the fields of inputs that carry secrets, and the tokens that the server
//! issues to wrappers. The headers of a callback may contain them, and some places of a request to the wrapper (§5).

use std::collections::BTreeSet;

use memchr::memmem::Finder;
use serde_json::Value;

use super::history::{History, StreamEvent};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "no-secret-leaves",
    rule: "No reply, stream or callback body contains a secret: a token, a header of the callback target, or an \
        environment value. A request to the wrapper contains one only in `repo`, `materialized` and `session`.",
    why: "Replies, streams and callbacks are read and logged by parties that must not be able to act for the \
        user.",
    moment: Moment::Always,
    protocol: &ids(["R2.35", "R2.47", "R5.27", "R5.71", "R9.59", "R9.68"]),
    check: Check::Run(check),
};

/// Texts that scripts plant to detect leaks: in a callback target's headers, in the token of a git repository, and in
/// a profile's environment. Every planted secret contains one of them.
pub const PLANTED_SECRETS: [&str; 3] = [
    "secret-of-the-receiver",
    "secret-of-the-git-host",
    "secret-of-the-profile",
];

/// Fields of inputs whose text is a secret.
const TOKENS: [&str; 3] = ["gitToken", "githubToken", "token"];
/// Fields of inputs whose values are all secrets.
const SECRET_MAPS: [&str; 2] = ["headers", "envVars"];
/// Fields of a request to the wrapper that may contain secrets (R5.27).
const PLACES_FOR_SECRETS: [&str; 3] = ["repo", "materialized", "session"];
/// Shortest text that counts as a secret, in bytes: a shorter one may occur by chance.
const SHORTEST_SECRET: usize = 16;
/// Length of the end of a token that identifies it, in bytes.
const TOKEN_END: usize = 32;

fn check(history: &History) -> Vec<Finding> {
    let secrets = secrets(history);
    let mut search = Search::of(&secrets);
    let mut findings = Vec::new();
    for call in &history.calls {
        let Some((at, _, body)) = &call.reply else {
            continue;
        };
        if search.finds_one_in(body) {
            let text = format!(
                "the reply of {} to {} contains a secret",
                call.procedure, call.party
            );
            findings.push(ORACLE.finding(&ids(["R9.68"]), *at, call.requested_message(), text));
        }
    }
    findings.extend(events_with_secrets(history, &mut search));
    for unreadable in &history.unreadable {
        if search.finds_one_in(&unreadable.frame) {
            let text = format!("{} received a frame with a secret", unreadable.party);
            findings.push(ORACLE.finding(&ids(["R9.68"]), unreadable.seen_at, None, text));
        }
    }
    for request in &history.callbacks {
        if search.finds_one_in(&request.body) {
            let text = "the body of its callback contains a secret";
            findings.push(ORACLE.finding(
                &ids(["R9.68"]),
                request.at,
                request.body["messageId"].as_str(),
                text,
            ));
        }
    }
    let preparations = history
        .preparations
        .iter()
        .map(|sent| (sent.at, None, &sent.body));
    let deliveries = history.deliveries.iter();
    let deliveries = deliveries.map(|sent| (sent.at, Some(sent.message.as_str()), &sent.body));
    for (at, message, body) in preparations.chain(deliveries) {
        if search.finds_one_outside_of(&PLACES_FOR_SECRETS, body) {
            let text = format!(
                "a request to the wrapper contains a secret outside of {}",
                PLACES_FOR_SECRETS.join(", ")
            );
            findings.push(ORACLE.finding(&ids(["R5.27"]), at, message, text));
        }
    }
    findings
}

/// Findings about events of streams. A run has thousands of events, so their texts are first searched as one.
fn events_with_secrets(history: &History, search: &mut Search) -> Vec<Finding> {
    // Many clients receive the same event, some of them several times.
    let mut known = BTreeSet::new();
    let seen = history.seen.iter().map(|seen| &seen.event);
    let different = seen.filter(|event| known.insert(event.content) || !event.others.is_empty());
    if !search.finds_one_among(different.flat_map(values)) {
        return Vec::new();
    }
    let leaks = history
        .seen
        .iter()
        .filter(|seen| search.finds_one_among(values(&seen.event)));
    let findings = leaks.map(|seen| {
        let text = format!("{} received {} with a secret", seen.party, seen.event.name);
        ORACLE.finding(&ids(["R9.68"]), seen.seen_at, seen.event.message(), text)
    });
    findings.collect()
}

/// The values in an event that may contain a secret.
fn values(event: &StreamEvent) -> impl Iterator<Item = &Value> {
    event.others.values().chain([&*event.data])
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
    // All tokens begin alike.
    secrets.extend(tokens.map(|token| {
        let start = token.len().saturating_sub(TOKEN_END);
        token.get(start..).unwrap_or(token)
    }));
    secrets
}

/// Adds the secrets of an input.
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

/// A search for secrets, with a buffer that it reuses.
struct Search<'a> {
    /// Secrets that are searched one by one.
    secrets: Vec<Finder<'a>>,
    /// Ends of tokens. A long run has one for each run of a wrapper, so they are looked up.
    token_ends: BTreeSet<&'a [u8]>,
    /// Which bytes are the last one of a token.
    last_bytes: [bool; 256],
    text: String,
}

impl<'a> Search<'a> {
    fn of(secrets: &BTreeSet<&'a str>) -> Self {
        let is_end = |secret: &&str| secret.len() == TOKEN_END && secret.bytes().all(is_of_token);
        let (ends, secrets): (Vec<&str>, Vec<&str>) = secrets.iter().copied().partition(is_end);
        let mut last_bytes = [false; 256];
        for byte in ends.iter().filter_map(|end| end.bytes().last()) {
            last_bytes[usize::from(byte)] = true;
        }
        Self {
            secrets: secrets.into_iter().map(Finder::new).collect(),
            token_ends: ends.into_iter().map(str::as_bytes).collect(),
            last_bytes,
            text: String::new(),
        }
    }

    fn finds_one_in(&mut self, value: &Value) -> bool {
        self.finds_one_among([value])
    }

    fn finds_one_among<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) -> bool {
        self.text.clear();
        for value in values {
            write_texts(value, &mut self.text);
        }
        self.has_found_one()
    }

    /// Searches an object without the values of these fields.
    fn finds_one_outside_of(&mut self, places: &[&str], object: &Value) -> bool {
        self.text.clear();
        for (name, value) in object.as_object().into_iter().flatten() {
            if !places.contains(&name.as_str()) {
                write_texts(value, &mut self.text);
            }
        }
        self.has_found_one()
    }

    fn has_found_one(&self) -> bool {
        self.has_found_token()
            || self
                .secrets
                .iter()
                .any(|secret| secret.find(self.text.as_bytes()).is_some())
    }

    /// Whether the text contains the end of a token. Looks at the last bytes of a window first: it skips most of the text
    /// that way, because few words are as long as a window.
    fn has_found_token(&self) -> bool {
        let text = self.text.as_bytes();
        let mut start = 0;
        while let Some(window) = text.get(start..start + TOKEN_END) {
            if let Some(place) = window.iter().rposition(|byte| !is_of_token(*byte)) {
                start += place + 1;
                continue;
            }
            let rest = &text[start + TOKEN_END..];
            let more = rest.iter().take_while(|byte| is_of_token(**byte)).count();
            let word = &text[start..start + TOKEN_END + more];
            if word.windows(TOKEN_END).any(|window| self.is_token_end(window)) {
                return true;
            }
            start += word.len();
        }
        false
    }

    /// Whether a window of the text is the end of a token. Most windows differ from all in their last byte.
    fn is_token_end(&self, window: &[u8]) -> bool {
        window
            .last()
            .is_some_and(|byte| self.last_bytes[usize::from(*byte)])
            && self.token_ends.contains(window)
    }
}

/// Whether a byte may be in the signature of a token.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Adds all names and texts in `value`, one a line.
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
    const FOUND: [&str; 1] = ["no-secret-leaves"];

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
    fn secrets_are_allowed_in_headers_of_callbacks_and_in_some_places_of_requests_to_the_wrapper() {
        assert_eq!(called_back(ended()), NOTHING);
        let mut ready = ended();
        ready.bound_with(2, json!({"materialized": {"env": {"A": PLANTED_SECRETS[2]}}, "repo": {"token": PLANTED_SECRETS[1]}}));
        assert_eq!(called_back(ready), NOTHING);
        let mut elsewhere = ended();
        elsewhere.bound_with(2, json!({"workspace": {"note": PLANTED_SECRETS[2]}}));
        assert_eq!(called_back(elsewhere), FOUND);
    }

    #[test]
    fn a_secret_in_a_reply_or_on_a_stream_is_found() {
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
            assert_eq!(called_back(replied), FOUND, "{secret}");

            let mut refused = ended();
            refused.answered("send", json!({}), 400, json!({"error": {"message": secret}}));
            assert_eq!(called_back(refused), FOUND, "{secret}");

            let mut shown = ended();
            shown.client_receives_unkept("observer", "cloud.status", leaked);
            assert_eq!(called_back(shown), FOUND, "{secret}");
        }
    }

    #[test]
    fn a_token_is_found_at_any_place_of_a_long_word() {
        let token = worker_token(1);
        let cut = &token[..token.len() - 1];
        for (before, after) in [(0, 0), (1, 0), (0, 1), (31, 33), (32, 32), (1000, 1000)] {
            let note = |token| format!("{}{token}{}.", "a".repeat(before), "a".repeat(after));
            let mut leaked = ended();
            leaked.client_receives_unkept("observer", "cloud.status", json!({"note": note(token.as_str())}));
            assert_eq!(called_back(leaked), FOUND, "{before}, {after}");
            let mut other = ended();
            other.client_receives_unkept("observer", "cloud.status", json!({"note": note(cut)}));
            assert_eq!(called_back(other), NOTHING, "{before}, {after}");
        }
    }

    #[test]
    fn a_secret_in_the_body_of_a_callback_is_found() {
        let mut writer = Writer::with_callback("m1");
        writer.turn("m1");
        writer.called_back("m1", json!({"target": PLANTED_SECRETS[0]}), 200);
        assert_eq!(writer.judged(), FOUND);
    }
}
