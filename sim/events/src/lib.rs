//! Events of a run, as plain data.
//!
//! [`observation`] has what parties send and receive, [`credentials`] what they show for it, [`queue`] what the callback
//! queue of a simulated server is given, [`world`] what happens to machines, links and disks. Parties and
//! worlds produce these values, and the judge reads them. This crate is all that they share, so the judge depends on
//! neither. It has no knowledge of the protocol and no logic.

pub mod credentials;
pub mod observation;
pub mod queue;
pub mod world;
