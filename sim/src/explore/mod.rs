//! Runs that nobody thought of: from a seed to a scenario, what comes of playing many of them, and from one in
//! which something broke to a short script.
//!
//! | file | what is in it |
//! |---|---|
//! | `generate` | the scenario of a seed |
//! | `swarm` | what one seed goes in for, and what not |
//! | `workload` | what users do |
//! | `fault_group` | faults that belong together |
//! | `faults` | what goes wrong, and the budget that keeps it recoverable |
//! | `layout` | the steps in their order, each about what there is by then |
//! | `wrapper_faults` | what a wrapper does wrong, and who speaks in its place |
//! | `times` | lengths of time that are worth trying |
//! | `run` | playing many seeds |
//! | `cluster` | which findings are one and the same |
//! | `result` | what came of it, for a file, and put together with that of others |
//! | `shrink` | the smallest scenario that breaks the same oracle |
//! | `terminal` | telling people |
//! | `junit` | telling CI systems |

mod cluster;
mod fault_group;
mod faults;
mod generate;
mod junit;
mod layout;
mod result;
mod run;
mod shrink;
mod swarm;
mod terminal;
mod times;
mod workload;
mod wrapper_faults;

pub use self::cluster::Cluster;
pub use self::generate::scenario;
pub use self::junit::JunitOfSeeds;
pub use self::result::{Exploration, HarnessFailure, MergeError, Part, Tally};
pub use self::run::{BrokenSeed, Explored, Outcome, Playing, explore, play_seed};
pub use self::shrink::{Progress, Shrunk, as_script, shrink};
pub use self::terminal::{write_exploration, write_seed};
