//! The values that a session, the store and the procedures have in common: what a session is about, a message with
//! its state, what an agent runs with, and where a callback goes.
//!
//! Each value is valid in itself. Nothing here decides when a message changes its state: that is `session`.

pub mod agent;
pub mod callback_target;
pub mod message;
pub mod metadata;
pub mod turn;
