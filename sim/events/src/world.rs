//! What is done to a world: to its links, connections, hosts and disks.

use std::time::Duration;

use serde::Serialize;

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

/// Which packets a fault is about: those between two hosts, or only those in one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// A host's name: the sender, if it is one direction only.
    pub from: String,
    /// The other host's name.
    pub to: String,
    /// Whether what `to` sends is not meant.
    pub one_way: bool,
}

impl Link {
    /// Both directions between two hosts.
    pub fn between(one: &str, other: &str) -> Self {
        Self {
            from: one.to_owned(),
            to: other.to_owned(),
            one_way: false,
        }
    }

    /// What `from` sends to `to`.
    pub fn one_way(from: &str, to: &str) -> Self {
        Self {
            one_way: true,
            ..Self::between(from, to)
        }
    }
}

/// What is wrong with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFault {
    /// Nothing can be written or synced any more; what is there can be read.
    WriteError,
    /// Nothing can be written any more for want of room; what was written already can be read and synced.
    Full,
}
