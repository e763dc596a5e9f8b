//! Checks steps that create the session, send messages or call procedures.

use turnstile_fault::is_default;

use super::{Checker, Message, SessionState};
use crate::call::{Body, Call, CallMethod, LONGEST_BODY, LONGEST_IN_URL};
use crate::directive::Directive;
use crate::legacy::{CallbackTarget, Initiate, Prepare, Update};
use crate::machine::Machine;
use crate::message::{SendMessage, Start};
use crate::message_id::{IdMaker, MessageId};
use crate::name::{ClientName, Label, SessionName};
use crate::place::{At, Spot};
use crate::prompt::Prompt;
use crate::reply::Reply;
use crate::stored::{RecordForm, Stored};
use crate::surface::Surface;
use crate::text::listed;

/// Field of a flat record that enables callbacks.
const FLAT_TARGET: &str = "callbackTarget";
/// Field of a grouped record that enables callbacks.
const GROUPED_TARGET: &str = "callback";

impl<'a> Checker<'a, '_> {
    /// Records what is on the server's disk.
    pub(super) fn stored(&mut self, stored: Option<&'a Stored>) {
        let Some(stored) = stored else { return };
        self.note_session(SessionName::default(), SessionState::Stored);
        let field = match stored.form {
            RecordForm::Flat => FLAT_TARGET,
            RecordForm::Grouped => GROUPED_TARGET,
        };
        if let Some(target) = stored.record.value.0.get(field) {
            self.callbacks = !target.is_null();
        }
        if let Some(label) = &stored.initial_message {
            self.introduce(label, Message::stored(label.spot, false));
        }
        for execution in &stored.executions {
            self.introduce(&execution.r#as, Message::stored(execution.r#as.spot, true));
            // Several executions may belong to one message.
            if let Some(label) = &execution.message
                && self
                    .labels
                    .get(&label.value)
                    .is_none_or(|known| known.is_execution)
            {
                self.introduce(label, Message::stored(label.spot, false));
            }
        }
        self.check_labels(stored.record.labels(), stored.record.spot);
    }

    pub(super) fn start(&mut self, start: &'a Start, spot: Spot) {
        self.reply(&start.reply, false, spot);
        if self.create_session(spot, &start.session, &start.client, &start.reply) {
            self.message(&start.label, &start.prompt, &start.reply, false);
            self.chosen_id(start.id.as_ref(), &start.session, &start.label, &start.reply);
        }
    }

    pub(super) fn prepare(&mut self, prepare: &'a Prepare, spot: Spot) {
        self.reply(&prepare.reply, false, spot);
        if self.create_session(spot, &prepare.session, &prepare.client, &prepare.reply) {
            self.message(&prepare.label, &prepare.prompt, &prepare.reply, true);
            self.chosen_id(
                prepare.id.as_ref(),
                &prepare.session,
                &prepare.label,
                &prepare.reply,
            );
        }
    }

    /// Reports a session that exists already. Returns whether the session can be created.
    fn create_session(
        &mut self,
        spot: Spot,
        name: &At<SessionName>,
        client: &ClientName,
        reply: &Reply,
    ) -> bool {
        let made = match self.sessions.get(&name.value) {
            Some(SessionState::Created(first)) => Some(format!("created in line {}", first.line)),
            Some(SessionState::Stored) => Some("`stored`".to_owned()),
            Some(SessionState::Refused(_) | SessionState::Unknown) | None => None,
        };
        if let Some(made) = made {
            self.report.add(
                spot,
                format_args!(
                    "the session `{}` already exists ({made}): name another one, such as `session: other`",
                    name.value
                ),
            );
            return false;
        }
        self.needs(Machine::Server, spot);
        self.clients.entry(client.clone()).or_default();
        let state = if reply.status.is_success() {
            SessionState::Created(spot)
        } else {
            SessionState::Refused(spot)
        };
        self.note_session(name.value.clone(), state);
        true
    }

    pub(super) fn send(&mut self, send: &'a SendMessage, spot: Spot) {
        self.client(&send.client, send.client.spot);
        self.request(&send.session, spot);
        self.surface(send, spot);
        let mut has_id = send.id.value != IdMaker::Server;
        self.reply(&send.reply, has_id || send.repeat.is_some(), spot);
        if let Some(repeated) = &send.repeat {
            has_id = true;
            if let Some(message) = self.known(repeated)
                && !message.has_id
            {
                let line = message.introduced.line;
                self.report.add(
                    repeated.spot,
                    format_args!(
                        "`{}` has no id to repeat: the server creates its id, and refuses it (line {line})",
                        repeated.value
                    ),
                );
            }
        }
        self.message(&send.label, &send.prompt, &send.reply, has_id);
        if let IdMaker::Script(id) = &send.id.value {
            let id = At {
                value: id,
                spot: send.id.spot,
            };
            self.claim_id(id, &send.session, &send.label, &send.reply);
        }
    }

    fn chosen_id(
        &mut self,
        id: Option<&'a At<MessageId>>,
        session: &SessionName,
        label: &'a Label,
        reply: &Reply,
    ) {
        if let Some(At { value, spot }) = id {
            self.claim_id(At { value, spot: *spot }, session, label, reply);
        }
    }

    /// Reports an id that another admitted message of the session has.
    fn claim_id(&mut self, id: At<&'a MessageId>, session: &SessionName, label: &'a Label, reply: &Reply) {
        let place = (session.clone(), &**id.value);
        if let Some(earlier) = self.ids.get(&place) {
            self.report.add(
                id.spot,
                format_args!("this is the id of `{earlier}`: use `repeat: {earlier}` to send it again"),
            );
        } else if reply.status.is_success() {
            self.ids.insert(place, label);
        }
    }

    /// Reports options that the surface of the message does not support.
    fn surface(&mut self, send: &SendMessage, spot: Spot) {
        let named = send.surface.map(|surface| [surface.value]);
        let surfaces = named.as_ref().map_or(self.surfaces, <[Surface; 1]>::as_slice);
        if surfaces.contains(&Surface::Unified) && matches!(send.prompt, Prompt::Command(_)) {
            self.report.add(
                spot,
                "the unified surface has no commands: use `surface: legacy` or `api: [legacy]`",
            );
        }
        if let Some(form) = &send.form
            && surfaces == [Surface::Unified]
        {
            self.report.add(
                form.spot,
                "the unified surface has no `form`: use `surface: legacy` or `api: [legacy]`",
            );
        }
        let has_gate = send.finalization.as_ref().is_some_and(|it| it.gate.is_some());
        if surfaces.contains(&Surface::Legacy) && has_gate {
            self.report.add(
                spot,
                "the legacy surface has no `gate` for a single message: use `surface: unified`",
            );
        }
    }

    /// Records a message.
    fn message(&mut self, label: &'a At<Label>, prompt: &'a Prompt, reply: &Reply, has_id: bool) {
        let admitted = reply.status.is_success();
        let message = Message {
            introduced: label.spot,
            refused: !admitted,
            has_id: has_id || admitted,
            is_execution: false,
        };
        self.introduce(label, message);
        if admitted && let Some(tag) = prompt.gate() {
            self.tags.insert(tag.clone(), None);
        }
    }

    fn introduce(&mut self, label: &'a At<Label>, message: Message) {
        if let Some(earlier) = self.labels.insert(&label.value, message) {
            let line = earlier.introduced.line;
            self.report.add(
                label.spot,
                format_args!("the label `{}` is already used in line {line}", label.value),
            );
        }
    }

    pub(super) fn initiate(&mut self, initiate: &Initiate, spot: Spot) {
        self.client(&initiate.client, initiate.client.spot);
        self.request(&initiate.session, spot);
        self.reply(&initiate.reply, true, spot);
    }

    pub(super) fn update(&mut self, update: &Update, spot: Spot) {
        self.client(&update.client, update.client.spot);
        self.request(&update.session, spot);
        self.success_reply(&update.reply, spot);
        self.callbacks |= update.callback != CallbackTarget::None;
    }

    pub(super) fn call(&mut self, call: &'a Call, spot: Spot) {
        self.client(&call.client, call.client.spot);
        self.needs(Machine::Server, spot);
        // Some procedures need no session, so the default one may be missing.
        if !is_default(&call.session) {
            if call.creates_session() {
                self.create_called(call, spot);
            } else {
                self.request(&call.session, spot);
            }
        }
        if !call.has_valid_procedure() {
            let text = "`procedure` is a name of at most 100 letters, digits, `.`, `-` and `_`";
            self.report.add(spot, text);
        }
        if let Some(input) = &call.input {
            self.check_labels(input.labels(), input.spot);
            if call.is_query() && input.value.length() > LONGEST_IN_URL {
                let text = format_args!(
                    "the input of a GET request is a part of its URL and has at most {LONGEST_IN_URL} bytes"
                );
                self.report.add(input.spot, text);
            }
        }
        self.called_message(call);
        if let Some(body) = &call.body {
            if call.input.is_some() || call.method == Some(CallMethod::Get) {
                let text = "`body` replaces `input` and needs POST";
                self.report.add(body.spot, text);
            }
            if matches!(body.value, Body::Characters(count) if !(2..=LONGEST_BODY).contains(&count)) {
                let text = format_args!("`characters` must be from 2 to {LONGEST_BODY}");
                self.report.add(body.spot, text);
            }
        }
        if let Some(has) = &call.reply.has {
            self.check_labels(has.labels(), has.spot);
        }
    }

    /// Records the session that a call creates under a name.
    fn create_called(&mut self, call: &'a Call, spot: Spot) {
        if !call.is_of_user() {
            let text = "only a session of the owner has a name: remove `session`";
            self.report.add(call.session.spot, text);
            return;
        }
        let reply = Reply {
            status: call.reply.status,
            ..Reply::default()
        };
        self.create_session(spot, &call.session, &call.client, &reply);
    }

    /// Records the message that a call sends, and the tags in it.
    fn called_message(&mut self, call: &'a Call) {
        let admitted = call.reply.status.is_success();
        if let Some(label) = &call.r#as {
            if !call.sends_message() {
                let text = format_args!("`{}` sends no message, so it has no label", call.procedure);
                self.report.add(label.spot, text);
            }
            let message = Message {
                introduced: label.spot,
                refused: !admitted,
                has_id: admitted,
                is_execution: false,
            };
            self.introduce(label, message);
        }
        if admitted && call.sends_message() {
            let texts = [call.input.as_ref().map(|input| input.value.0.to_string())];
            let body = match call.body.as_ref().map(|body| &body.value) {
                Some(Body::Text(text)) => Some(text.clone()),
                _ => None,
            };
            for text in texts.into_iter().chain([body]).flatten() {
                self.tags
                    .extend(Directive::gates_in(&text).map(|tag| (tag, None)));
            }
        }
    }

    /// Reports a missing session or server.
    pub(super) fn request(&mut self, name: &SessionName, spot: Spot) {
        match self.sessions.get(name) {
            Some(SessionState::Refused(asked)) => {
                let line = asked.line;
                self.report.add(
                    spot,
                    format_args!(
                        "there is no session: its creation is expected to be refused (line {line})"
                    ),
                );
            }
            Some(SessionState::Created(_) | SessionState::Stored | SessionState::Unknown) => {}
            None if self.unclear.is_some() => {}
            None if self.sessions.is_empty() => self.report.add(
                spot,
                "there is no session yet: create it with `start` or `prepare` before this step, or with `stored`",
            ),
            None => {
                let known = listed(self.sessions.keys());
                self.report.add(
                    spot,
                    format_args!("unknown session `{name}`; known: {known}"),
                );
            }
        }
        self.needs(Machine::Server, spot);
    }

    /// Records the state of a session from here on.
    pub(super) fn note_session(&mut self, name: SessionName, state: SessionState) {
        self.sessions.insert(name, state);
    }
}

impl Message {
    /// A message or execution that was on the disk before the first step.
    fn stored(introduced: Spot, is_execution: bool) -> Self {
        Self {
            introduced,
            refused: false,
            has_id: true,
            is_execution,
        }
    }
}
