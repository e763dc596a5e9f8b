//! Requests of clients as steps. A request for which there is a step becomes that step; any other one becomes `call`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::Observation;
use turnstile_judge::oracle::history::{Call, History};
use turnstile_judge::parties::{OBSERVER, SERVER};
use turnstile_judge::recording::Recording;
use turnstile_judge::trace::Trace;
use turnstile_scenarios::{Directive, Label};

use super::inputs::{first_of, further_fields, input_id, session};
use super::streams::Clients;
use super::{CutError, Moment, fakes};
use crate::script::CALLBACK_PATH;

/// Characters of a prompt of which only the length matters.
const FILLER: char = 'x';
/// From this length on, a prompt of filler is given by its length.
const LONG_FILLER: usize = 100;

/// The steps of the calls, and what they say about the sessions.
pub(super) struct Calls {
    /// The steps.
    pub moments: Vec<Moment>,
    /// The settings of the session, as in a script.
    pub session: Value,
    /// Names of the sessions in the script, by id; `None` for the default one.
    pub sessions: BTreeMap<String, Option<String>>,
}

/// What turns calls into steps.
struct Reader<'a> {
    history: &'a History,
    clients: &'a Clients,
    given_labels: &'a BTreeMap<String, String>,
    sessions: BTreeMap<String, Option<String>>,
    /// Model and mode of the session, if it has them.
    model: Value,
    mode: Value,
    /// Labels by id.
    labels: BTreeMap<String, String>,
    receiver: &'a str,
    made: usize,
}

impl Calls {
    /// Reads the calls of a recording up to `end`.
    pub fn read(
        recording: &Recording,
        history: &History,
        clients: &Clients,
        end: Duration,
        left_out: &mut BTreeMap<String, usize>,
    ) -> Result<Self, CutError> {
        let is_of_client = |call: &&Call| call.party != OBSERVER && call.at < end;
        let calls: Vec<&Call> = history.calls.iter().filter(is_of_client).collect();
        let sessions = sessions(&calls);
        let creates = |call: &&&Call| call.is_creation() && call.credentials.are_own();
        let first = calls
            .iter()
            .filter(creates)
            .find(|call| call.success().is_some())
            .or_else(|| calls.iter().find(creates))
            .ok_or(CutError::NoSession)?;
        let session = session(&first.input);
        let mut reader = Reader {
            history,
            clients,
            given_labels: &recording.header.labels,
            model: session["model"].clone(),
            mode: session["mode"].clone(),
            sessions,
            labels: BTreeMap::new(),
            receiver: &recording.header.receiver,
            made: 0,
        };
        let ends = ends_without_reply(&recording.trace);
        let mut moments = Vec::new();
        for call in &calls {
            let lost_at = ends.get(&(call.party.as_str(), call.at)).copied();
            let until = call.reply.as_ref().map(|(at, _, _)| *at).or(lost_at);
            if call.input.is_string() {
                *left_out.entry("body that is not JSON".to_owned()).or_default() += 1;
                continue;
            }
            let step = reader.step(call, std::ptr::eq(*call, *first), left_out);
            moments.push(Moment {
                at: call.at,
                until: until.unwrap_or(call.at),
                step,
            });
        }
        Ok(Self {
            moments,
            session,
            sessions: reader.sessions,
        })
    }
}

/// Names of the sessions that calls created, by id.
fn sessions(calls: &[&Call]) -> BTreeMap<String, Option<String>> {
    let created = calls
        .iter()
        .filter(|call| call.is_creation() && call.credentials.are_own());
    let ids = created.filter_map(|call| call.success().and(call.session()));
    let mut sessions = BTreeMap::new();
    for id in ids {
        let name = (!sessions.is_empty()).then(|| format!("session-{}", sessions.len() + 1));
        sessions.entry(id.to_owned()).or_insert(name);
    }
    sessions
}

/// The times at which requests ended without an answer, by party and time of the request.
fn ends_without_reply(trace: &Trace) -> BTreeMap<(&str, Duration), Duration> {
    let mut sent = BTreeMap::new();
    let mut ends = BTreeMap::new();
    for (at, party, observation) in trace.observations() {
        match observation {
            Observation::RequestSent { exchange, to, .. } if to == SERVER => {
                sent.insert((party, *exchange), at);
            }
            Observation::NoReply { exchange, .. } => {
                if let Some(sent_at) = sent.get(&(party, *exchange)) {
                    ends.insert((party, *sent_at), at);
                }
            }
            _ => {}
        }
    }
    ends
}

