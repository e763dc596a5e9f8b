//! The reference session server: an implementation of the protocol.
//!
//! [`session`] is the core: pure state machines that decide, on the values of [`model`]. [`host`] runs one state
//! machine per session and is the only module that carries out its decisions. Around them: [`store`] persists state,
//! [`callbacks`] is the callback queue with its delivery, and [`delivery`] calls the wrapper. [`app`] maps keys to
//! sessions. `procedures` and the V2 procedures of [`legacy`] call sessions on behalf of clients, and [`api`] has the
//! HTTP and WebSocket edges. [`server`] puts everything together on seams that a caller provides. [`program`]
//! provides the machine's own seams; it is `turnstile-server`.

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
