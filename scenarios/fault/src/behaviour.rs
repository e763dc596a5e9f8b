//! Faults inside of the server: crash points, its callback queue, its disk.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A point in the server's work at which a script can crash it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrashPoint {
    /// A decision was made and its transaction is not durable yet.
    BetweenCommits,
    /// A transaction is durable and its effects have not begun.
    AfterCommit,
    /// The callback queue accepted a job and that is not recorded yet.
    AfterEnqueue,
    /// The server has written to its disk this many times from now on.
    Write(NonZeroU32),
    /// The server has synced its disk this many times from now on.
    Sync(NonZeroU32),
}

impl CrashPoint {
    /// The operation of the disk that it follows, if it follows one.
    pub fn operation(self) -> Option<DiskOperation> {
        match self {
            Self::Write(number) => Some(DiskOperation::Write(number)),
            Self::Sync(number) => Some(DiskOperation::Sync(number)),
            Self::BetweenCommits | Self::AfterCommit | Self::AfterEnqueue => None,
        }
    }
}

/// One operation of a disk, counted from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskOperation {
    /// The write with this number.
    Write(NonZeroU32),
    /// The sync with this number.
    Sync(NonZeroU32),
}

impl fmt::Display for DiskOperation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(number) => write!(formatter, "write {number}"),
            Self::Sync(number) => write!(formatter, "sync {number}"),
        }
    }
}

/// Behaviour of the server's callback queue from a step on, across restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueueBehaviour {
    /// Accepts every job; the initial behaviour.
    #[default]
    Works,
    /// Refuses every job.
    Refuses,
    /// Accepts every job and reports a failure.
    LosesAck,
    /// Neither answers nor accepts jobs until the behaviour changes.
    Away,
    /// Accepts every job twice.
    DeliversTwice,
}

/// Behaviour of the server's disk from a step on, across restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskBehaviour {
    /// Works; the initial behaviour.
    #[default]
    Works,
    /// Writes and syncs fail; reads work.
    Fails,
    /// Writes fail because the disk is full; reads and syncs of earlier writes work.
    Full,
}

impl QueueBehaviour {
    /// Description to follow the word "queue".
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
    /// Description to follow the word "disk".
    pub fn text(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Fails => "fails",
            Self::Full => "full",
        }
    }
}
