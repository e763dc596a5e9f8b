//! Judges the trace of a run.
//!
//! [`trace`] records what all parties observed and what was done to the world. [`oracle`] has the rules that every run
//! must satisfy, [`rules`] the ids and texts of the protocol's rules, [`parties`] the names of the parties, and
//! [`client_view`] what a client shows for an event. [`recording`] reads, writes and judges traces in files.
//!
//! The judge reads the JSON of the wire. It depends on neither the server nor the fakes nor a world, so it cannot
//! share a type with what it judges; it has no clock and no socket.

pub mod client_view;
pub mod oracle;
pub mod parties;
pub mod recording;
pub mod rules;
pub mod trace;
