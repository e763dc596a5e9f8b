//! The state of one direction of a link, common to all worlds. Each world implements its effects.

use std::time::Duration;

use turnstile_fault::LinkEffect;

/// The state of the direction from one host to another; by default it works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Set if packets are not delivered.
    pub blockade: Option<Blockade>,
    /// Added to every packet's latency.
    pub extra: Duration,
}

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
        }
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
