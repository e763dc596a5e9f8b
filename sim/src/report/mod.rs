//! Telling people and machines what came of it. Reporters are fed with what was played; nothing that plays
//! knows them, and none of them knows of command lines: what plays a run again they are told.
//!
//! | file | what is in it |
//! |---|---|
//! | `terminal`, `style` | lines for people who wait |
//! | `junit`, `json` | what came of all plays, for machines |
//! | `finding` | the words for what did not hold |

mod finding;
pub mod json;
pub mod junit;
#[cfg(test)]
mod played;
pub(crate) mod style;
mod terminal;

pub use self::json::JsonReport;
pub use self::junit::JunitReport;
pub use self::terminal::{Summary, TerminalReporter, replay_command};
