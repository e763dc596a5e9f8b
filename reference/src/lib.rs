//! The reference session server: what conforming to the protocol means, as running code.
//!
//! [`session`] is the heart: pure state machines that decide, on the values of [`model`]. [`host`] runs one of them for
//! each session and is the only place that acts on what they decide. Around them: [`store`] keeps state, [`callbacks`]
//! is the outbox's queue and its delivery, [`delivery`] the way to the wrapper. [`app`] has the sessions by key;
//! `procedures` and [`legacy`]'s procedures ask them on behalf of clients, and [`api`] has the HTTP and WebSocket edges.
//! [`server`] puts all of it together on the seams that a caller gives; [`program`] gives it the machine's own, and is
//! what `turnstile-server` runs.

pub mod api;
pub mod app;
pub mod callbacks;
pub mod coverage;
pub mod delivery;
pub mod host;
pub mod identity;
pub(crate) mod json;
pub mod legacy;
pub mod model;
pub(crate) mod procedures;
#[cfg(feature = "program")]
pub mod program;
pub mod refusal;
pub mod secret;
pub mod server;
pub mod session;
pub mod store;
pub mod tokens;
