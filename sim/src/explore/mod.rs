//! Runs that nobody thought of: from a seed to a scenario, and what comes of playing many of them.
//!
//! | file | what is in it |
//! |---|---|
//! | `generate` | the scenario of a seed |
//! | `swarm` | what one seed goes in for, and what not |
//! | `workload` | what users do |
//! | `faults` | what goes wrong, and the budget that keeps it recoverable |
//! | `times` | lengths of time that are worth trying |

mod faults;
mod generate;
mod run;
mod swarm;
mod times;
mod workload;

pub use self::generate::scenario;
pub use self::run::{Explored, explore, play_seed};
