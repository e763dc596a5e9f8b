//! Links between parties, and effects of faults on their packets.
//!
//! The parameters of link faults are parsed and written here.

use std::fmt;

use schemars::{Schema, SchemaGenerator};
use serde::de::{DeserializeSeed, Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use crate::kind::FaultKind;
use crate::lapse::{Lapse, nonzero};

/// The packets between two hosts, in both directions or in one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// Name of a host; the sender for one direction.
    pub from: String,
    /// Name of the other host.
    pub to: String,
    /// Whether only packets from `from` to `to` are meant.
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

    /// The packets from `from` to `to`.
    pub fn one_way(from: &str, to: &str) -> Self {
        Self {
            one_way: true,
            ..Self::between(from, to)
        }
    }

    /// The directions, each as sender and receiver.
    pub fn directions(&self) -> impl Iterator<Item = (&str, &str)> {
        let back = (!self.one_way).then_some((&*self.to, &*self.from));
        [(&*self.from, &*self.to)].into_iter().chain(back)
    }
}

/// Displayed as `server ↔ wrapper`, or `server → wrapper` for one direction.
impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.one_way { "→" } else { "↔" };
        write!(formatter, "{} {way} {}", self.from, self.to)
    }
}

/// Effect of a fault on the packets of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkEffect {
    /// Packets are held, including those in flight. When the link heals they are delivered, complete and in
    /// order.
    Cut,
    /// Packets are lost, including those in flight.
    BlackHole,
    /// Packets sent from now on take longer.
    Delay {
        /// Additional delay.
        by: Lapse,
    },
}

/// Deserializes the value of a link fault's [parameter](FaultKind::parameter).
#[derive(Debug, Clone, Copy)]
pub struct Parameter(pub FaultKind);

impl Parameter {
    /// Schema and description of the value.
    pub fn schema(self, generator: &mut SchemaGenerator) -> (Schema, &'static str) {
        let later = "Additional delay of all packets.";
        (generator.subschema_for::<Lapse>(), later)
    }
}

impl<'de> DeserializeSeed<'de> for Parameter {
    type Value = LinkEffect;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<LinkEffect, D::Error> {
        match self.0 {
            FaultKind::Delay => nonzero(deserializer).map(|by| LinkEffect::Delay { by }),
            other => Err(D::Error::custom(format_args!(
                "`{}` has no parameter",
                other.name()
            ))),
        }
    }
}

impl LinkEffect {
    /// The kind of fault with this effect.
    pub fn kind(self) -> FaultKind {
        match self {
            Self::Cut => FaultKind::Cut,
            Self::BlackHole => FaultKind::BlackHole,
            Self::Delay { .. } => FaultKind::Delay,
        }
    }

    /// The effect of a kind of fault that affects a link and needs no parameter.
    pub fn without_parameter(kind: FaultKind) -> Option<Self> {
        match kind {
            FaultKind::Cut => Some(Self::Cut),
            FaultKind::BlackHole => Some(Self::BlackHole),
            _ => None,
        }
    }

    /// Key and value of its parameter in scripts.
    pub fn parameter(self) -> Option<(&'static str, String)> {
        let value = match self {
            Self::Cut | Self::BlackHole => return None,
            Self::Delay { by } => by.to_string(),
        };
        Some((self.kind().parameter()?, value))
    }

    /// Whether packets are lost, so that connections may break permanently.
    pub fn loses(self) -> bool {
        self == Self::BlackHole
    }

    /// Whether it replaces `earlier` on the same link. A later blockade replaces an earlier one, and an
    /// effect replaces another of the same kind.
    pub fn replaces(self, earlier: Self) -> bool {
        self.kind() == earlier.kind() || self.kind().blocks() && earlier.kind().blocks()
    }
}

/// Displayed as `cut` or `delay 2s`.
impl fmt::Display for LinkEffect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.kind().text();
        match self.parameter() {
            None => formatter.write_str(text),
            Some((_, value)) => write!(formatter, "{text} {value}"),
        }
    }
}
