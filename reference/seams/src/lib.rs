//! The seams between Turnstile's parties and the world they run in.
//!
//! A server, a fake or a client meets the outside through three things that are given to it, a
//! [`Network`], a [`Clock`] and a [`Randomness`], and through nothing else. A simulated world and the
//! real one stand behind the same traits, so that the code on them is the same code in both.
//!
//! What also lives here is the plumbing that every party needs directly on a seam: serving an axum
//! router ([`http_server`]), sending one HTTP request ([`http_client`]) and opening a WebSocket
//! ([`websocket`]). What does not: anything that knows the protocol these parties speak.

pub mod clock;
pub mod coverage;
pub mod error_chain;
pub mod http_client;
pub mod http_server;
pub mod network;
pub mod randomness;
#[cfg(feature = "real")]
pub mod real;
pub mod stop;
pub mod websocket;

pub use clock::{Clock, ClockExt, Elapsed};
pub use futures_util::future::BoxFuture;
pub use network::{ByteStream, Listener, Network};
pub use randomness::Randomness;

use std::sync::Arc;

/// The three seams together, as one party sees them. Cheap to clone.
#[derive(Clone)]
pub struct Seams {
    /// Where connections come from and go to.
    pub network: Arc<dyn Network>,
    /// What time it is, and being woken later.
    pub clock: Arc<dyn Clock>,
    /// This party's own stream of randomness.
    pub randomness: Randomness,
}
