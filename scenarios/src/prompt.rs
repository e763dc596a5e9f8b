//! What a message asks for, and what is to follow its turn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::directive::Directive;
use crate::name::Tag;
use crate::session::Gate;
use turnstile_fault::is_default;

/// What a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A directive to the gateway.
    Say(Directive),
    /// These words and no others.
    Text(String),
    /// A command. Only the legacy surface has a place for one.
    Command(Command),
}

/// A slash command of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Its name, without the slash.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its arguments; not sent if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
}

impl Prompt {
    /// The prompt as it is sent. For a command, what a user would have typed.
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

    /// Where the gateway will park the turn, if it will.
    pub fn gate(&self) -> Option<&Tag> {
        match self {
            Self::Say(Directive::Gate(tag)) => Some(tag),
            _ => None,
        }
    }

    /// From the keys of a step that takes no command.
    pub(crate) fn written(say: Option<Directive>, text: Option<String>) -> Result<Self, PromptError> {
        match (say, text) {
            (Some(directive), None) => Ok(Self::Say(directive)),
            (None, Some(text)) => Ok(Self::Text(text)),
            _ => Err(PromptError::Alternative),
        }
    }

    /// From the keys of a step that takes a command too.
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

    /// The keys `say`, `text` and `command` again.
    pub(crate) fn keys(self) -> (Option<Directive>, Option<String>, Option<Command>) {
        match self {
            Self::Say(directive) => (Some(directive), None, None),
            Self::Text(text) => (None, Some(text), None),
            Self::Command(command) => (None, None, Some(command)),
        }
    }
}

/// Why the keys of a step do not make a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromptError {
    #[error("a message has either `say` (a directive) or `text` (a raw prompt), exactly one of them")]
    Alternative,
    #[error(
        "a message has either `say` (a directive), `text` (a raw prompt) or `command`, exactly one of them"
    )]
    AlternativeWithCommand,
    #[error("a message that repeats another has that one's id: `id` has no place beside `repeat`")]
    RepeatedId,
    #[error("a command is sent in the form `payload`, and has no `model`")]
    Command,
}

/// What is to follow a turn. What is left out is not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Finalization {
    /// `autoCommit`.
    #[serde(skip_serializing_if = "is_default")]
    pub auto_commit: Option<bool>,
    /// `condenseOnComplete`.
    #[serde(skip_serializing_if = "is_default")]
    pub condense_on_complete: Option<bool>,
    /// `gateThreshold`. Only the unified surface has a place for it.
    #[serde(skip_serializing_if = "is_default")]
    pub gate: Option<Gate>,
}
