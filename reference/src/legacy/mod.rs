//! What remains of the time when clients knew turns by execution ids (protocol §1, §10).
//!
//! No other module knows the word. There are three layers, each for one level of the server, and none of them knows
//! the layers above it:
//!
//! - [`model`]: executions as values. It stands below the session.
//! - [`record`]: reads what an older service stored. It stands below the store.
//! - [`api`]: procedures and parameters of old clients and wrappers. It stands on [`procedures`](crate::procedures).

pub mod api;
pub mod model;
pub mod record;
