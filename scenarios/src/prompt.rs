//! The steps that bring a message: `start` and `send`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::directive::Directive;
use crate::name::{ClientName, Label, Tag};
use crate::place::At;
use crate::reply::Reply;
use crate::text::is_default;

/// What a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A directive to the gateway.
    Say(Directive),
    /// These words and no others.
    Text(String),
}

impl Prompt {
    /// The prompt as it is sent.
    pub fn text(&self) -> String {
        match self {
            Self::Say(directive) => directive.prompt(),
            Self::Text(text) => text.clone(),
        }
    }

    /// Where the gateway will park the turn, if it will.
    pub fn gate(&self) -> Option<&Tag> {
        match self {
            Self::Say(Directive::Gate(tag)) => Some(tag),
            _ => None,
        }
    }

    fn written(say: Option<Directive>, text: Option<String>) -> Result<Self, PromptError> {
        match (say, text) {
            (Some(directive), None) => Ok(Self::Say(directive)),
            (None, Some(text)) => Ok(Self::Text(text)),
            _ => Err(PromptError::Alternative),
        }
    }

    fn keys(self) -> (Option<Directive>, Option<String>) {
        match self {
            Self::Say(directive) => (Some(directive), None),
            Self::Text(text) => (None, Some(text)),
        }
    }
}

/// Why the keys of a step do not make a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromptError {
    #[error("a message has either `say` (a directive) or `text` (a raw prompt), exactly one of them")]
    Alternative,
    #[error("a message that repeats another has that one's id: `id` has no place beside `repeat`")]
    RepeatedId,
}

/// Creates the session with its first message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenStart", into = "WrittenStart")]
pub struct Start {
    /// What the script calls the message.
    pub label: At<Label>,
    /// What it asks for.
    pub prompt: Prompt,
    /// Another model than the session's settings say.
    pub model: Option<String>,
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
            client: written.client,
            reply: written.reply,
        })
    }
}

impl From<Start> for WrittenStart {
    fn from(start: Start) -> Self {
        let (say, text) = start.prompt.keys();
        Self {
            r#as: start.label,
            say,
            text,
            model: start.model,
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
    /// Who asks.
    pub client: At<ClientName>,
    /// Who makes the message's id. Of no meaning for a repeated message.
    pub id: IdMaker,
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

/// A [`SendMessage`] in the words of a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [{ "required": ["say"] }, { "required": ["text"] }]))]
struct WrittenSend {
    /// What the script calls this message from here on.
    r#as: At<Label>,
    /// A directive to the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    say: Option<Directive>,
    /// A raw prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The earlier message whose id is sent once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repeat: Option<At<Label>>,
    /// Another model than the session's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "is_default")]
    client: At<ClientName>,
    /// Who makes the message's id; the client if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<IdMaker>,
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
        Ok(Self {
            label: written.r#as,
            prompt: Prompt::written(written.say, written.text)?,
            repeat: written.repeat,
            model: written.model,
            client: written.client,
            id: written.id.unwrap_or_default(),
            reply: written.reply,
        })
    }
}

impl From<SendMessage> for WrittenSend {
    fn from(send: SendMessage) -> Self {
        let (say, text) = send.prompt.keys();
        Self {
            r#as: send.label,
            say,
            text,
            repeat: send.repeat,
            model: send.model,
            client: send.client,
            id: Some(send.id).filter(|id| *id != IdMaker::default()),
            reply: send.reply,
        }
    }
}
