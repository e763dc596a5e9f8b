//! Plays of the whole suite, kept as findings and digests, so that tests about the same seeds share them.

use std::ops::Range;
use std::sync::LazyLock;

use turnstile::script::Options;
use turnstile::suite::{self, Play};
use turnstile_judge::trace::TraceDigest;

use crate::library::library;

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
}

/// The suite with seed 0.
pub static FIRST: LazyLock<Vec<Summary>> = LazyLock::new(|| play(0..1));
/// The suite with seed 1.
pub static SECOND: LazyLock<Vec<Summary>> = LazyLock::new(|| play(1..2));

/// Plays the suite with each seed, in the order of seeds and then of scenarios.
pub fn play(seeds: Range<u64>) -> Vec<Summary> {
    let library = library();
    let plays = seeds.flat_map(|seed| {
        let options = Options {
            seed,
            ..Options::default()
        };
        library.entries().iter().map(move |entry| Play { entry, options })
    });
    let mut summaries = Vec::new();
    suite::play_all(
        plays,
        suite::all_cores(),
        |_| {},
        |played| {
            let (digest, findings) = match &played.verdict {
                Ok(verdict) => {
                    let findings = verdict.findings.iter();
                    let findings = findings.map(|finding| format!("{finding:#?}")).collect();
                    (Ok(verdict.trace.digest()), findings)
                }
                Err(error) => (Err(error.to_string()), Vec::new()),
            };
            summaries.push(Summary {
                id: played.play.entry.id.clone(),
                seed: played.play.options.seed,
                digest,
                findings,
            });
        },
    );
    summaries
}
