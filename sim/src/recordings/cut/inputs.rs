//! Inputs of calls: the settings of a session, ids of messages, and fields that no step can have.

use serde_json::{Value, json};
use turnstile_judge::oracle::history::Call;

/// The fields of inputs that steps can have, with all fields in them.
const SAID_BY_START: [&str; 9] = [
    "message.prompt",
    "message.id",
    "agent.mode",
    "agent.model",
    "agent.variant",
    "finalization",
    "repository",
    "options.callbackTarget",
    "options.createdOnPlatform",
];
const SAID_BY_PREPARE: [&str; 14] = [
    "prompt",
    "initialPayload",
    "mode",
    "model",
    "variant",
    "githubRepo",
    "createdOnPlatform",
    "initialMessageId",
    "upstreamBranch",
    "gateThreshold",
    "autoCommit",
    "condenseOnComplete",
    "callbackTarget",
    "autoInitiate",
];
const SAID_BY_SEND: [&str; 6] = [
    "cloudAgentSessionId",
    "message.prompt",
    "message.id",
    "agent.mode",
    "agent.model",
    "finalization",
];
const SAID_BY_SEND_V2: [&str; 13] = [
    "cloudAgentSessionId",
    "messageId",
    "prompt",
    "mode",
    "model",
    "payload.type",
    "payload.prompt",
    "payload.command",
    "payload.arguments",
    "payload.mode",
    "payload.model",
    "autoCommit",
    "condenseOnComplete",
];

/// The settings of the session that an input creates.
pub(super) fn session(input: &Value) -> Value {
    let agent = if input["agent"].is_object() {
        &input["agent"]
    } else {
        input
    };
    let mut session = json!({});
    for (key, value) in [
        ("model", &agent["model"]),
        ("mode", &agent["mode"]),
        (
            "branch",
            first_of([&input["repository"]["branch"], &input["upstreamBranch"]]),
        ),
        ("variant", &agent["variant"]),
        (
            "gate",
            first_of([&input["finalization"]["gateThreshold"], &input["gateThreshold"]]),
        ),
    ] {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            session[key] = json!(text);
        }
    }
    for (key, name) in [
        ("auto-commit", "autoCommit"),
        ("condense-on-complete", "condenseOnComplete"),
    ] {
        let value = first_of([&input["finalization"][name], &input[name]]);
        if value.is_boolean() {
            session[key] = value.clone();
        }
    }
    let targets = [&input["options"]["callbackTarget"], &input["callbackTarget"]];
    if !first_of(targets).is_null() {
        session["callback"] = json!(true);
    }
    session
}

/// The first value that is not null; null without one.
pub(super) fn first_of<const N: usize>(values: [&Value; N]) -> &Value {
    values
        .into_iter()
        .find(|value| !value.is_null())
        .unwrap_or(&Value::Null)
}

/// The fields of an input that its step cannot have, in a session with this mode.
pub(super) fn further_fields(call: &Call, mode: &Value) -> Vec<String> {
    let said: &[&str] = match call.procedure.as_str() {
        "start" => &SAID_BY_START,
        "prepareSession" => &SAID_BY_PREPARE,
        "send" => &SAID_BY_SEND,
        "sendMessageV2" => &SAID_BY_SEND_V2,
        _ => return Vec::new(),
    };
    let mut fields = Vec::new();
    leaves(&call.input, "", &mut |path, value| {
        let is_said = said
            .iter()
            .any(|said| path.strip_prefix(said).is_some_and(is_end_of_field));
        let is_other_mode = path.ends_with("mode") && value != mode;
        if !is_said || is_other_mode {
            fields.push(path.to_owned());
        }
    });
    fields
}

/// Whether the rest of a path is empty or goes on inside of the field before it.
fn is_end_of_field(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('.')
}

/// Calls `visit` with the path and the value of every field of an object that is no object itself.
fn leaves(value: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                leaves(value, &path, visit);
            }
        }
        other => visit(path, other),
    }
}

/// The message id in an input.
pub(super) fn input_id(input: &Value) -> Option<&str> {
    let places = [
        &input["message"]["id"],
        &input["messageId"],
        &input["initialMessageId"],
    ];
    places.into_iter().find_map(Value::as_str)
}
