//! How the server's own parts misbehave: points at which it crashes, its callback queue, its disk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place in the server's work at which a crash is worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrashPoint {
    /// A decision was made, and its transaction is not durable.
    BetweenCommits,
    /// A transaction is durable, and nothing that follows from it was done.
    AfterCommit,
    /// The callback queue has taken a job, and that is not recorded yet.
    AfterEnqueue,
}

/// How the server's callback queue behaves from a step on, restarts included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueueBehaviour {
    /// It takes every job and says so, as it does in the beginning.
    #[default]
    Works,
    /// It takes no job, and says so.
    Refuses,
    /// It takes every job, and says that it did not.
    LosesAck,
    /// It says nothing, and takes no job, until it behaves otherwise.
    Away,
    /// It takes every job twice.
    DeliversTwice,
}

/// How the server's disk behaves from a step on, restarts included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskBehaviour {
    /// As it should, and does in the beginning.
    #[default]
    Works,
    /// Nothing can be written or synced; what is there can be read.
    Fails,
    /// Nothing can be written for want of room; what was written before can be read and synced.
    Full,
}

impl QueueBehaviour {
    /// It in words, to be read after "queue".
    pub fn text(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Refuses => "refuses",
            Self::LosesAck => "loses ack",
            Self::Away => "away",
            Self::DeliversTwice => "delivers twice",
        }
    }
}

impl DiskBehaviour {
    /// It in words, to be read after "disk".
    pub fn text(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Fails => "fails",
            Self::Full => "full",
        }
    }
}
