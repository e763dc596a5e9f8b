//! The tool.

pub mod world;
