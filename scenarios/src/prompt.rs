//! The prompt of a message, and its finalization.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::directive::Directive;
use crate::json::LONGEST_TEXT;
use crate::name::Tag;
use crate::session::Gate;
use turnstile_fault::is_default;

/// The prompt of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A directive for the gateway.
    Say(Directive),
    /// A raw prompt.
    Text(String),
    /// A prompt of this length, in characters, without a directive.
    Characters(usize),
    /// A command. Only the legacy surface supports commands.
    Command(Command),
}

/// A slash command of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Name, without the slash.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Arguments; by default the field is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
}

impl Prompt {
    /// The prompt as sent; for a command, `/name arguments`.
    pub fn text(&self) -> String {
        match self {
            Self::Say(directive) => directive.prompt(),
            Self::Text(text) => text.clone(),
            Self::Characters(count) => "x".repeat(*count),
            Self::Command(Command { name, arguments }) => match arguments {
                Some(arguments) => format!("/{name} {arguments}"),
                None => format!("/{name}"),
            },
        }
    }

    /// The tag at which the gateway parks the turn, if any.
    pub fn gate(&self) -> Option<&Tag> {
        match self {
            Self::Say(Directive::Gate(tag)) => Some(tag),
            _ => None,
        }
    }

    /// Combines the keys of a step without `command`.
    pub(crate) fn written(keys: PromptKeys) -> Result<Self, PromptError> {
        keys.combined().ok_or(PromptError::Alternative)?
    }

    /// Combines the keys of a step with `command`.
    pub(crate) fn written_or_command(keys: PromptKeys) -> Result<Self, PromptError> {
        keys.combined().ok_or(PromptError::AlternativeWithCommand)?
    }

    /// Splits it into the keys of a step.
    pub(crate) fn keys(self) -> PromptKeys {
        let mut keys = PromptKeys::default();
        match self {
            Self::Say(directive) => keys.say = Some(directive),
            Self::Text(text) => keys.text = Some(text),
            Self::Characters(count) => keys.characters = Some(count),
            Self::Command(command) => keys.command = Some(command),
        }
        keys
    }
}

/// The keys of a step that state a prompt.
#[derive(Default)]
pub(crate) struct PromptKeys {
    pub say: Option<Directive>,
    pub text: Option<String>,
    pub characters: Option<usize>,
    pub command: Option<Command>,
}

impl PromptKeys {
    /// The prompt; `None` unless exactly one key is present.
    fn combined(self) -> Option<Result<Prompt, PromptError>> {
        match (self.say, self.text, self.characters, self.command) {
            (Some(directive), None, None, None) => Some(Ok(Prompt::Say(directive))),
            (None, Some(text), None, None) => Some(Ok(Prompt::Text(text))),
            (None, None, Some(count), None) if count > LONGEST_TEXT => Some(Err(PromptError::Length(count))),
            (None, None, Some(count), None) => Some(Ok(Prompt::Characters(count))),
            (None, None, None, Some(command)) => Some(Ok(Prompt::Command(command))),
            _ => None,
        }
    }
}

/// Invalid keys of a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromptError {
    #[error(
        "a message needs exactly one of `say` (a directive), `text` (a raw prompt) and `characters` (the length of a \
         prompt)"
    )]
    Alternative,
    #[error(
        "a message needs exactly one of `say` (a directive), `text` (a raw prompt), `characters` (the length of a \
         prompt) and `command`"
    )]
    AlternativeWithCommand,
    #[error("{0} characters are too many: the maximum is {LONGEST_TEXT}")]
    Length(usize),
    #[error("`id` is not allowed with `repeat`: the id is that of the repeated message")]
    RepeatedId,
    #[error("a command has only the form `payload` and no `model`")]
    Command,
}

/// Finalization of a turn. Fields that are left out are not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Finalization {
    /// `autoCommit`.
    #[serde(skip_serializing_if = "is_default")]
    pub auto_commit: Option<bool>,
    /// `condenseOnComplete`.
    #[serde(skip_serializing_if = "is_default")]
    pub condense_on_complete: Option<bool>,
    /// `gateThreshold`; only on the unified surface.
    #[serde(skip_serializing_if = "is_default")]
    pub gate: Option<Gate>,
}
