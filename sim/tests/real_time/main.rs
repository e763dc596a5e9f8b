//! Tests in real time: live servers, load, `turnstile up`.
//!
//! They have a binary of their own because `cargo test` runs one binary after another: nothing else of this project
//! takes the machine from them.

#[path = "../support/library.rs"]
mod library;
#[path = "../support/tool.rs"]
mod tool;

mod live;
mod soak;
mod up;
