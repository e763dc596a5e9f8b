//! Reports on plays, for people and machines.
//!
//! Reporters take one stream of events. Nothing that plays knows them, and none of them knows command lines: events
//! carry the command that plays a run again.
//!
//! | file | what is in it |
//! |---|---|
//! | `event` | the events, and the traits of reporters |
//! | `terminal`, `style`, `summary` | lines and counts for people who wait |
//! | `junit`, `json` | all plays, for machines |
//! | `timeline` | one run as a page to look at |
//! | `mermaid` | one run as a sequence diagram, for a comment |
//! | `picture` | what of a run is drawn, whatever it is drawn on |
//! | `finding` | the words for findings |
//! | `replay` | the commands that play something again |

mod event;
pub(crate) mod finding;
pub mod json;
pub mod junit;
pub mod mermaid;
mod picture;
#[cfg(test)]
mod played;
mod replay;
pub(crate) mod style;
mod summary;
mod terminal;
pub mod timeline;

pub use self::event::{Document, Event, Reporter};
pub use self::finding::Flaw;
pub use self::json::JsonReport;
pub use self::junit::JunitReport;
pub use self::mermaid::MermaidReport;
pub use self::replay::{program, replay_command, replay_in_real_time, replay_of_play, replay_of_seed};
pub use self::summary::Summary;
pub use self::terminal::TerminalReporter;
pub use self::timeline::TimelineReport;
use crate::suite::Play;
use turnstile_scenarios::Surface;

/// What a report of one run says beside what was seen in it.
#[derive(Debug, Clone, Copy)]
pub struct Heading<'a> {
    /// The title of what was played: a sentence.
    pub title: &'a str,
    /// What it is called where it is kept.
    pub id: &'a str,
    /// The surface that it was played on.
    pub surface: Surface,
    /// The seed that it was played with.
    pub seed: u64,
    /// The command that plays it again.
    pub replay: &'a str,
}

impl<'a> Heading<'a> {
    /// The heading of a play that `replay` plays again.
    pub fn of(play: &Play<'a>, replay: &'a str) -> Self {
        Self {
            title: &play.entry.scenario.title,
            id: &play.entry.id,
            surface: play.entry.scenario.api.first(),
            seed: play.options.seed,
            replay,
        }
    }
}
