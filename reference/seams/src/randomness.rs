//! Randomness, as it is given to a party: a stream of its own that no other party draws from.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng, RngExt as _};
use uuid::Uuid;

/// A shared handle on one stream of random numbers. Clones draw from the same stream.
#[derive(Clone)]
pub struct Randomness(Arc<Mutex<Box<dyn Rng + Send>>>);

impl fmt::Debug for Randomness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Randomness")
    }
}

impl Randomness {
    /// Wraps a generator, seeded or not.
    pub fn new(generator: impl Rng + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(generator))))
    }

    /// A number below `bound`, every one equally likely.
    ///
    /// # Panics
    ///
    /// If `bound` is 0: there is no such number.
    pub fn below(&self, bound: u64) -> u64 {
        self.with(|generator| generator.random_range(0..bound))
    }

    /// The next `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.with(|generator| generator.fill_bytes(&mut bytes));
        bytes
    }

    /// A random (version 4) UUID.
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    fn with<T>(&self, draw: impl FnOnce(&mut dyn Rng) -> T) -> T {
        // A panic elsewhere cannot leave a generator half-drawn in a way that matters.
        let mut generator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        draw(&mut **generator)
    }
}
