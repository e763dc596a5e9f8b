//! Where all randomness of a run comes from: one seed, and a stream of its own for everybody who draws.
//!
//! Nothing is drawn here, and nobody's label is known here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};

/// The streams that one seed holds. A stream depends on the seed and its label only, so whoever draws
/// more, less or not at all leaves every other stream as it was.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The streams of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The stream called `label`, from its beginning: asking twice gives the same numbers twice.
    pub fn stream(&self, label: &str) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.seed_of(label))
    }

    /// The seed of the stream called `label`, for a generator that is not ours.
    pub fn seed_of(&self, label: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update(label)
            .finalize()
            .into()
    }
}
