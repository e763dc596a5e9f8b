//! The seams between Turnstile's parties and their environment.
//!
//! A server, a fake or a client reaches its environment only through the [`Network`], the [`Clock`] and the
//! [`Randomness`] that it is given. The simulated world and the machine implement the same traits, so the same code
//! runs on both.
//!
//! The crate also has the helpers that every party needs on a seam: serving an axum router ([`http_server`]), sending
//! an HTTP request ([`http_client`]), opening a WebSocket ([`websocket`]), and waiting for changes ([`latest`],
//! [`stop`]). Nothing here knows the protocol between the parties.

pub mod clock;
pub mod coverage;
pub mod error_chain;
pub mod http_client;
pub mod http_server;
pub mod latest;
pub mod network;
pub mod randomness;
#[cfg(feature = "real")]
pub mod real;
pub mod stop;
#[cfg(feature = "real")]
pub mod test_clock;
#[cfg(feature = "real")]
mod tls;
pub mod websocket;
pub mod wrapped;

pub use clock::{Clock, ClockExt, Elapsed};
pub use futures_util::future::BoxFuture;
pub use network::{ANY_PORT, ByteStream, Listener, Network};
pub use randomness::Randomness;
pub use wrapped::{Wrapped, Wrapping};

use std::sync::Arc;

/// The three seams of one party. Cheap to clone.
#[derive(Clone)]
pub struct Seams {
    /// Listens and connects.
    pub network: Arc<dyn Network>,
    /// The current time, and timers.
    pub clock: Arc<dyn Clock>,
    /// The party's own stream of random numbers.
    pub randomness: Randomness,
}
