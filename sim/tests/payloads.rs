//! What crosses the wire, as reviewed in `snapshots/`: taken raw from the trace of a played script, with
//! what differs from run to run masked.

use std::collections::BTreeMap;
use std::path::Path;

use fake_gateway::observation::Sight;
use serde_json::{Map, Value, json};
use turnstile::script::{self, Options};
use turnstile::trace::Trace;
use turnstile_scenarios::Library;

/// Whether what follows an id's prefix is of the form that such an id must have.
type IsId = fn(&str) -> bool;

/// How ids begin. An id of another form is not masked, and so is seen.
const IDS: [(&str, IsId); 4] = [
    ("msg_", |id| {
        id.len() == 26 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }),
    ("agent_", |id| {
        id.len() == 36 && id.bytes().filter(|byte| *byte == b'-').count() == 4
    }),
    ("ses_", |id| {
        id.len() == 26 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }),
    ("wr_", |id| {
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    }),
];

/// Gives every id a number by first appearance.
#[derive(Default)]
struct Redactor(BTreeMap<String, String>);

impl Redactor {
    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => json!(self.text(text)),
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| {
                    let masked = if key == "timestamp" {
                        json!("(time)")
                    } else {
                        self.value(value)
                    };
                    (key.clone(), masked)
                });
                Value::Object(fields.collect::<Map<String, Value>>())
            }
            other => other.clone(),
        }
    }

    /// A text with the ids in it masked; they end where a character comes that no id has.
    fn text(&mut self, text: &str) -> String {
        let is_of_id = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        let mut masked = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|character| !is_of_id(character)).unwrap_or(rest.len());
            masked.push_str(&self.word(&rest[..end]));
            rest = &rest[end..];
            let end = rest.find(is_of_id).unwrap_or(rest.len());
            masked.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        masked
    }

    fn word(&mut self, word: &str) -> String {
        let Some((prefix, _)) = IDS
            .iter()
            .find(|(prefix, is_id)| word.strip_prefix(prefix).is_some_and(is_id))
        else {
            return word.to_owned();
        };
        if let Some(known) = self.0.get(word) {
            return known.clone();
        }
        let number = self.0.values().filter(|name| name.starts_with(prefix)).count() + 1;
        let name = format!("{prefix}{number}");
        self.0.insert(word.to_owned(), name.clone());
        name
    }
}

fn trace_of(id: &str) -> Trace {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let library = Library::load(&folder).unwrap_or_else(|errors| panic!("{errors}"));
    let entry = library.matching(Some(id))[0];
    let verdict = script::play(&entry.scenario, Options::default()).unwrap_or_else(|error| panic!("{error}"));
    assert!(verdict.findings.is_empty(), "{:#?}", verdict.findings);
    verdict.trace
}

fn assert_reviewed(name: &str, payload: &Value) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_json_snapshot!(name, payload));
}

#[test]
fn the_reply_to_start_is_as_reviewed() {
    let trace = trace_of("suite/turn/cold");
    let reply = trace.sights().find_map(|(_, party, sight)| match sight {
        Sight::ReplyReceived { status, body, .. } if party == "client" => Some((*status, body.clone())),
        _ => None,
    });
    let (status, body) = reply.expect("the client was answered");
    let payload = Redactor::default().value(&json!({"status": status, "body": body}));
    assert_reviewed("start_reply", &payload);
}

#[test]
fn the_callback_of_a_completed_message_is_as_reviewed() {
    let trace = trace_of("suite/turn/cold");
    let request = trace.sights().find_map(|(_, party, sight)| match sight {
        Sight::RequestReceived {
            method,
            path,
            headers,
            body,
            ..
        } if party == "receiver" => {
            Some(json!({"method": method, "path": path, "headers": headers, "body": body}))
        }
        _ => None,
    });
    let payload = Redactor::default().value(&request.expect("the receiver was called back"));
    assert_reviewed("callback_completed", &payload);
}

#[test]
fn what_a_stream_tells_of_a_message_is_as_reviewed() {
    let trace = trace_of("suite/turn/cold");
    let events: Vec<Value> = trace
        .sights()
        .filter_map(|(_, party, sight)| match sight {
            Sight::FrameReceived { socket: 1, frame } if party == "observer" => Some(frame),
            _ => None,
        })
        .filter(|frame| {
            frame["streamEventType"]
                .as_str()
                .is_some_and(|name| name.starts_with("cloud.message."))
        })
        .cloned()
        .collect();
    let payload = Redactor::default().value(&json!(events));
    assert_reviewed("stream_of_a_completed_message", &payload);
}
