//! Links between parties, and what a fault does to the packets of one.
//!
//! The parameter of such a fault is read and written here, as scripts have it.

use std::fmt;

use schemars::{Schema, SchemaGenerator};
use serde::de::{DeserializeSeed, Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use crate::kind::FaultKind;
use crate::lapse::{Lapse, nonzero};

/// The packets that a fault is about: those between two hosts, or only those in one direction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// A host's name: the sender, if only one direction is meant.
    pub from: String,
    /// The other host's name.
    pub to: String,
    /// Whether the packets that `to` sends are left alone.
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

    /// The packets that `from` sends to `to`.
    pub fn one_way(from: &str, to: &str) -> Self {
        Self {
            one_way: true,
            ..Self::between(from, to)
        }
    }

    /// Its directions, each as sender and receiver.
    pub fn directions(&self) -> impl Iterator<Item = (&str, &str)> {
        let back = (!self.one_way).then_some((&*self.to, &*self.from));
        [(&*self.from, &*self.to)].into_iter().chain(back)
    }
}

/// As `server ↔ wrapper`, or `server → wrapper` for one direction.
impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.one_way { "→" } else { "↔" };
        write!(formatter, "{} {way} {}", self.from, self.to)
    }
}

/// What happens to the packets of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkEffect {
    /// They are held, those on their way too, and delivered once the link is healed, whole and in order.
    Cut,
    /// They are lost for good, those on their way too.
    BlackHole,
    /// They take longer, if they are sent from now on.
    Delay {
        /// How much longer.
        by: Lapse,
    },
}

/// Reads the value of a link fault's [parameter](FaultKind::parameter).
#[derive(Debug, Clone, Copy)]
pub struct Parameter(pub FaultKind);

impl Parameter {
    /// The schema of the value, and its description.
    pub fn schema(self, generator: &mut SchemaGenerator) -> (Schema, &'static str) {
        let later = "How much later everything arrives.";
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
    /// Its kind.
    pub fn kind(self) -> FaultKind {
        match self {
            Self::Cut => FaultKind::Cut,
            Self::BlackHole => FaultKind::BlackHole,
            Self::Delay { .. } => FaultKind::Delay,
        }
    }

    /// The value of its parameter as a script has it, with its key.
    pub fn parameter(self) -> Option<(&'static str, String)> {
        let value = match self {
            Self::Cut | Self::BlackHole => return None,
            Self::Delay { by } => by.to_string(),
        };
        Some((self.kind().parameter()?, value))
    }

    /// Whether what is sent is lost, so that connections may break for good.
    pub fn loses(self) -> bool {
        self == Self::BlackHole
    }

    /// Whether it takes the place of `earlier` on the same link: of two blockades the later one holds, and so of two
    /// effects of the same kind.
    pub fn replaces(self, earlier: Self) -> bool {
        self.kind() == earlier.kind() || self.kind().blocks() && earlier.kind().blocks()
    }
}

/// As `cut`, or `delay 2s`.
impl fmt::Display for LinkEffect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.kind().text();
        match self.parameter() {
            None => formatter.write_str(text),
            Some((_, value)) => write!(formatter, "{text} {value}"),
        }
    }
}
