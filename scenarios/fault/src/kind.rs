//! The kinds of faults: their words in scripts and for people, and what can be said of one without its details.

use serde::Serialize;

use crate::fault::ConnectionEnd;
use crate::link::LinkEffect;

/// The kinds of [`Fault`]: one for each word that a script has for them.
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
    Reset,
    Silence,
    Fin,
    Crash,
    Wrapper,
    Receiver,
    Queue,
    Disk,
}

impl FaultKind {
    /// Every kind: those of links first, then those of connections, then the others.
    pub const ALL: &[Self] = &[
        Self::Cut,
        Self::BlackHole,
        Self::Delay,
        Self::Reset,
        Self::Silence,
        Self::Fin,
        Self::Crash,
        Self::Wrapper,
        Self::Receiver,
        Self::Queue,
        Self::Disk,
    ];

    /// The word that scripts have for it.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// Its name for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::BlackHole => "black hole",
            other => other.name(),
        }
    }

    /// What a step of this kind does, in a sentence.
    pub fn about(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Cut => ("cut", "Holds back what is sent, and gives it on when healed."),
            Self::BlackHole => ("black-hole", "Loses what is sent, for good."),
            Self::Delay => ("delay", "Makes what is sent arrive later."),
            Self::Reset => ("reset", "Breaks the open connections, and tells both ends."),
            Self::Silence => ("silence", "Breaks the open connections, and tells nobody."),
            Self::Fin => ("fin", "Ends one side of the open connections in good order."),
            Self::Crash => ("crash", "Stops a party where it stands."),
            Self::Wrapper => ("wrapper", "Makes the wrapper behave otherwise."),
            Self::Receiver => ("receiver", "Scripts the receiver's next answers."),
            Self::Queue => ("queue", "Makes the callback queue behave otherwise."),
            Self::Disk => ("disk", "Makes the server's disk behave otherwise."),
        }
    }

    /// Whether it strikes a link.
    pub fn is_of_link(self) -> bool {
        matches!(self, Self::Cut | Self::BlackHole | Self::Delay)
    }

    /// Whether it ends connections.
    pub fn is_of_connections(self) -> bool {
        matches!(self, Self::Reset | Self::Silence | Self::Fin)
    }

    /// Whether nothing passes a link that it strikes.
    pub fn blocks(self) -> bool {
        matches!(self, Self::Cut | Self::BlackHole)
    }

    /// The key of the parameter that a script gives to it, if it is of a link and has one.
    pub fn parameter(self) -> Option<&'static str> {
        match self {
            Self::Delay => Some("by"),
            _ => None,
        }
    }

    /// The keys that a script may give to it, if it strikes the network.
    pub fn network_keys(self) -> &'static [&'static str] {
        match self {
            Self::Cut | Self::BlackHole => &["between", "from", "to", "for"],
            Self::Delay => &["between", "from", "to", "by", "for"],
            Self::Reset | Self::Silence => &["between"],
            Self::Fin => &["from", "to"],
            Self::Crash | Self::Wrapper | Self::Receiver | Self::Queue | Self::Disk => &[],
        }
    }

    /// What it does to a link, if it is of one and needs no parameter for that.
    pub fn plain_effect(self) -> Option<LinkEffect> {
        match self {
            Self::Cut => Some(LinkEffect::Cut),
            Self::BlackHole => Some(LinkEffect::BlackHole),
            _ => None,
        }
    }

    /// How it ends connections, if it does.
    pub fn connection_end(self) -> Option<ConnectionEnd> {
        match self {
            Self::Reset => Some(ConnectionEnd::Reset),
            Self::Silence => Some(ConnectionEnd::Silence),
            Self::Fin => Some(ConnectionEnd::Finish),
            _ => None,
        }
    }
}
