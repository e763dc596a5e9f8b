//! The kinds of simulated worlds.

#[cfg(feature = "witness")]
use std::time::Duration;

use jiff::Timestamp;

use super::World;
use super::any::AnyWorld;
#[cfg(feature = "witness")]
use super::witness::WitnessWorld;

/// A kind of simulated world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WorldKind {
    /// [`World`], driven by events.
    #[default]
    Events,
    /// The [witness](WitnessWorld), driven by [`turmoil::Sim`].
    #[cfg(feature = "witness")]
    Witness {
        /// How far one step of the loop advances the clock.
        tick: Duration,
    },
}

impl WorldKind {
    /// An empty world of this kind at the time `epoch`. All its choices follow from `seed`.
    ///
    /// # Panics
    ///
    /// As [`World::new`].
    pub fn create(self, seed: u64, epoch: Timestamp) -> Box<dyn AnyWorld> {
        match self {
            Self::Events => Box::new(World::new(seed, epoch)),
            #[cfg(feature = "witness")]
            Self::Witness { tick } => Box::new(WitnessWorld::new(seed, epoch, tick)),
        }
    }

    /// The same for at most `hosts` hosts, as far as the kind limits them.
    ///
    /// # Panics
    ///
    /// As [`World::new`].
    pub fn create_for(self, seed: u64, epoch: Timestamp, hosts: usize) -> Box<dyn AnyWorld> {
        match self {
            Self::Events => Box::new(World::for_hosts(seed, epoch, hosts)),
            #[cfg(feature = "witness")]
            Self::Witness { .. } => self.create(seed, epoch),
        }
    }
}
