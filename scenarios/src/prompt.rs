//! The prompt of a message, and its finalization.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::directive::Directive;
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
    pub(crate) fn written(say: Option<Directive>, text: Option<String>) -> Result<Self, PromptError> {
        match (say, text) {
            (Some(directive), None) => Ok(Self::Say(directive)),
            (None, Some(text)) => Ok(Self::Text(text)),
            _ => Err(PromptError::Alternative),
        }
    }

    /// Combines the keys of a step with `command`.
    pub(crate) fn written_or_command(
        say: Option<Directive>,
        text: Option<String>,
        command: Option<Command>,
    ) -> Result<Self, PromptError> {
        match (say, text, command) {
            (Some(directive), None, None) => Ok(Self::Say(directive)),
            (None, Some(text), None) => Ok(Self::Text(text)),
            (None, None, Some(command)) => Ok(Self::Command(command)),
            _ => Err(PromptError::AlternativeWithCommand),
        }
    }

    /// Splits it into the keys `say`, `text` and `command`.
    pub(crate) fn keys(self) -> (Option<Directive>, Option<String>, Option<Command>) {
        match self {
            Self::Say(directive) => (Some(directive), None, None),
            Self::Text(text) => (None, Some(text), None),
            Self::Command(command) => (None, None, Some(command)),
        }
    }
}

/// Invalid keys of a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromptError {
    #[error("a message needs exactly one of `say` (a directive) and `text` (a raw prompt)")]
    Alternative,
    #[error("a message needs exactly one of `say` (a directive), `text` (a raw prompt) and `command`")]
    AlternativeWithCommand,
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
