//! What a server under test and its surroundings must be able to do for a fault or a scenario.

/// Something that not every server under test supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// A server that is killed and started again.
    Crash,
    /// A server that stays down for as long as the scenario wants.
    Downtime,
    /// A crash at a named point of the server's own work.
    CrashPoint,
    /// A machine that loses its power.
    PowerLoss,
    /// Control over the server's callback queue.
    Queue,
    /// Control over the server's disk.
    Disk,
    /// A session of an older service in the server's store.
    StoredSession,
    /// A sandbox for each session.
    Sandboxes,
}

impl Capability {
    /// Every capability.
    pub const ALL: &[Self] = &[
        Self::Crash,
        Self::Downtime,
        Self::CrashPoint,
        Self::PowerLoss,
        Self::Queue,
        Self::Disk,
        Self::StoredSession,
        Self::Sandboxes,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Downtime => "downtime",
            Self::CrashPoint => "crash-point",
            Self::PowerLoss => "power-loss",
            Self::Queue => "queue",
            Self::Disk => "disk",
            Self::StoredSession => "stored-session",
            Self::Sandboxes => "sandboxes",
        }
    }

    /// What a scenario needs, to be read after "it needs".
    pub fn text(self) -> &'static str {
        match self {
            Self::Crash => "a server that is killed and started again",
            Self::Downtime => "a server that stays down for as long as the scenario wants",
            Self::CrashPoint => "a crash at a named point of the server's own work",
            Self::PowerLoss => "a machine that loses its power",
            Self::Queue => "a hand on the server's callback queue",
            Self::Disk => "a hand on the server's disk",
            Self::StoredSession => "a session that an older service left in the server's store",
            Self::Sandboxes => "a sandbox of its own for each session",
        }
    }
}
