//! What happens to a world, told as it happens, and why an order to it was refused.

use std::time::Duration;

use serde::Serialize;

use super::disk::DiskFault;
use super::links::Link;

/// Something that was done to the world, by its owner, by a scheduled action or by a host to itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum WorldEvent {
    /// A link holds what is sent along it.
    Cut {
        /// Which.
        link: Link,
    },
    /// A link loses what is sent along it.
    BlackHoled {
        /// Which.
        link: Link,
    },
    /// A link takes longer.
    Delayed {
        /// Which.
        link: Link,
        /// How much longer, in milliseconds.
        #[serde(rename = "extra_ms", serialize_with = "as_milliseconds")]
        extra: Duration,
    },
    /// A link works as it should again.
    Healed {
        /// Which.
        link: Link,
    },
    /// All links work as they should again.
    HealedEverything,
    /// The connections between two hosts were reset at both ends.
    Reset {
        /// One host.
        from: String,
        /// The other.
        to: String,
        /// How many connections there were.
        connections: usize,
    },
    /// One host sent a FIN on its connections with another.
    Finished {
        /// The host that sent it.
        from: String,
        /// The host it was sent to.
        to: String,
        /// How many connections there were.
        connections: usize,
    },
    /// Nothing passes any more on the connections that there were between two hosts.
    Silenced {
        /// One host.
        from: String,
        /// The other.
        to: String,
        /// How many connections there were.
        connections: usize,
    },
    /// A host went down.
    Crashed {
        /// Which.
        host: String,
        /// Who brought it down.
        cause: CrashCause,
        /// It said nothing any more, not even a FIN.
        silently: bool,
    },
    /// A host came up again.
    Restarted {
        /// Which.
        host: String,
    },
    /// A disk has a fault.
    DiskFailed {
        /// Whose.
        host: String,
        /// What kind of fault.
        fault: DiskFault,
    },
    /// A disk is well again.
    DiskHealed {
        /// Whose.
        host: String,
    },
}

fn as_milliseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    duration.as_millis().serialize(serializer)
}

/// Who brought a host down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrashCause {
    /// The world's owner.
    Order,
    /// The host, by its power switch.
    #[serde(rename = "self")]
    Itself,
    /// A panic in one of its tasks.
    Panic,
}

/// Why an order to the world was refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// No host has that name.
    #[error("there is no host `{0}`")]
    UnknownHost(String),
    /// There is no link between a host and itself.
    #[error("`{0}` is one host, and a link needs two")]
    OneHost(String),
    /// The host is down.
    #[error("`{0}` is down")]
    Down(String),
    /// The host is up.
    #[error("`{0}` is up")]
    Up(String),
    /// The machine has no address left.
    #[error("this machine has no address left for `{0}`")]
    NoAddress(String),
    /// This kind of world has no way to do that.
    #[error("this world cannot carry {0}")]
    NotCarried(&'static str),
}
