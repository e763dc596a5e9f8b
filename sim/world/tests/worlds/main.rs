//! Tests of the worlds through their interface, which is all that other crates use.
//!
//! They are outside of the crate, because unit tests compile the whole crate a second time.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where its world does not do as expected"
)]

mod live;
mod simulated;
#[cfg(feature = "witness")]
mod witness;
