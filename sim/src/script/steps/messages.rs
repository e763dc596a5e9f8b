//! Steps that create sessions, send messages, and query or interrupt sessions, on either surface (protocol §2).

use serde_json::{Value, json};
use turnstile_fault::is_default;
use turnstile_scenarios::{
    At, Body, Call, CallReply, CallbackTarget, Caller, Delete, Finalization, Form, IdMaker, Initiate,
    Interrupt, MessageId, Prepare, Prompt, SendMessage, Session, SessionName, Spot, Start, Surface, Update,
    has_field, text_with_ids,
};

use super::requests::contains;
use crate::script::inputs::{
    CALLBACK_PATH, REPOSITORY, callback_target, https_target, target_at_no_host, target_out_of_reach,
};
use crate::script::player::{Halt, Player};
use crate::stage::client::{Answer, Client, Content};
use crate::stage::identity::{Login, Right};

/// `createdOnPlatform` of all sessions.
const PLATFORM: &str = "turnstile";
/// The procedure that queues the message of a prepared session.
const INITIATION: &str = "initiateFromKilocodeSessionV2";
/// Procedures without a session in their input.
const WITHOUT_SESSION: [&str; 3] = ["health", "start", "prepareSession"];
/// Procedures that name the session `sessionId`.
const WITH_OLDER_NAME: [&str; 2] = ["interruptSession", "deleteSession"];

