//! Protocol coverage of scenarios.
//!
//! The server and the fakes set [marks](Mark) where they implement the protocol. A [collector](collect) records the marks
//! that one play hits, a [`Survey`] combines many plays, and a [`Report`] lists the marks that were hit and the faults that
//! occurred, by section of the protocol. Marks that cannot be hit have a waiver in `waivers`.
//!
//! A hit shows that a scenario exercises something, not that the result is correct: oracles judge that.

mod collector;
mod fault_group;
mod mark;
mod report;
mod rules;
mod survey;
mod terminal;
mod waivers;

pub use collector::collect;
pub use fault_group::FaultGroup;
pub use mark::Mark;
pub use report::{Fault, MarkReport, MarkStatus, Report, Section};
pub use survey::Survey;
pub use terminal::write_text;
