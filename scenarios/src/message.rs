//! Steps that send a message on either surface: `start` and `send`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::directive::Directive;
use crate::json::LONGEST_TEXT;
use crate::message_id::{IdMaker, MessageId};
use crate::name::{ClientName, Label, SessionName};
use crate::place::At;
use crate::prompt::{Command, Finalization, Prompt, PromptError, PromptKeys};
use crate::reply::Reply;
use crate::surface::Surface;
use crate::user::UserName;
use turnstile_fault::is_default;

/// Creates the session with its first message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenStart", into = "WrittenStart")]
pub struct Start {
    /// Label of the message.
    pub label: At<Label>,
    /// Prompt of the message; never a command.
    pub prompt: Prompt,
    /// Overrides the model in the session's settings.
    pub model: Option<String>,
    /// Id of the message; by default the client draws one.
    pub id: Option<At<MessageId>>,
    /// User that owns the session; by default the user of all other sessions.
    pub user: Option<UserName>,
    /// The session.
    pub session: At<SessionName>,
    /// The client that sends the request.
    pub client: At<ClientName>,
    /// Expected answer.
    pub reply: Reply,
}

/// A [`Start`] as written in a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [
    { "required": ["say"] },
    { "required": ["text"] },
    { "required": ["characters"] },
]))]
struct WrittenStart {
    /// Label of the message.
    r#as: At<Label>,
    /// A directive for the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    say: Option<Directive>,
    /// A raw prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// A prompt of this length, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = LONGEST_TEXT))]
    characters: Option<usize>,
    /// Overrides the model in the session's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// Id of the message; by default the client draws one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<At<MessageId>>,
    /// User that owns the session; by default the user of all other sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserName>,
    /// The session.
    #[serde(default, skip_serializing_if = "is_default")]
    session: At<SessionName>,
    /// The client that sends the request.
    #[serde(default, skip_serializing_if = "is_default")]
    client: At<ClientName>,
    /// Expected answer; default status 200.
    #[serde(default, skip_serializing_if = "is_default")]
    reply: Reply,
}

impl TryFrom<WrittenStart> for Start {
    type Error = PromptError;

    fn try_from(written: WrittenStart) -> Result<Self, PromptError> {
        let prompt = Prompt::written(PromptKeys {
            say: written.say,
            text: written.text,
            characters: written.characters,
            command: None,
        });
        Ok(Self {
            label: written.r#as,
            prompt: prompt?,
            model: written.model,
            id: written.id,
            user: written.user,
            session: written.session,
            client: written.client,
            reply: written.reply,
        })
    }
}

impl From<Start> for WrittenStart {
    fn from(start: Start) -> Self {
        let keys = start.prompt.keys();
        Self {
            r#as: start.label,
            say: keys.say,
            text: keys.text,
            characters: keys.characters,
            model: start.model,
            id: start.id,
            user: start.user,
            session: start.session,
            client: start.client,
            reply: start.reply,
        }
    }
}

/// Sends a further message to the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenSend", into = "WrittenSend")]
pub struct SendMessage {
    /// Label of the message.
    pub label: At<Label>,
    /// Prompt of the message.
    pub prompt: Prompt,
    /// Message whose id is sent again.
    pub repeat: Option<At<Label>>,
    /// Overrides the session's model.
    pub model: Option<String>,
    /// Overrides the session's finalization.
    pub finalization: Option<Finalization>,
    /// The session.
    pub session: At<SessionName>,
    /// The client that sends the request.
    pub client: At<ClientName>,
    /// Who creates the message id. Ignored if `repeat` is set.
    pub id: At<IdMaker>,
    /// Overrides the surface that the script runs on.
    pub surface: Option<At<Surface>>,
    /// Form of the request on the legacy surface.
    pub form: Option<At<Form>>,
    /// Expected answer.
    pub reply: Reply,
}

/// Forms of a `sendMessageV2` request (PROTOCOL.md §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Prompt, mode and model at the top level.
    Flat,
    /// Prompt or command in `payload`.
    Payload,
}

impl SendMessage {
    /// Form of the request on the legacy surface. A command has only the form `payload`.
    pub fn legacy_form(&self) -> Form {
        match (&self.form, &self.prompt) {
            (Some(form), _) => form.value,
            (None, Prompt::Command(_)) => Form::Payload,
            (None, _) => Form::Flat,
        }
    }
}

/// A [`SendMessage`] as written in a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [
    { "required": ["say"] },
    { "required": ["text"] },
    { "required": ["characters"] },
    { "required": ["command"] },
]))]
struct WrittenSend {
    /// Label of the message.
    r#as: At<Label>,
    /// A directive for the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    say: Option<Directive>,
    /// A raw prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// A prompt of this length, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = LONGEST_TEXT))]
    characters: Option<usize>,
    /// A command; only on the legacy surface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Command>,
    /// Earlier message whose id is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repeat: Option<At<Label>>,
    /// Overrides the session's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// Overrides the session's finalization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finalization: Option<Finalization>,
    /// The session.
    #[serde(default, skip_serializing_if = "is_default")]
    session: At<SessionName>,
    /// The client that sends the request.
    #[serde(default, skip_serializing_if = "is_default")]
    client: At<ClientName>,
    /// Who creates the message id, or the id itself; default `client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<At<IdMaker>>,
    /// Overrides the surface that the script runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    surface: Option<At<Surface>>,
    /// Form on the legacy surface; default `flat`, and `payload` for a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    form: Option<At<Form>>,
    /// Expected answer; default status 200.
    #[serde(default, skip_serializing_if = "is_default")]
    reply: Reply,
}

impl TryFrom<WrittenSend> for SendMessage {
    type Error = PromptError;

    fn try_from(written: WrittenSend) -> Result<Self, PromptError> {
        if written.repeat.is_some() && written.id.is_some() {
            return Err(PromptError::RepeatedId);
        }
        let prompt = Prompt::written_or_command(PromptKeys {
            say: written.say,
            text: written.text,
            characters: written.characters,
            command: written.command,
        })?;
        let is_flat = written.form.is_some_and(|form| form.value == Form::Flat);
        if matches!(prompt, Prompt::Command(_)) && (is_flat || written.model.is_some()) {
            return Err(PromptError::Command);
        }
        Ok(Self {
            label: written.r#as,
            prompt,
            repeat: written.repeat,
            model: written.model,
            finalization: written.finalization,
            session: written.session,
            client: written.client,
            id: written.id.unwrap_or_default(),
            surface: written.surface,
            form: written.form,
            reply: written.reply,
        })
    }
}

impl From<SendMessage> for WrittenSend {
    fn from(send: SendMessage) -> Self {
        let keys = send.prompt.keys();
        Self {
            r#as: send.label,
            say: keys.say,
            text: keys.text,
            characters: keys.characters,
            command: keys.command,
            repeat: send.repeat,
            model: send.model,
            finalization: send.finalization,
            session: send.session,
            client: send.client,
            id: Some(send.id).filter(|id| !is_default(id)),
            surface: send.surface,
            form: send.form,
            reply: send.reply,
        }
    }
}
