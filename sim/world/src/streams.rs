//! The randomness of a run: one seed, with a separate stream for each user.
//!
//! Users choose their labels; nothing is drawn here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};

/// The streams of one seed. A stream depends only on the seed and its label, so drawing from one stream does
/// not change another.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The streams of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The stream with this `label`, from its beginning. Two calls return the same numbers.
    pub fn stream(&self, label: &str) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.seed_of(label))
    }

    /// The seed of the stream with this `label`, for a generator of another library.
    pub fn seed_of(&self, label: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update(label)
            .finalize()
            .into()
    }
}
