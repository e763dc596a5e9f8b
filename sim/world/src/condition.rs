//! What is wrong with one direction of a link, the same for every world. What a world does about it is its own.

use std::time::Duration;

use turnstile_fault::LinkEffect;

/// What is wrong with what one host sends to another; the default is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// What happens to packets instead of their delivery.
    pub blockade: Option<Blockade>,
    /// Added to every packet's latency.
    pub extra: Duration,
}

/// What a direction of a link does with packets instead of delivering them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blockade {
    /// Keeps them.
    Cut,
    /// Loses them.
    BlackHole,
}

impl Condition {
    /// Lets an effect take hold. It takes the place of an earlier one that it [replaces](LinkEffect::replaces).
    pub fn apply(&mut self, effect: LinkEffect) {
        match effect {
            LinkEffect::Cut => self.blockade = Some(Blockade::Cut),
            LinkEffect::BlackHole => self.blockade = Some(Blockade::BlackHole),
            LinkEffect::Delay { by } => self.extra = *by,
        }
    }

    /// Whether nothing is wrong.
    pub fn is_well(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what is sent is lost.
    pub fn loses(&self) -> bool {
        self.blockade == Some(Blockade::BlackHole)
    }
}
