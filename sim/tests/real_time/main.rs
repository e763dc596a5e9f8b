//! Tests in real time: live servers, seeds against them, load, `turnstile up`, wrappers.
//!
//! A separate binary, so that no other test competes with these for the machine: `cargo test` runs binaries one after another,
//! and `.ci/run` gives the others the lowest priority.

#[path = "../support/chromium.rs"]
mod chromium;
#[path = "../support/library.rs"]
mod library;
#[path = "../support/tool.rs"]
mod tool;

mod devtools;
mod live;
mod playground;
mod seeds;
mod soak;
mod test_clock;
mod up;
mod up_page;
mod wrappers;
