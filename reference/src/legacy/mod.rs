//! Sessions and clients from before messages existed, which identify turns by execution ids (protocol §1, §10).
//!
//! No other module knows executions. The three layers belong to three levels of the server and do not depend on the
//! layers above them:
//!
//! - [`model`]: executions as values. Below the session.
//! - [`record`]: the stored form of an older service. Below the store.
//! - [`api`]: procedures and parameters of old clients and wrappers. Above `procedures`.

pub mod api;
pub mod model;
pub mod record;
