//! Kinds of faults: their names, and properties that do not depend on details.

use serde::Serialize;

use crate::capability::Capability;

/// The kinds of [`Fault`](crate::Fault), one for each word in scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "`LinkEffect`, `ConnectionEnd` and `Fault` describe them"
)]
pub enum FaultKind {
    Cut,
    BlackHole,
    Delay,
    Throttle,
    Stall,
    Reset,
    Silence,
    Fin,
    Crash,
    Wrapper,
    Receiver,
    Queue,
    Disk,
    Clock,
}

impl FaultKind {
    /// All kinds: first those of links, then those of connections, then the others.
    pub const ALL: &[Self] = &[
        Self::Cut,
        Self::BlackHole,
        Self::Delay,
        Self::Throttle,
        Self::Stall,
        Self::Reset,
        Self::Silence,
        Self::Fin,
        Self::Crash,
        Self::Wrapper,
        Self::Receiver,
        Self::Queue,
        Self::Disk,
        Self::Clock,
    ];

    /// The word in scripts.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// The name in reports.
    pub fn text(self) -> &'static str {
        match self {
            Self::BlackHole => "black hole",
            other => other.name(),
        }
    }

    /// Describes in a sentence what a step of this kind does.
    pub fn about(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Cut => (
                "cut",
                "Holds the packets of a link and delivers them when it heals.",
            ),
            Self::BlackHole => ("black-hole", "Drops the packets of a link."),
            Self::Delay => ("delay", "Delays the packets of a link."),
            Self::Throttle => ("throttle", "Limits the bandwidth of a link."),
            Self::Stall => (
                "stall",
                "Holds the packets of single connections, and lets others pass.",
            ),
            Self::Reset => ("reset", "Ends the open connections with an error at both ends."),
            Self::Silence => (
                "silence",
                "Ends the open connections without a sign at either end.",
            ),
            Self::Fin => ("fin", "Closes the open connections in one direction."),
            Self::Crash => ("crash", "Crashes a party."),
            Self::Wrapper => ("wrapper", "Sets the behaviour of the wrapper."),
            Self::Receiver => ("receiver", "Sets the next answers of the receiver."),
            Self::Queue => ("queue", "Sets the behaviour of the callback queue."),
            Self::Disk => ("disk", "Sets the behaviour of the server's disk."),
            Self::Clock => (
                "clock",
                "Sets the clock of the server's machine while the server is down.",
            ),
        }
    }

    /// Capabilities that a fault of this kind may need of a target, depending on its details (`Fault::needs`).
    pub fn needs(self) -> &'static [Capability] {
        match self {
            Self::Crash => &[
                Capability::Crash,
                Capability::Downtime,
                Capability::CrashPoint,
                Capability::PowerLoss,
                Capability::Disk,
            ],
            Self::Queue => &[Capability::Queue],
            Self::Disk => &[Capability::Disk],
            Self::Clock => &[Capability::Clock],
            Self::Cut
            | Self::BlackHole
            | Self::Delay
            | Self::Throttle
            | Self::Stall
            | Self::Reset
            | Self::Silence
            | Self::Fin
            | Self::Wrapper
            | Self::Receiver => &[],
        }
    }

    /// Whether it affects a link.
    pub fn is_of_link(self) -> bool {
        matches!(
            self,
            Self::Cut | Self::BlackHole | Self::Delay | Self::Throttle | Self::Stall
        )
    }

    /// Whether it ends connections.
    pub fn is_of_connections(self) -> bool {
        matches!(self, Self::Reset | Self::Silence | Self::Fin)
    }

    /// Whether it lets nothing pass on a link.
    pub fn blocks(self) -> bool {
        matches!(self, Self::Cut | Self::BlackHole)
    }

    /// Key of its parameter in scripts, for a link fault with a parameter.
    pub fn parameter(self) -> Option<&'static str> {
        match self {
            Self::Delay => Some("by"),
            Self::Throttle => Some("rate"),
            _ => None,
        }
    }

    /// Keys in scripts, for a network fault.
    pub fn network_keys(self) -> &'static [&'static str] {
        match self {
            Self::Cut | Self::BlackHole | Self::Stall => &["between", "from", "to", "for"],
            Self::Delay => &["between", "from", "to", "by", "for"],
            Self::Throttle => &["between", "from", "to", "rate", "for"],
            Self::Reset | Self::Silence => &["between"],
            Self::Fin => &["from", "to"],
            Self::Crash | Self::Wrapper | Self::Receiver | Self::Queue | Self::Disk | Self::Clock => &[],
        }
    }
}
