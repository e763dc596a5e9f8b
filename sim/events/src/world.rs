//! What is done to a world: to its links, connections, hosts and disks.

use std::time::Duration;

use serde::Serialize;
use turnstile_fault::Link;

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

/// What is wrong with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFault {
    /// Nothing can be written or synced any more; what is there can be read.
    WriteError,
    /// Nothing can be written any more for want of room; what was written already can be read and synced.
    Full,
}
