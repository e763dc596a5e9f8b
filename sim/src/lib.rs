//! Turnstile: plays scripted scenarios against a session server in a simulated world, and judges what was
//! seen on the wire.
//!
//! [`world`] is the simulated machines, links, disks and clock. [`stage`] puts the parties into a world,
//! [`script`] plays a scenario on a stage, [`trace`] is what was seen meanwhile, and [`oracle`] says
//! whether it was right. [`suite`] plays many scenarios at once, [`report`] tells of it. [`coverage`]
//! asks what of the protocol the scenarios come by, `selftest` whether broken servers are noticed, `witness`
//! whether a world that is not ours shows the same, and [`snapshots`] what a change of a payload means to whoever
//! reads it. [`explore`] makes scenarios from seeds, [`sweep`] puts a fault at every moment of one. [`live`] plays
//! scenarios in real time, against a server that is a process of its own.

pub mod client_view;
pub mod coverage;
pub mod error_chain;
pub mod explore;
pub mod live;
pub mod oracle;
pub mod report;
pub mod script;
#[cfg(feature = "selftest")]
pub mod selftest;
pub mod snapshots;
pub mod soak;
pub mod stage;
pub mod suite;
pub mod sweep;
pub mod tokens;
pub mod trace;
#[cfg(feature = "witness")]
pub mod witness;
pub mod workers;
pub mod world;