impl Player<'_> {
    pub(super) fn start(&mut self, start: &Start, spot: Spot) -> Result<(), Halt> {
        let client = self.client(&start.client);
        if let Some(user) = &start.user {
            self.own(&start.session, user);
        }
        let id = chosen_or_drawn(start.id.as_ref(), &client);
        // A server whose `start` takes no callback target creates such sessions as the legacy surface does (R2.118).
        let surface = match self.scenario.session.callback && !self.stage.profile.callback_at_start {
            true => Surface::Legacy,
            false => self.surface,
        };
        let answer = match surface {
            Surface::Unified => {
                let input = self.start_input(start, &id);
                self.make_session(&client, "start", input, &start.session)?
            }
            Surface::Legacy => {
                let model = start.model.as_ref().unwrap_or(&self.scenario.session.model);
                let input = self.prepare_input(&start.prompt, model, &id);
                let prepared = self.make_session(&client, "prepareSession", input, &start.session)?;
                if self.session(&start.session).is_some() {
                    self.call_initiate(&client, &start.session)?
                } else {
                    prepared
                }
            }
        };
        self.name(&start.label, id);
        self.check_reply(&answer, &start.reply, &start.label, spot)?;
        Ok(())
    }

    /// The callback target for a path at the receiver.
    fn callback_target(&self, path: &str) -> Value {
        let prefix = &self.stage.identity.callback_prefix;
        callback_target(&self.stage.receiver, &format!("{prefix}{path}"))
    }

    fn start_input(&self, start: &Start, id: &str) -> Value {
        let session = &self.scenario.session;
        let mut repository = json!({"type": "github", "repo": REPOSITORY});
        if let Some(branch) = &session.branch {
            repository["branch"] = json!(branch);
        }
        let mut options = json!({"createdOnPlatform": PLATFORM});
        if session.callback {
            options["callbackTarget"] = self.callback_target(CALLBACK_PATH);
        }
        let model = start.model.as_ref().unwrap_or(&session.model);
        let mut agent = json!({"mode": session.mode, "model": model});
        if let Some(variant) = &session.variant {
            agent["variant"] = json!(variant);
        }
        json!({
            "message": message(&start.prompt, Some(id)),
            "agent": agent,
            "finalization": finalization_fields(&finalization_of(session)),
            "repository": repository,
            "options": options,
        })
    }

    fn prepare_input(&self, prompt: &Prompt, model: &str, id: &str) -> Value {
        let session = &self.scenario.session;
        let mut input = json!({
            "prompt": prompt.text(),
            "mode": session.mode,
            "model": model,
            "githubRepo": REPOSITORY,
            "createdOnPlatform": PLATFORM,
            "initialMessageId": id,
        });
        if matches!(prompt, Prompt::Command(_)) {
            input["initialPayload"] = payload(prompt, None);
        }
        if let Some(branch) = &session.branch {
            input["upstreamBranch"] = json!(branch);
        }
        if let Some(variant) = &session.variant {
            input["variant"] = json!(variant);
        }
        add_fields(&mut input, finalization_fields(&finalization_of(session)));
        if session.callback {
            input["callbackTarget"] = self.callback_target(CALLBACK_PATH);
        }
        input
    }

    pub(super) fn prepare(&mut self, prepare: &Prepare, spot: Spot) -> Result<(), Halt> {
        let client = self.client(&prepare.client);
        if let Some(user) = &prepare.user {
            self.own(&prepare.session, user);
        }
        let id = chosen_or_drawn(prepare.id.as_ref(), &client);
        let mut input = self.prepare_input(&prepare.prompt, &self.scenario.session.model, &id);
        if prepare.auto_initiate {
            input["autoInitiate"] = json!(true);
        }
        let answer = self.make_session(&client, "prepareSession", input, &prepare.session)?;
        self.name(&prepare.label, id);
        self.check_reply(&answer, &prepare.reply, &prepare.label, spot)?;
        Ok(())
    }

    /// Calls a procedure that creates a session, and registers the id in the answer.
    fn make_session(
        &mut self,
        client: &Client,
        procedure: &str,
        input: Value,
        name: &SessionName,
    ) -> Result<Answer, Halt> {
        let host = self.wrapper_host(name);
        self.stage.sandboxes.expect(&host);
        let answer = self.call(client, procedure, input, name)?;
        self.register_created(name, &host, &answer)?;
        Ok(answer)
    }

    /// Registers the session that a request has created, if there is an answer.
    fn register_created(&mut self, name: &SessionName, host: &str, answer: &Answer) -> Result<(), Halt> {
        if let Some((_, body)) = answer {
            match body["result"]["data"]["cloudAgentSessionId"].as_str() {
                Some(session) => self.register_session(name, session.to_owned())?,
                None => self.stage.sandboxes.settle(host, None),
            }
        }
        Ok(())
    }

    pub(super) fn initiate(&mut self, initiate: &Initiate, spot: Spot) -> Result<(), Halt> {
        let client = self.client(&initiate.client);
        let input = json!({"cloudAgentSessionId": self.session(&initiate.session)});
        let unawaited = initiate.reply.unawaited;
        let answer = self.request(&client, INITIATION, input, &initiate.session, unawaited)?;
        self.check_answer("the initiation", &answer, &initiate.reply, spot)?;
        Ok(())
    }

    fn call_initiate(&mut self, client: &Client, session: &SessionName) -> Result<Answer, Halt> {
        let input = json!({"cloudAgentSessionId": self.session(session)});
        self.call(client, INITIATION, input, session)
    }

    pub(super) fn send(&mut self, send: &SendMessage, spot: Spot) -> Result<(), Halt> {
        let client = self.client(&send.client);
        let id = match (&send.repeat, &send.id.value) {
            (Some(repeated), _) => match self.id(&repeated.value) {
                Some(id) => Some(id),
                None => {
                    let text = format!("the id of `{}` is unknown", repeated.value);
                    return Err(self.fail_step(spot, None, text));
                }
            },
            (None, IdMaker::Client) => Some(client.draw_message_id()),
            (None, IdMaker::Server) => None,
            (None, IdMaker::Script(id)) => Some(id.to_string()),
        };
        let surface = send.surface.map_or(self.surface, |surface| surface.value);
        let (procedure, input) = match surface {
            Surface::Unified => ("send", self.send_input(send, id.as_deref())),
            Surface::Legacy => ("sendMessageV2", self.legacy_send_input(send, id.as_deref())),
        };
        let unawaited = send.reply.unawaited;
        let answer = self.request(&client, procedure, input, &send.session, unawaited)?;
        let acked = answer
            .as_ref()
            .and_then(|(_, body)| body["result"]["data"]["messageId"].as_str());
        // A refused repeat is not a message, so its label must not get the repeated id.
        let is_message = send.repeat.is_none() || send.reply.lost || send.reply.status.is_success();
        if let Some(id) = id.or(acked.map(str::to_owned)).filter(|_| is_message) {
            self.name(&send.label, id);
        }
        self.check_reply(&answer, &send.reply, &send.label, spot)?;
        Ok(())
    }

    fn send_input(&self, send: &SendMessage, id: Option<&str>) -> Value {
        let mut input = json!({
            "cloudAgentSessionId": self.session(&send.session),
            "message": message(&send.prompt, id),
        });
        if let Some(model) = &send.model {
            input["agent"] = json!({"mode": self.scenario.session.mode, "model": model});
        }
        if let Some(finalization) = &send.finalization {
            input["finalization"] = finalization_fields(finalization);
        }
        input
    }

    fn legacy_send_input(&self, send: &SendMessage, id: Option<&str>) -> Value {
        let session = &self.scenario.session;
        let model = send.model.as_ref().unwrap_or(&session.model);
        let agent = json!({"mode": session.mode, "model": model});
        let mut input = json!({"cloudAgentSessionId": self.session(&send.session)});
        if let Some(id) = id {
            input["messageId"] = json!(id);
        }
        match send.legacy_form() {
            Form::Payload => input["payload"] = payload(&send.prompt, Some(agent)),
            Form::Flat => {
                input["prompt"] = json!(send.prompt.text());
                add_fields(&mut input, agent);
            }
        }
        if let Some(finalization) = &send.finalization {
            add_fields(&mut input, finalization_fields(finalization));
        }
        input
    }

    pub(super) fn update(&mut self, update: &Update, spot: Spot) -> Result<(), Halt> {
        let client = self.client(&update.client);
        let target = match &update.callback {
            CallbackTarget::None => Value::Null,
            CallbackTarget::Receiver => self.callback_target(CALLBACK_PATH),
            CallbackTarget::Path(path) => self.callback_target(path),
            CallbackTarget::OutOfReach => target_out_of_reach(&self.stage.receiver),
            CallbackTarget::NoSuchHost => target_at_no_host(),
            CallbackTarget::Https => https_target(&self.stage.receiver),
        };
        let session = self.session(&update.session);
        let input = json!({"cloudAgentSessionId": session, "callbackTarget": target});
        let unawaited = update.reply.unawaited;
        let answer = self.request(&client, "updateSession", input, &update.session, unawaited)?;
        self.check_success("update", &answer, &update.reply, spot)
    }

    pub(super) fn delete(&mut self, delete: &Delete, spot: Spot) -> Result<(), Halt> {
        let client = self.client(&delete.client);
        let input = json!({"sessionId": self.session(&delete.session)});
        let unawaited = delete.reply.unawaited;
        let answer = self.request(&client, "deleteSession", input, &delete.session, unawaited)?;
        self.check_success("deletion", &answer, &delete.reply, spot)
    }

    pub(super) fn interrupt(&mut self, interrupt: &Interrupt, spot: Spot) -> Result<(), Halt> {
        let client = self.client(&interrupt.client);
        let input = json!({"sessionId": self.session(&interrupt.session)});
        let unawaited = interrupt.reply.unawaited;
        let answer = self.request(&client, "interruptSession", input, &interrupt.session, unawaited)?;
        self.check_success("interrupt", &answer, &interrupt.reply, spot)
    }

    pub(super) fn call_any(&mut self, call: &Call, spot: Spot) -> Result<(), Halt> {
        let client = self.client(&call.client);
        let procedure = call.procedure.as_str();
        let mut input = match &call.input {
            Some(input) => input.with_ids(|name| self.id_or_session(name, &call.session)),
            None => json!({}),
        };
        let name = if WITH_OLDER_NAME.contains(&procedure) {
            "sessionId"
        } else {
            "cloudAgentSessionId"
        };
        if let (Some(fields), Some(session)) = (input.as_object_mut(), self.session(&call.session))
            && !WITHOUT_SESSION.contains(&procedure)
        {
            fields.entry(name).or_insert_with(|| json!(session));
        }
        let login = Login {
            user: self.user(&call.session),
            right: right(call.by),
            session: self.session(&call.session).unwrap_or_default().to_owned(),
        };
        let names_session = call.creates_session() && !is_default(&call.session);
        let host = self.wrapper_host(&call.session);
        if names_session {
            self.stage.sandboxes.expect(&host);
        }
        let answer = if call.is_query() {
            self.query(&client, procedure.to_owned(), input.clone(), login)?
        } else {
            let content = match call.body.as_ref().map(|body| &body.value) {
                None => Content::Json(input.clone()),
                Some(Body::Text(text)) => Content::Text(text_with_ids(text, |name| {
                    self.id_or_session(name, &call.session)
                })),
                Some(Body::Characters(count)) => Content::Text(json_of(*count)),
            };
            self.call_with(&client, procedure, content, login)?
        };
        if names_session {
            self.register_created(&call.session, &host, &answer)?;
        } else {
            self.watch_created(call, &answer)?;
        }
        self.name_called(call, &input, &answer);
        match self.answer_mismatch(&answer, &call.reply, &call.session) {
            None => Ok(()),
            Some(text) => Err(self.fail_step(spot, None, format!("`{procedure}` {text}"))),
        }
    }

    /// Watches a session of the user that a call has created, for which the script has no name.
    fn watch_created(&mut self, call: &Call, answer: &Answer) -> Result<(), Halt> {
        let is_of_user = call.is_of_user() || call.by == Caller::Latecomer;
        if let Some((_, body)) = answer
            && let Some(session) = body["result"]["data"]["cloudAgentSessionId"].as_str()
            && is_of_user
            && call.creates_session()
        {
            self.watch_unnamed(session.to_owned())?;
        }
        Ok(())
    }

    /// Gives the message of a call its label: the message that the answer names, or else the one that the input names.
    fn name_called(&mut self, call: &Call, input: &Value, answer: &Answer) {
        let Some(label) = &call.r#as else { return };
        let answered = answer
            .as_ref()
            .and_then(|(_, body)| body["result"]["data"]["messageId"].as_str());
        let asked = [
            &input["message"]["id"],
            &input["messageId"],
            &input["initialMessageId"],
        ];
        let id = answered.or_else(|| asked.into_iter().find_map(Value::as_str));
        if let Some(id) = id.map(str::to_owned) {
            self.name(label, id);
        }
    }

    /// Describes how an answer differs from the expected one.
    fn answer_mismatch(
        &self,
        answer: &Answer,
        expected: &CallReply,
        session: &SessionName,
    ) -> Option<String> {
        let (status, body) = match (answer, expected.lost) {
            (None, true) => return None,
            (None, false) => return Some("got no answer".to_owned()),
            (Some((status, body)), true) => {
                return Some(format!(
                    "was answered {status} {body}, but no answer was expected"
                ));
            }
            (Some((status, body)), false) => (*status, body),
        };
        if status != expected.status.code() || !contains(body, expected.contains.as_deref()) {
            return Some(format!(
                "was answered {status} {body}, which the script does not expect"
            ));
        }
        let content = match body.get("error") {
            Some(error) => error,
            None => &body["result"]["data"],
        };
        let mismatch = expected.has.as_ref();
        let mismatch =
            mismatch.and_then(|has| has.mismatch(content, |name| self.id_or_session(name, session)));
        let superfluous = || expected.lacks.iter().find(|field| has_field(content, field));
        let wrong = mismatch.or_else(|| superfluous().map(|field| format!("it has `{field}`")))?;
        Some(format!("was answered {status} {body}: {wrong}"))
    }
}