impl Reader<'_> {
    /// The step of a call. `is_first` for the one that creates the script's session.
    fn step(&mut self, call: &Call, is_first: bool, left_out: &mut BTreeMap<String, usize>) -> Value {
        let input = &call.input;
        let creates_known = is_first
            || call
                .success()
                .and(call.session())
                .is_some_and(|id| self.sessions.contains_key(id));
        let is_about_known = call.session().is_some_and(|id| self.sessions.contains_key(id));
        if !call.credentials.are_own() || !(creates_known || is_about_known) {
            return self.call(call);
        }
        let mut fields = self.common(call);
        let word = match call.procedure.as_str() {
            "start" => "start",
            "prepareSession" => "prepare",
            "send" | "sendMessageV2" => "send",
            "initiateFromKilocodeSessionV2" => "initiate",
            "updateSession" => "update",
            "deleteSession" => "delete",
            "interruptSession" => "interrupt",
            _ => return self.call(call),
        };
        let further = further_fields(call, &self.mode);
        if word == "send" && !further.is_empty() {
            return self.call(call);
        }
        for field in further {
            *left_out
                .entry(format!("field `{field}` of `{}`", call.procedure))
                .or_default() += 1;
        }
        match word {
            "start" | "prepare" | "send" => {
                let Some(prompt) = self.prompt(call, &mut fields) else {
                    return self.call(call);
                };
                fields.extend(prompt);
                self.name(call, &mut fields);
            }
            "update" => match self.target(&input["callbackTarget"]) {
                Some(target) => {
                    fields.insert("callback".to_owned(), json!(target));
                }
                None => return self.call(call),
            },
            _ => {}
        }
        if word == "prepare" && input["autoInitiate"] == true {
            fields.insert("auto-initiate".to_owned(), json!(true));
        }
        if call.procedure == "sendMessageV2" {
            fields.insert("surface".to_owned(), json!("legacy"));
            if input["payload"].is_object() {
                fields.insert("form".to_owned(), json!("payload"));
            }
        }
        json!({word: fields})
    }

    /// The fields that every step of a client has.
    fn common(&self, call: &Call) -> Map<String, Value> {
        let mut fields = Map::new();
        if let Some(Some(session)) = call.session().and_then(|id| self.sessions.get(id)) {
            fields.insert("session".to_owned(), json!(session));
        }
        if let Some((client, from)) = self.clients.get(&call.party)
            && *from <= call.at
        {
            fields.insert("client".to_owned(), json!(client));
        }
        match &call.reply {
            None => {
                fields.insert("reply".to_owned(), json!({"lost": true}));
            }
            Some((_, status, _)) if *status != 200 => {
                fields.insert("reply".to_owned(), json!({"status": status}));
            }
            Some(_) => {}
        }
        fields
    }

    /// The prompt of a message, and the other fields of its turn.
    fn prompt(&self, call: &Call, fields: &mut Map<String, Value>) -> Option<Map<String, Value>> {
        let input = &call.input;
        let turn = first_of([
            &input["message"],
            &input["initialPayload"],
            &input["payload"],
            input,
        ]);
        let mut prompt = Map::new();
        if let Some(command) = turn["command"].as_str() {
            let mut command = json!({"name": command});
            if turn["arguments"].is_string() {
                command["arguments"] = turn["arguments"].clone();
            }
            prompt.insert("command".to_owned(), command);
        } else {
            let text = turn["prompt"].as_str()?;
            let (key, value) = self.words(call, text);
            prompt.insert(key.to_owned(), value);
            let model = first_of([&input["agent"]["model"], &turn["model"], &input["model"]]);
            if model.is_string() && *model != self.model && call.procedure != "prepareSession" {
                fields.insert("model".to_owned(), model.clone());
            }
        }
        if matches!(call.procedure.as_str(), "send" | "sendMessageV2") {
            let of = if input["finalization"].is_object() {
                &input["finalization"]
            } else {
                input
            };
            let mut finalization = Map::new();
            for (key, name) in [
                ("auto-commit", "autoCommit"),
                ("condense-on-complete", "condenseOnComplete"),
                ("gate", "gateThreshold"),
            ] {
                if !of[name].is_null() {
                    finalization.insert(key.to_owned(), of[name].clone());
                }
            }
            if !finalization.is_empty() {
                fields.insert("finalization".to_owned(), finalization.into());
            }
        }
        Some(prompt)
    }

    /// The prompt as a key of a step and its value.
    fn words(&self, call: &Call, text: &str) -> (&'static str, Value) {
        let said = text
            .strip_prefix(Directive::MARK)
            .and_then(|said| said.parse::<Directive>().ok());
        if let Some(directive) = said.filter(|directive| directive.prompt() == text) {
            return ("say", json!(directive));
        }
        if text.len() >= LONG_FILLER && text.chars().all(|char| char == FILLER) {
            return ("characters", json!(text.len()));
        }
        let message = call.requested_message().or_else(|| input_id(&call.input));
        let like = message.filter(|_| !text.contains(Directive::MARK));
        match like.and_then(|message| fakes::directive(self.history, message, text)) {
            Some(directive) => ("say", json!(directive)),
            None => ("text", json!(text)),
        }
    }

    /// Adds the label of the message, and how its id is made.
    fn name(&mut self, call: &Call, fields: &mut Map<String, Value>) {
        let given = input_id(&call.input);
        let id = given.or_else(|| call.requested_message());
        let repeated = id.and_then(|id| self.labels.get(id)).cloned();
        let is_send = matches!(call.procedure.as_str(), "send" | "sendMessageV2");
        let label = self.label(id.filter(|_| repeated.is_none()));
        fields.insert("as".to_owned(), json!(label));
        if let (Some(repeated), true) = (&repeated, is_send) {
            fields.insert("repeat".to_owned(), json!(repeated));
            return;
        }
        if is_send && given.is_none() {
            fields.insert("id".to_owned(), json!("server"));
        }
        if let Some(id) = id {
            self.labels.insert(id.to_owned(), label);
        }
    }

    /// A new label: the recording's, if it has one that a script can use.
    fn label(&mut self, id: Option<&str>) -> String {
        let given = id.and_then(|id| self.given_labels.get(id));
        let is_free = |label: &&String| {
            label.parse::<Label>().is_ok() && self.labels.values().all(|taken| taken != *label)
        };
        if let Some(label) = given.filter(is_free) {
            return label.clone();
        }
        loop {
            self.made += 1;
            let label = format!("message-{}", self.made);
            let is_taken = self
                .labels
                .values()
                .chain(self.given_labels.values())
                .any(|taken| *taken == label);
            if !is_taken {
                return label;
            }
        }
    }

    /// A callback target as a script names it.
    fn target(&self, target: &Value) -> Option<String> {
        if target.is_null() {
            return Some("none".to_owned());
        }
        let url = target["url"].as_str()?;
        if url.starts_with("https://") {
            return Some("https".to_owned());
        }
        match url.strip_prefix("http://")?.strip_prefix(self.receiver) {
            Some(CALLBACK_PATH) => Some("receiver".to_owned()),
            Some(path) => Some(path.to_owned()),
            None => Some("out-of-reach".to_owned()),
        }
    }

    /// The step `call` with the input of a request.
    fn call(&mut self, call: &Call) -> Value {
        let mut fields = self.common(call);
        fields.insert("procedure".to_owned(), json!(call.procedure));
        let mut input = self.with_labels(&call.input);
        let id = call.requested_message();
        if let Some(id) = id.filter(|id| call.credentials.are_own() && !self.labels.contains_key(*id)) {
            let label = self.label(Some(id));
            self.labels.insert(id.to_owned(), label.clone());
            fields.insert("as".to_owned(), json!(label));
        }
        if let Some(inputs) = input.as_object_mut() {
            // The step adds the id of the session itself.
            inputs.retain(|key, value| {
                let is_session = matches!(key.as_str(), "sessionId" | "cloudAgentSessionId");
                !(is_session && value.as_str().is_some_and(|id| self.sessions.contains_key(id)))
            });
            if !inputs.is_empty() {
                fields.insert("input".to_owned(), input);
            }
        }
        let by = match call.credentials {
            Credentials::Own | Credentials::OtherSession => None,
            Credentials::WithoutKey => Some("outsider"),
            Credentials::Expired => Some("latecomer"),
            Credentials::Stranger => Some("stranger"),
            Credentials::None => Some("nobody"),
            Credentials::OtherKind => Some("wrapper"),
        };
        if let Some(by) = by {
            fields.insert("by".to_owned(), json!(by));
        }
        json!({"call": fields})
    }

    /// JSON with labels in place of ids.
    fn with_labels(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match self.labels.get(text) {
                Some(label) => json!(format!("<{label}>")),
                None => value.clone(),
            },
            Value::Array(values) => values.iter().map(|value| self.with_labels(value)).collect(),
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, value)| (key.clone(), self.with_labels(value)));
                Value::Object(fields.collect())
            }
            other => other.clone(),
        }
    }
}
