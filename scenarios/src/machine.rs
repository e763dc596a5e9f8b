//! The parties that have their own machine.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::place::At;
use crate::shorthand::{MapForm, WordOr};

/// A party with its own machine, which can crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Machine {
    /// The session server under test.
    Server,
    /// The wrapper in its sandbox, with its agent.
    Wrapper,
    /// The LLM gateway.
    Gateway,
    /// The callback receiver.
    Receiver,
}

impl Machine {
    /// All machines.
    pub const ALL: [Self; 4] = [Self::Server, Self::Wrapper, Self::Gateway, Self::Receiver];

    /// Name in scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Wrapper => "wrapper",
            Self::Gateway => "gateway",
            Self::Receiver => "receiver",
        }
    }

    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|machine| machine.name() == text)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The map form of the step `restart`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restarted {
    /// The party.
    party: At<Machine>,
}

impl MapForm for Restarted {
    const EXAMPLE: &'static str = "{ party: server }";
}

/// Deserializes the party of the step `restart` from either form.
pub(crate) fn read_restarted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<At<Machine>, D::Error> {
    Ok(match WordOr::deserialize(deserializer)? {
        WordOr::Word(machine) => machine,
        WordOr::Map(Restarted { party }) => party,
    })
}
