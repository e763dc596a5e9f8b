//! The steps that strike a machine or a part of one: crashes, the server's callback queue, its disk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lapse::Lapse;
use crate::party::Machine;
use crate::place::At;
use crate::text::is_default;

/// Stops a party where it stands. Its memory is gone, its disk loses what was not synced, and its peers
/// see the end of their connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Crash {
    /// Who.
    pub party: At<Machine>,
    /// Whether its machine goes down with it, so that not even the end of a connection reaches its peers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub power_loss: bool,
    /// Arms the crash instead: it falls when the server next passes this point, and the steps go on
    /// meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At<CrashPoint>>,
    /// After how long the party starts again by itself, counted from the crash; never if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_after: Option<Lapse>,
}

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
