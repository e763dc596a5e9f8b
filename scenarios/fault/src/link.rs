//! Links between parties, and effects of faults on their packets.
//!
//! The parameters of link faults are parsed and written here.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeSeed, Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use crate::kind::FaultKind;
use crate::lapse::{Lapse, nonzero};

/// The packets between two hosts, in both directions or in one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Packets pass one after another at a limited rate in each direction, if they are sent from now on.
    Throttle {
        /// The limit.
        rate: Bandwidth,
    },
    /// Packets of single connections are held until the link heals, and those of others pass. Between two hosts, these are
    /// the connections that are open; for one direction, it is the next connection that the sender opens.
    Stall,
}

/// A bandwidth, at least one byte a second. Written as `500B/s`, `10KB/s` or `2MB/s`, in powers of 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth(NonZeroU64);

/// Units of a [`Bandwidth`], largest first, with their bytes a second.
const BANDWIDTH_UNITS: [(&str, u64); 3] = [("MB/s", 1_000_000), ("KB/s", 1_000), ("B/s", 1)];

impl Bandwidth {
    /// The rate of so many bytes a second, at least one.
    pub fn bytes_per_second(bytes: u64) -> Self {
        Self(NonZeroU64::new(bytes).unwrap_or(NonZeroU64::MIN))
    }

    /// The time that `bytes` take to pass.
    pub fn time_for(self, bytes: usize) -> Duration {
        let nanoseconds = bytes as u128 * 1_000_000_000 / u128::from(self.0.get());
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// Why a text is no [`Bandwidth`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a rate: write a whole number above 0 with its unit, such as 500B/s, 10KB/s or 2MB/s")]
pub struct BandwidthError(String);

impl FromStr for Bandwidth {
    type Err = BandwidthError;

    fn from_str(text: &str) -> Result<Self, BandwidthError> {
        // `B/s` is the end of every unit, so the larger units come first.
        let bytes = BANDWIDTH_UNITS.iter().find_map(|(unit, size)| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            NonZeroU64::new(number.checked_mul(*size)?)
        });
        bytes.map(Self).ok_or_else(|| BandwidthError(text.to_owned()))
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.get();
        let largest = BANDWIDTH_UNITS
            .iter()
            .find(|(_, size)| bytes.is_multiple_of(*size));
        let (unit, size) = largest.copied().unwrap_or(("B/s", 1));
        write!(formatter, "{}{unit}", bytes / size)
    }
}

crate::read_from_text!(Bandwidth, {
    "type": "string",
    "pattern": "^[0-9]+(B|KB|MB)/s$",
    "description": "Bandwidth: a whole number with its unit",
    "examples": ["500B/s", "10KB/s", "2MB/s"],
});
crate::write_as_text!(Bandwidth);

/// Deserializes the value of a link fault's [parameter](FaultKind::parameter).
#[derive(Debug, Clone, Copy)]
pub struct Parameter(pub FaultKind);

impl Parameter {
    /// Schema and description of the value.
    pub fn schema(self, generator: &mut SchemaGenerator) -> (Schema, &'static str) {
        match self.0 {
            FaultKind::Throttle => (
                generator.subschema_for::<Bandwidth>(),
                "Bandwidth of each direction.",
            ),
            _ => (
                generator.subschema_for::<Lapse>(),
                "Additional delay of all packets.",
            ),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Parameter {
    type Value = LinkEffect;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<LinkEffect, D::Error> {
        match self.0 {
            FaultKind::Delay => nonzero(deserializer).map(|by| LinkEffect::Delay { by }),
            FaultKind::Throttle => {
                Bandwidth::deserialize(deserializer).map(|rate| LinkEffect::Throttle { rate })
            }
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
            Self::Throttle { .. } => FaultKind::Throttle,
            Self::Stall => FaultKind::Stall,
        }
    }

    /// The effect of a kind of fault that affects a link and needs no parameter.
    pub fn without_parameter(kind: FaultKind) -> Option<Self> {
        match kind {
            FaultKind::Cut => Some(Self::Cut),
            FaultKind::BlackHole => Some(Self::BlackHole),
            FaultKind::Stall => Some(Self::Stall),
            _ => None,
        }
    }

    /// Key and value of its parameter in scripts.
    pub fn parameter(self) -> Option<(&'static str, String)> {
        let value = match self {
            Self::Cut | Self::BlackHole | Self::Stall => return None,
            Self::Delay { by } => by.to_string(),
            Self::Throttle { rate } => rate.to_string(),
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
