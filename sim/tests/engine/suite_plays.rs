//! Plays of the whole suite, so that tests about the same plays share them.
//!
//! A play takes long in a development build, so only what tests need of it is kept: findings, digests and coverage.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use anstream::StripStream;
use turnstile::coverage::{self, Survey};
use turnstile::report::{Event, FailureDetail, Reporter as _, TerminalReporter};
use turnstile::script::Options;
use turnstile::suite::{self, Play, Played};
#[cfg(feature = "witness")]
use turnstile::witness::Rehearsal;
use turnstile_judge::trace::TraceDigest;
use turnstile_scenarios::Entry;

use crate::library::library;
use crate::log;
use crate::schemas::Sent;

/// One play.
pub struct Summary {
    /// The scenario.
    pub id: String,
    /// The seed.
    pub seed: u64,
    /// The digest of its trace, or why it has none: the error of the harness.
    pub digest: Result<TraceDigest, String>,
    /// Its findings as text.
    pub findings: Vec<String>,
    /// What the server sent to receivers and to old clients.
    pub sent: Sent,
    /// What the witness must agree with, unless the harness failed.
    #[cfg(feature = "witness")]
    pub rehearsal: Option<Rehearsal>,
}

/// Many plays in order, and what they show together.
pub struct Plays {
    /// The plays.
    pub summaries: Vec<Summary>,
    /// What they hit.
    pub survey: Survey,
    /// What the tool prints about them.
    pub printed: String,
}

impl Plays {
    /// The play of a scenario.
    pub fn of(&self, id: &str) -> &Summary {
        let found = self.summaries.iter().find(|summary| summary.id == id);
        found.unwrap_or_else(|| panic!("{id} was not played"))
    }
}

/// The suite with seed 0.
pub static FIRST: LazyLock<Plays> = LazyLock::new(|| play(library().entries(), 0));
/// Every script on one of its surfaces, with seed 1.
pub static SECOND: LazyLock<Plays> = LazyLock::new(|| play(on_one_surface(), 1));

/// Every script on one of its surfaces, alternately on each. A test of worlds or of the network's timing does not need
/// both: surfaces differ in procedures and in the form of ids, which networks carry without reading them.
pub fn on_one_surface() -> Vec<&'static Entry> {
    let mut by_script: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for entry in library().entries() {
        by_script.entry(entry.script_id()).or_default().push(entry);
    }
    let scripts = by_script.into_values().enumerate();
    scripts
        .map(|(number, surfaces)| surfaces[number % surfaces.len()])
        .collect()
}

/// Plays scenarios with a seed, in their order.
pub fn play<'a>(entries: impl IntoIterator<Item = &'a Entry, IntoIter: Send>, seed: u64) -> Plays {
    log::subscribe();
    let options = Options {
        seed,
        ..Options::default()
    };
    let plays = entries.into_iter().map(|entry| Play { entry, options });
    let play = |play| {
        let (played, hits) = coverage::collect(|| suite::play_timed(play));
        (Summary::of(&played), played, hits)
    };
    let (mut summaries, mut survey) = (Vec::new(), Survey::default());
    let mut out = StripStream::new(Vec::new());
    let mut terminal = TerminalReporter::new(&mut out, FailureDetail::default());
    let mut report = |event: &Event| terminal.report(event).expect("memory can be written to");
    suite::play_all_by(
        plays,
        suite::all_cores(),
        play,
        |_| {},
        |(summary, played, hits)| {
            summaries.push(summary);
            survey.add(&played, hits);
            report(&Event::Played {
                played: &played,
                replay: "",
            });
        },
    );
    report(&Event::Finished { wall: Duration::ZERO });
    Plays {
        summaries,
        survey,
        printed: String::from_utf8(out.into_inner()).expect("the report is UTF-8"),
    }
}

impl Summary {
    fn of(played: &Played<'_>) -> Self {
        let verdict = played.verdict.as_ref();
        let findings = verdict.map_or(&[][..], |verdict| &verdict.findings);
        Self {
            id: played.play.entry.id.clone(),
            seed: played.play.options.seed,
            digest: match verdict {
                Ok(verdict) => Ok(verdict.trace.digest()),
                Err(error) => Err(error.to_string()),
            },
            findings: findings.iter().map(|finding| format!("{finding:#?}")).collect(),
            sent: verdict
                .map(|verdict| Sent::of(&verdict.trace))
                .unwrap_or_default(),
            #[cfg(feature = "witness")]
            rehearsal: verdict.ok().map(Rehearsal::of),
        }
    }
}