fn right(caller: Caller) -> Right {
    match caller {
        Caller::Owner => Right::Owner,
        Caller::Outsider => Right::Outsider,
        Caller::Latecomer => Right::Latecomer,
        Caller::Stranger => Right::Stranger,
        Caller::Nobody => Right::Nobody,
        Caller::Wrapper => Right::Wrapper,
        Caller::Viewer => Right::Viewer,
    }
}

/// The id that the script chose, or one that the client draws.
fn chosen_or_drawn(id: Option<&At<MessageId>>, client: &Client) -> String {
    id.map_or_else(|| client.draw_message_id(), |id| id.to_string())
}

/// A JSON text with `count` characters, at least two.
fn json_of(count: usize) -> String {
    format!("\"{}\"", "x".repeat(count.saturating_sub(2)))
}

/// The `message` of a unified input.
fn message(prompt: &Prompt, id: Option<&str>) -> Value {
    let mut message = json!({"prompt": prompt.text()});
    if let Some(id) = id {
        message["id"] = json!(id);
    }
    message
}

/// The `payload` of a legacy input, with the agent's settings where the form has them.
fn payload(prompt: &Prompt, agent: Option<Value>) -> Value {
    let Prompt::Command(command) = prompt else {
        let mut payload = json!({"type": "prompt", "prompt": prompt.text()});
        add_fields(&mut payload, agent.unwrap_or_default());
        return payload;
    };
    let mut payload = json!({"type": "command", "command": command.name});
    if let Some(arguments) = &command.arguments {
        payload["arguments"] = json!(arguments);
    }
    payload
}

/// The finalization of each message that does not say otherwise.
fn finalization_of(session: &Session) -> Finalization {
    Finalization {
        auto_commit: session.auto_commit,
        condense_on_complete: session.condense_on_complete,
        gate: session.gate,
    }
}

fn finalization_fields(finalization: &Finalization) -> Value {
    let mut fields = json!({});
    if let Some(auto_commit) = finalization.auto_commit {
        fields["autoCommit"] = json!(auto_commit);
    }
    if let Some(condense) = finalization.condense_on_complete {
        fields["condenseOnComplete"] = json!(condense);
    }
    if let Some(gate) = finalization.gate {
        fields["gateThreshold"] = json!(gate);
    }
    fields
}

/// Adds the fields of one object to another.
fn add_fields(object: &mut Value, fields: Value) {
    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
        object.extend(fields);
    }
}
