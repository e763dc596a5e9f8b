//! Reports on plays, for people and machines.
//!
//! Reporters consume one stream of events. Players do not know reporters, and reporters do not know command lines: events
//! carry the command that replays a run.
//!
//! | file | what is in it |
//! |---|---|
//! | `event` | the events, and the traits of reporters |
//! | `terminal`, `style`, `summary` | lines and counts on a terminal |
//! | `junit`, `json` | all plays, for machines |
//! | `markdown`, `annotations` | failures in the summary of a CI job, a comment and the interface of GitHub Actions |
//! | `unclean` | failures of the unmodified server, before a report about mutants |
//! | `recording` | one run as a file for `turnstile judge` |
//! | `timeline` | one run as an interactive page |
//! | `sequence` | the essential events of a run, independent of the format |
//! | `html` | all plays as pages |
//! | `mermaid` | one run as a sequence diagram, for a comment |
//! | `picture` | the parts of a run that are drawn, independent of the format |
//! | `source`, `packed` | the text of a scenario with its lines; large data of pages in a compact form |
//! | `finding` | findings with the script's names for messages |
//! | `mark` | the moment from which a failure was inevitable |
//! | `replay` | the commands that replay a run |

mod annotations;
mod event;
pub(crate) mod finding;
pub mod html;
pub mod json;
pub mod junit;
mod mark;
mod markdown;
pub mod mermaid;
mod packed;
mod picture;
#[cfg(test)]
mod played;
mod recording;
mod replay;
pub(crate) mod sequence;
mod source;
pub(crate) mod style;
mod summary;
mod terminal;
pub mod timeline;
mod unclean;

pub use self::annotations::AnnotationsReport;
pub use self::event::{Document, Event, Reporter};
pub use self::finding::LabelledFinding;
pub use self::html::HtmlReport;
pub use self::json::JsonReport;
pub use self::junit::JunitReport;
pub use self::markdown::MarkdownReport;
pub use self::mermaid::MermaidReport;
pub use self::recording::RecordingReport;
pub use self::replay::{SeedReplay, program, replay_command, replay_in_real_time, replay_of_play};
pub use self::style::Status;
pub use self::summary::Summary;
pub use self::terminal::{FailureDetail, TerminalReporter, Verbosity};
pub use self::timeline::TimelineReport;
pub use self::unclean::write_unclean;
use crate::script::Verdict;
use crate::suite::{Outcome, Play, Played};
use serde_json::Value;
use turnstile_scenarios::{Seam, Surface};

/// The name of a play in a list of plays: the id of the scenario, the seed if `with_seed`, and the mutant.
pub fn name_of_play(play: &Play, with_seed: bool) -> String {
    let mut name = play.entry.id.clone();
    if with_seed {
        name.push_str(&format!(" (seed {})", play.options.seed));
    }
    if let Some(mutant) = play.options.subject.mutant() {
        name.push_str(&format!(" (breaking {mutant})"));
    }
    name
}

/// The verdict of a play that a report of one play may show: the only play, or one with findings.
fn worth_showing<'a>(played: &'a Played, is_only_play: bool) -> Option<&'a Verdict> {
    match played.outcome() {
        Outcome::Failed(verdict) => Some(verdict),
        Outcome::Passed(verdict) if is_only_play => Some(verdict),
        Outcome::Passed(_) | Outcome::HarnessFailed(_) => None,
    }
}

/// What is wrong with an entry of a baseline that no play has met; `subject` is what the entry is about.
fn stale_sentence(subject: &str) -> String {
    format!("{subject} failed nowhere, and is expected to fail")
}

/// A seam as scripts write it.
fn name_of_seam(seam: Seam) -> String {
    let written = serde_json::to_value(seam).ok();
    let word = written.as_ref().and_then(Value::as_str);
    word.expect("a seam is written as a word").to_owned()
}

/// Identifies a run in a report.
#[derive(Debug, Clone, Copy)]
pub struct Heading<'a> {
    /// The title of the scenario: a sentence.
    pub title: &'a str,
    /// The id of the scenario.
    pub id: &'a str,
    /// The API surface.
    pub surface: Surface,
    /// The seed.
    pub seed: u64,
    /// The command that replays it.
    pub replay: &'a str,
}

impl<'a> Heading<'a> {
    /// The heading of a play; `replay` is the command that replays it.
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
