//! Checks of the whole suite.

use turnstile::script::Options;
use turnstile::suite::{self, Play};

use crate::library::library;

#[test]
fn every_script_passes_on_twenty_seeds() {
    let library = library();
    let plays: Vec<Play> = (0..20)
        .flat_map(|seed| {
            let options = Options {
                seed,
                ..Options::default()
            };
            library.entries().iter().map(move |entry| Play { entry, options })
        })
        .collect();
    let mut failures = Vec::new();
    suite::play_all(
        &plays,
        suite::all_cores(),
        |_| {},
        |played| {
            let Play { entry, options } = played.play;
            match played.verdict {
                Ok(verdict) if verdict.findings.is_empty() => {}
                Ok(verdict) => failures.push(format!(
                    "{} seed {}: {:#?}",
                    entry.id, options.seed, verdict.findings
                )),
                Err(error) => failures.push(format!("{} seed {}: {error}", entry.id, options.seed)),
            }
        },
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_scenario_has_a_unique_title_and_id() {
    let library = library();
    let mut titles: Vec<&str> = library
        .entries()
        .iter()
        .map(|entry| entry.scenario.title.as_str())
        .collect();
    titles.sort_unstable();
    for pair in titles.windows(2) {
        assert_ne!(pair[0], pair[1], "two scenarios have this title");
    }
}
