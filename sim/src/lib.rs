//! Turnstile: plays scripted scenarios against a session server in a simulated world, and judges what was
//! seen on the wire.
//!
//! The world and the judge are crates of their own, `turnstile-world` and `turnstile-judge`. [`stage`] puts the
//! parties into a world, [`script`] plays a scenario on a stage and has its trace judged, [`suite`] plays many
//! scenarios at once, and [`report`] shows the results. [`coverage`] measures what of the protocol the scenarios
//! reach, `selftest` whether broken servers are found, `witness` whether another world shows the same, and
//! [`snapshots`] what a change of a payload means to its readers. [`explore`] makes scenarios from seeds, [`sweep`]
//! injects a fault at every moment of one. [`live`] plays scenarios in real time, against a server that is a process
//! of its own.

pub mod coverage;
pub mod docs;
pub mod explain;
pub mod explore;
pub mod live;
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
#[cfg(feature = "witness")]
pub mod witness;
pub mod workers;
