//! Turnstile plays scenarios against a session server in a simulated world and judges what was observed on the wire.
//!
//! The simulated world and the oracles are separate crates, `turnstile-world` and `turnstile-judge`.
//!
//! - [`stage`] sets up the parties in a world, [`script`] plays a scenario on a stage and has its trace judged.
//! - [`suite`] plays many scenarios in parallel, [`explore`] plays generated scenarios, [`sweep`] injects a fault at every
//!   moment of a scenario, [`why`] finds the moment at which the cause of a failure happened, which a [`curve`] shows, and [`live`]
//!   plays scenarios in real time against a server process. [`probe`] finds out what a server can do. [`client`] judges
//!   clients and [`wrapper`] wrappers; [`role`] is what they share. [`playground`] is a place to build clients, and
//!   [`openapi`] describes the procedures for them.
//! - [`baseline`] compares plays with expected failures, and [`standing`] is the result.
//! - [`report`] presents results. [`recordings`] writes traces to files and cuts scripts from them.
//! - [`coverage`] measures which parts of the protocol the scenarios cover, and
//!   [`snapshots`] classifies changes of payloads.
//! - [`workers`] runs work on several threads, and [`watch`] limits its wall-clock time.
//! - `selftest` and `mutate` check that mutants of the server are detected: those of single rules, and generic ones.
//!   `witness` compares two simulated worlds.

pub mod baseline;
pub mod client;
pub mod coverage;
pub mod curve;
pub mod docs;
pub mod explain;
pub mod explore;
pub mod live;
#[cfg(feature = "selftest")]
pub mod mutate;
pub mod openapi;
pub mod playground;
pub mod probe;
pub mod recordings;
pub mod report;
pub mod role;
pub mod script;
#[cfg(feature = "selftest")]
pub mod selftest;
pub mod snapshots;
pub mod soak;
pub mod stage;
pub mod standing;
pub mod suite;
pub mod sweep;
pub mod tokens;
mod toml_file;
mod tunnel;
pub mod watch;
pub mod why;
#[cfg(feature = "witness")]
pub mod witness;
pub mod workers;
pub mod wrapper;
