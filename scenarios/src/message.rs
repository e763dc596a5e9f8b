//! The steps that bring a message and work on either surface: `start` and `send`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::directive::Directive;
use crate::name::{ClientName, Label, SessionName};
use crate::place::At;
use crate::prompt::{Command, Finalization, Prompt, PromptError};
use crate::reply::Reply;
use crate::surface::Surface;
use turnstile_fault::is_default;

/// Creates the session with its first message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenStart", into = "WrittenStart")]
pub struct Start {
    /// What the script calls the message.
    pub label: At<Label>,
    /// What it asks for; never a command.
    pub prompt: Prompt,
    /// Another model than the session's settings say.
    pub model: Option<String>,
    /// Which session.
    pub session: At<SessionName>,
    /// Who asks.
    pub client: At<ClientName>,
    /// The answer that must come.
    pub reply: Reply,
}

/// A [`Start`] in the words of a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [{ "required": ["say"] }, { "required": ["text"] }]))]
struct WrittenStart {
    /// What the script calls this message from here on.
    r#as: At<Label>,
    /// A directive to the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    say: Option<Directive>,
    /// A raw prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Another model than the session's settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// Which session.
    #[serde(default, skip_serializing_if = "is_default")]
    session: At<SessionName>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "is_default")]
    client: At<ClientName>,
    /// The answer that must come; 200 if left out.
    #[serde(default, skip_serializing_if = "is_default")]
    reply: Reply,
}

impl TryFrom<WrittenStart> for Start {
    type Error = PromptError;

    fn try_from(written: WrittenStart) -> Result<Self, PromptError> {
        Ok(Self {
            label: written.r#as,
            prompt: Prompt::written(written.say, written.text)?,
            model: written.model,
            session: written.session,
            client: written.client,
            reply: written.reply,
        })
    }
}

impl From<Start> for WrittenStart {
    fn from(start: Start) -> Self {
        let (say, text, _) = start.prompt.keys();
        Self {
            r#as: start.label,
            say,
            text,
            model: start.model,
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
    /// What the script calls the message.
    pub label: At<Label>,
    /// What it asks for.
    pub prompt: Prompt,
    /// The message whose id is sent once more, if one is.
    pub repeat: Option<At<Label>>,
    /// Another model than the session's.
    pub model: Option<String>,
    /// What is to follow its turn, if that is said.
    pub finalization: Option<Finalization>,
    /// Which session.
    pub session: At<SessionName>,
    /// Who asks.
    pub client: At<ClientName>,
    /// Who makes the message's id. Of no meaning for a repeated message.
    pub id: IdMaker,
    /// On which surface; the one that the script is played on if not said.
    pub surface: Option<At<Surface>>,
    /// In which form on the legacy surface.
    pub form: Option<At<Form>>,
    /// The answer that must come.
    pub reply: Reply,
}

/// Who makes a message's id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IdMaker {
    /// The client, and sends it along.
    #[default]
    Client,
    /// The server, because the client sends none.
    Server,
}

/// The forms of `sendMessageV2` (protocol §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Prompt, mode and model beside all else.
    Flat,
    /// What is asked for in a `payload`.
    Payload,
}

impl SendMessage {
    /// The form in which it is sent on the legacy surface: a command has one only.
    pub fn legacy_form(&self) -> Form {
        match (&self.form, &self.prompt) {
            (Some(form), _) => form.value,
            (None, Prompt::Command(_)) => Form::Payload,
            (None, _) => Form::Flat,
        }
    }
}

/// A [`SendMessage`] in the words of a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [
    { "required": ["say"] },
    { "required": ["text"] },
    { "required": ["command"] },
]))]
struct WrittenSend {
    /// What the script calls this message from here on.
    r#as: At<Label>,
    /// A directive to the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    say: Option<Directive>,
    /// A raw prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// A command, on the legacy surface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Command>,
    /// The earlier message whose id is sent once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repeat: Option<At<Label>>,
    /// Another model than the session's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// What is to follow the turn; as the session has it if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finalization: Option<Finalization>,
    /// Which session.
    #[serde(default, skip_serializing_if = "is_default")]
    session: At<SessionName>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "is_default")]
    client: At<ClientName>,
    /// Who makes the message's id; the client if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<IdMaker>,
    /// On which surface; the one that the script is played on if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    surface: Option<At<Surface>>,
    /// In which form on the legacy surface; flat if left out, and payload for a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    form: Option<At<Form>>,
    /// The answer that must come; 200 if left out.
    #[serde(default, skip_serializing_if = "is_default")]
    reply: Reply,
}

impl TryFrom<WrittenSend> for SendMessage {
    type Error = PromptError;

    fn try_from(written: WrittenSend) -> Result<Self, PromptError> {
        if written.repeat.is_some() && written.id.is_some() {
            return Err(PromptError::RepeatedId);
        }
        let prompt = Prompt::written_or_command(written.say, written.text, written.command)?;
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
        let (say, text, command) = send.prompt.keys();
        Self {
            r#as: send.label,
            say,
            text,
            command,
            repeat: send.repeat,
            model: send.model,
            finalization: send.finalization,
            session: send.session,
            client: send.client,
            id: Some(send.id).filter(|id| *id != IdMaker::default()),
            surface: send.surface,
            form: send.form,
            reply: send.reply,
        }
    }
}
