//! Tests in real time: live servers, load, `turnstile up`, wrappers.
//!
//! A separate binary, because `cargo test` runs binaries one after another: no other test of this project competes for
//! the machine.

#[path = "../support/chromium.rs"]
mod chromium;
#[path = "../support/library.rs"]
mod library;
#[path = "../support/tool.rs"]
mod tool;

mod devtools;
mod live;
mod playground;
mod soak;
mod up;
mod up_page;
mod wrappers;
