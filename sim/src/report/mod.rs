//! Telling people what came of it. Reporters are fed with what was played; nothing that plays knows them.

pub(crate) mod style;
mod terminal;

pub use self::terminal::{Summary, TerminalReporter, program, replay_command, replay_of_seed};
