//! What of the protocol the scenarios come by, and what they never do.
//!
//! The server and the fakes set [marks](Mark) where they do something that the protocol tells of. A
//! [collector](collect) hears those of one play, a [`Survey`] is made of many plays, and a [`Report`] says
//! which marks were reached, which faults were tried, and in which sections of the protocol those struck.
//! What cannot be reached is argued for in `argued`, and nowhere else.
//!
//! Reaching a mark says that something was tried, not that it was right: that is judged elsewhere.

mod argued;
mod collector;
mod fault_group;
mod mark;
mod report;
mod survey;
mod terminal;

pub use collector::collect;
pub use fault_group::FaultGroup;
pub use mark::Mark;
pub use report::{Fault, Report, Row, Section, Standing};
pub use survey::Survey;
pub use terminal::tell;
