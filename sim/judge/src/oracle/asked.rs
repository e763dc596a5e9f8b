//! What clients asked for each message (protocol §2, §3): the turn, its agent, and the steps after it. A value that a
//! request does not name comes from the session.
//!
//! This module judges nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::history::{Call, SessionHistory};

/// The names of an agent's values.
const AGENT: [&str; 3] = ["mode", "model", "variant"];
/// The names of the values of the steps after a turn that each message may set.
const STEPS: [&str; 2] = ["autoCommit", "condenseOnComplete"];
/// The value of the steps that only some requests may set.
const GATE: &str = "gateThreshold";
/// The prefix of a model that the server removes (R2.43).
const MODEL_PREFIX: &str = "kilo/";

/// The values of a turn, by name, in a form in which equal wishes are equal. A value that the wire does not show is
/// missing. Null stands for a value that is not wanted.
pub(super) type Values = BTreeMap<&'static str, Value>;

/// What a session was created with.
#[derive(Clone, Copy)]
pub(super) struct Creation<'a> {
    call: &'a Call,
}

impl<'a> Creation<'a> {
    /// The creation of a session; `None` if the wire does not show it, or not completely.
    pub(super) fn of(session: &SessionHistory<'a>) -> Option<Self> {
        let call = *session.calls.iter().find(|call| call.is_creation())?;
        let creation = Self { call };
        creation.agent()["model"].is_string().then_some(creation)
    }

    fn is_start(self) -> bool {
        self.call.procedure == "start"
    }

    /// The part of the input with these names, on the unified surface; the whole input on the other.
    pub(super) fn part(self, name: &str) -> &'a Value {
        match self.is_start() {
            true => &self.call.input[name],
            false => &self.call.input,
        }
    }

    /// The agent.
    pub(super) fn agent(self) -> &'a Value {
        self.part("agent")
    }

    /// The set-up of the agent and of its sandbox.
    pub(super) fn profile(self) -> &'a Value {
        self.part("profile")
    }

    /// The organization.
    pub(super) fn organization(self) -> &'a Value {
        &self.part("options")["kilocodeOrganizationId"]
    }

    /// The repository as the unified surface names it: `type`, `repo` or `url`, `token` and `branch`.
    pub(super) fn repository(self) -> Value {
        let input = &self.call.input;
        if self.is_start() {
            return input["repository"].clone();
        }
        let branch = &input["upstreamBranch"];
        if !input["githubRepo"].is_null() {
            return json!({"type": "github", "repo": input["githubRepo"], "branch": branch});
        }
        let kind = if input["platform"] == "gitlab" {
            "gitlab"
        } else {
            "git"
        };
        json!({"type": kind, "url": input["gitUrl"], "token": input["gitToken"], "branch": branch})
    }

    /// The first turn as one text (R9.41); null if the wire does not show it.
    pub(super) fn content(self) -> Value {
        let Some(turn) = requested(self.call, Some(self)) else {
            return Value::Null;
        };
        let text = |name: &str| turn.get(name).and_then(Value::as_str);
        match (turn.get("prompt"), text("command"), text("arguments")) {
            (Some(prompt), ..) => prompt.clone(),
            (None, Some(command), Some(arguments)) => json!(format!("/{command} {arguments}")),
            (None, Some(command), None) => json!(format!("/{command}")),
            (None, None, _) => Value::Null,
        }
    }

    /// The kilo session that the answer names; null without an answer.
    pub(super) fn root(self) -> &'a Value {
        let data = self.call.success().map(|(_, data)| data);
        data.map_or(&Value::Null, |data| &data["kiloSessionId"])
    }
}

