//! The values that sessions, the store and procedures share: metadata, messages, agents and callback targets.
//!
//! Each value is valid in itself. `session` decides when a message changes its state.

pub mod agent;
pub mod callback_target;
pub mod message;
pub mod metadata;
pub mod turn;
