//! The randomness of a party: a stream of random numbers that no other party draws from.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng, RngExt as _};
use uuid::Uuid;

/// A shared handle of a stream of random numbers. Clones draw from the same stream.
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

    /// Draws a number below `bound`, with a uniform distribution.
    ///
    /// # Panics
    ///
    /// If `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.with(|generator| generator.random_range(0..bound))
    }

    /// Draws `N` bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.with(|generator| generator.fill_bytes(&mut bytes));
        bytes
    }

    /// Draws a UUID of version 4.
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    fn with<T>(&self, draw: impl FnOnce(&mut dyn Rng) -> T) -> T {
        // A panic elsewhere leaves the generator in a valid state.
        let mut generator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        draw(&mut **generator)
    }
}