/// What every request asked that may have admitted a message: the requests that name it, else those that name none. A
/// refused request admitted nothing, unless the store failed.
pub(super) fn asked_for(session: &SessionHistory, message: &str) -> Vec<Values> {
    let creation = Creation::of(session);
    let is_refused = |call: &Call| matches!(call.reply, Some((_, status, _)) if (400..500).contains(&status));
    let is_near = |call: &&Call| call.session().is_none_or(|id| id == session.id) && !is_refused(call);
    let naming = session
        .run
        .calls
        .iter()
        .filter(is_near)
        .filter(|call| call.requested_message() == Some(message));
    let mut asked: Vec<Option<Values>> = naming.map(|call| requested(call, creation)).collect();
    if asked.is_empty() {
        let nameless = session.calls.iter().filter(|call| {
            let may_admit = call.is_admission() || call.is_creation();
            may_admit && call.requested_message().is_none() && !is_refused(call)
        });
        asked.extend(nameless.map(|call| requested(call, creation)));
    }
    // One request that the wire does not show completely leaves everything open.
    asked.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// What a request asks; `None` if the wire does not show its turn.
pub(super) fn requested(call: &Call, creation: Option<Creation>) -> Option<Values> {
    let input = &call.input;
    let payload = &input["payload"];
    let (turn, beside, agent, steps) = match call.procedure.as_str() {
        "start" | "send" => (
            &input["message"],
            &Value::Null,
            &input["agent"],
            &input["finalization"],
        ),
        "prepareSession" => match &input["initialPayload"] {
            Value::Null => (input, &Value::Null, input, input),
            payload => (payload, &Value::Null, input, input),
        },
        "initiateFromKilocodeSessionV2" => {
            let creation = creation.filter(|creation| !creation.is_start())?;
            return requested(creation.call, Some(creation));
        }
        "sendMessageV2" if payload.is_null() => (input, &Value::Null, input, input),
        "sendMessageV2" => (payload, &input["images"], payload, input),
        _ => return None,
    };
    let mut values = Values::new();
    let is_command = turn["type"] == "command";
    if is_command {
        values.insert("command", Value::from(turn["command"].as_str()?));
        values.insert("arguments", normal("arguments", &turn["arguments"]));
    } else {
        values.insert("prompt", Value::from(turn["prompt"].as_str()?));
        let has_images = call.procedure != "prepareSession" || !input["initialPayload"].is_null();
        let images = match &turn["images"] {
            Value::Null => beside,
            images => images,
        };
        let images = if has_images { images } else { &Value::Null };
        values.insert("images", normal("images", images));
    }
    let mut insert = |name: &'static str, named: &Value, of_session: Option<&Value>| {
        let value = if named.is_null() { of_session } else { Some(named) };
        if let Some(value) = value {
            values.insert(name, normal(name, value));
        }
    };
    for name in AGENT {
        let named = if is_command { &Value::Null } else { &agent[name] };
        insert(name, named, creation.map(|creation| &creation.agent()[name]));
    }
    let session_steps = creation.map(|creation| creation.part("finalization"));
    for name in STEPS {
        insert(name, &steps[name], session_steps.map(|steps| &steps[name]));
    }
    // The older surface takes the gate from the session.
    let is_gate_named = matches!(call.procedure.as_str(), "start" | "send");
    let named = if is_gate_named { &steps[GATE] } else { &Value::Null };
    insert(GATE, named, session_steps.map(|steps| &steps[GATE]));
    Some(values)
}

/// A value in the form in which equal wishes are equal.
pub(super) fn normal(name: &str, value: &Value) -> Value {
    match (name, value) {
        (GATE, Value::String(threshold)) if threshold == "off" => Value::Null,
        ("autoCommit" | "condenseOnComplete", Value::Bool(false)) => Value::Null,
        ("arguments", Value::String(text)) if text.is_empty() => Value::Null,
        ("images", Value::Array(images)) if images.is_empty() => Value::Null,
        ("images", Value::Object(images)) if images.is_empty() => Value::Null,
        ("model", Value::String(model)) => Value::from(model.strip_prefix(MODEL_PREFIX).unwrap_or(model)),
        _ => value.clone(),
    }
}
