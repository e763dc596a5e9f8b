//! What can be recorded of a run, as plain data.
//!
//! [`observation`] is what a party sees at its edge of the wire, [`world`] what is done to the machines, links and
//! disks. The parties and the worlds produce these values and the judge reads them; this crate is all that they
//! share, so the judge depends on neither. Nothing here knows the protocol, and nothing here decides.

pub mod observation;
pub mod world;
