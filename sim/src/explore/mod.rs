//! Generated runs: from a seed to a scenario, playing many seeds, and shrinking a failing scenario.
//!
//! | file | what is in it |
//! |---|---|
//! | `guided` | scenarios that combine what the earlier ones did not |
//! | `generate` | the scenario of a seed |
//! | `composition` | the values that a scenario is made of |
//! | `swarm` | the operations and faults of a seed, with their rates |
//! | `offered` | what a server offers of a generated scenario |
//! | `profile` | the server's retry delays and limits |
//! | `values` | values of sessions and messages |
//! | `imported` | sessions of an older service |
//! | `workload` | what users do |
//! | `disturbance` | what goes wrong between two user actions, as drafts of steps |
//! | `faults` | faults, and the budget that keeps runs recoverable |
//! | `situations` | faults at a chosen point of a message's life |
//! | `layout` | the order of steps, and what each refers to |
//! | `wrapper_faults` | misbehaving wrappers and impostors |
//! | `times` | durations near the protocol's deadlines |
//! | `run` | playing many seeds |
//! | `cluster` | grouping findings by kind |
//! | `result` | the result file, and merging of results |
//! | `shrink` | reduction to the smallest scenario that violates the same oracle |
//! | `terminal` | terminal report |
//! | `junit` | JUnit report |

mod cluster;
mod composition;
mod disturbance;
mod faults;
mod generate;
mod guided;
mod imported;
mod junit;
mod layout;
mod offered;
mod profile;
mod result;
mod run;
mod shrink;
mod situations;
mod swarm;
mod terminal;
mod times;
mod values;
mod workload;
mod wrapper_faults;

pub use self::cluster::Cluster;
pub use self::generate::{scenario, scenario_for};
pub use self::guided::explore_guided;
pub use self::junit::SeedJunitReport;
pub use self::result::{Exploration, HarnessFailure, MOST_SHARDS, MergeError, Part, Tally};
pub use self::run::{Explored, FailedSeed, LivePlay, Outcome, Playing, explore, play_seed};
pub(crate) use self::shrink::playable;
pub use self::shrink::{Failure, Progress, Shrunk, as_script, fails_simulated, shrink};
pub use self::terminal::{in_simulation, write_exploration, write_seed};
