//! The state of one direction of a link, common to all worlds. Each world implements its effects.

use std::time::Duration;

use jiff::Timestamp;
use turnstile_fault::{Bandwidth, LinkEffect};

/// The state of the direction from one host to another; by default it works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Set if packets are not delivered.
    pub blockade: Option<Blockade>,
    /// Added to every packet's latency.
    pub extra: Duration,
    /// Limit of the bandwidth.
    rate: Option<Bandwidth>,
}

/// The time until which a direction with limited bandwidth is busy with what was sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Busy(Option<Timestamp>);

/// What a direction does with packets instead of delivering them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blockade {
    /// Holds them.
    Cut,
    /// Drops them.
    BlackHole,
}

impl Condition {
    /// Applies an effect, which [replaces](LinkEffect::replaces) earlier ones.
    pub fn apply(&mut self, effect: LinkEffect) {
        match effect {
            LinkEffect::Cut => self.blockade = Some(Blockade::Cut),
            LinkEffect::BlackHole => self.blockade = Some(Blockade::BlackHole),
            LinkEffect::Delay { by } => self.extra = *by,
            LinkEffect::Throttle { rate } => self.rate = Some(rate),
            // It affects connections, not the direction.
            LinkEffect::Stall => {}
        }
    }

    /// Returns when the last of so many bytes leaves that are sent now, behind all that keeps the direction busy.
    /// Latency comes on top.
    pub fn leaves(&self, now: Timestamp, bytes: usize, busy: &mut Busy) -> Timestamp {
        let Some(rate) = self.rate else {
            *busy = Busy::default();
            return now;
        };
        let leaves = busy.0.map_or(now, |until| until.max(now)) + rate.time_for(bytes);
        *busy = Busy(Some(leaves));
        leaves
    }

    /// Whether the direction works without faults.
    pub fn is_well(&self) -> bool {
        *self == Self::default()
    }

    /// Whether packets are lost.
    pub fn loses(&self) -> bool {
        self.blockade == Some(Blockade::BlackHole)
    }
}
