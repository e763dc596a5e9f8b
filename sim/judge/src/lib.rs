//! Judges the trace of a run.
//!
//! [`trace`] is the record of what all parties observed and of what was done to the world, [`oracle`] the rules that
//! must hold in every run, [`parties`] the names that both use, and [`client_view`] what a client shows for an event.
//!
//! The judge reads the JSON of the wire. It depends on neither the server nor the fakes nor a world, so it cannot
//! share a type with what it judges; it has no clock and no socket.

pub mod client_view;
pub mod oracle;
pub mod parties;
pub mod trace;
