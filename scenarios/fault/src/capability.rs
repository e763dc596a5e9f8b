//! Capabilities that a fault or a scenario needs of a server under test and its environment.

/// A capability that not every server under test has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Killing and restarting the server.
    Crash,
    /// Keeping the server down for a chosen time.
    Downtime,
    /// Crashing the server at a named point of its work.
    CrashPoint,
    /// Removing the power of a machine.
    PowerLoss,
    /// Control over the server's callback queue.
    Queue,
    /// Control over the server's disk.
    Disk,
    /// Setting the clock of the server's machine.
    Clock,
    /// Storing a session of an older service.
    StoredSession,
    /// One sandbox per session.
    Sandboxes,
}

impl Capability {
    /// All capabilities.
    pub const ALL: &[Self] = &[
        Self::Crash,
        Self::Downtime,
        Self::CrashPoint,
        Self::PowerLoss,
        Self::Queue,
        Self::Disk,
        Self::Clock,
        Self::StoredSession,
        Self::Sandboxes,
    ];

    /// Name of the capability.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Downtime => "downtime",
            Self::CrashPoint => "crash-point",
            Self::PowerLoss => "power-loss",
            Self::Queue => "queue",
            Self::Disk => "disk",
            Self::Clock => "clock",
            Self::StoredSession => "stored-session",
            Self::Sandboxes => "sandboxes",
        }
    }

    /// Description to follow the word "needs".
    pub fn text(self) -> &'static str {
        match self {
            Self::Crash => "a server that can be killed and restarted",
            Self::Downtime => "a server that can stay down",
            Self::CrashPoint => "a crash at a named point of the server's work",
            Self::PowerLoss => "a machine that can lose its power",
            Self::Queue => "control over the server's callback queue",
            Self::Disk => "control over the server's disk",
            Self::Clock => "a server whose clock can be set",
            Self::StoredSession => "a stored session of an older service",
            Self::Sandboxes => "one sandbox per session",
        }
    }
}
