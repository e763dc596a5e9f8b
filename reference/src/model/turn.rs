//! What an agent is asked to do.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the agent shall do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Turn {
    /// Answer a prompt.
    Prompt {
        /// Its text.
        prompt: String,
        /// Images that belong to it, as they came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        images: Option<Value>,
    },
    /// Run a command.
    Command {
        /// Its name.
        command: String,
        /// Its arguments, as one text.
        arguments: String,
    },
}

impl Turn {
    /// The turn as a person would read it in a list of messages.
    pub fn content(&self) -> String {
        match self {
            Self::Prompt { prompt, .. } => prompt.clone(),
            Self::Command { command, arguments } if arguments.is_empty() => format!("/{command}"),
            Self::Command { command, arguments } => format!("/{command} {arguments}"),
        }
    }
}
