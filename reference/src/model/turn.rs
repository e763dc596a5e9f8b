//! The content of a user turn: a prompt or a command.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The content of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Turn {
    /// A prompt.
    Prompt {
        /// The text.
        prompt: String,
        /// The images of the prompt, unchanged (R2.39).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        images: Option<Value>,
    },
    /// A command.
    Command {
        /// The name of the command.
        command: String,
        /// The arguments, as one text.
        arguments: String,
    },
}

impl Turn {
    /// The turn as one text: the prompt, or `/command arguments` (R9.41).
    pub fn content(&self) -> String {
        match self {
            Self::Prompt { prompt, .. } => prompt.clone(),
            Self::Command { command, arguments } if arguments.is_empty() => format!("/{command}"),
            Self::Command { command, arguments } => format!("/{command} {arguments}"),
        }
    }
}
