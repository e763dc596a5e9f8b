//! Tests in virtual time: the suite, seeds, coverage, both worlds side by side, the server's answers to wrong input, to
//! secrets and to a failing disk, and what the tool prints and writes.
//!
//! They share one binary because linking the engine takes longer than compiling a test.

#[path = "../support/library.rs"]
mod library;
#[path = "../support/tool.rs"]
mod tool;

mod house;
mod log;
mod wire;

mod bad_input;
#[cfg(feature = "selftest")]
mod broken_servers;
mod command_line;
mod coverage;
mod determinism;
mod failing_disk;
mod secrets;
mod seeds;
mod snapshots;
mod suite;
mod timeline;
#[cfg(all(feature = "selftest", feature = "witness"))]
mod witness;
