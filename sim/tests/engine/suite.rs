//! Checks of the whole suite.

use crate::library::library;
use crate::suite_plays::{FIRST, SECOND};

/// A seed of a script varies the network's timing. Explored seeds, which other tests play, vary that and everything else.
#[test]
fn every_script_passes_on_two_seeds() {
    let mut failures = Vec::new();
    for played in FIRST.summaries.iter().chain(&SECOND.summaries) {
        let name = format!("{} seed {}", played.id, played.seed);
        match &played.digest {
            Err(error) => failures.push(format!("{name}: {error}")),
            Ok(_) if played.findings.is_empty() => {}
            Ok(_) => failures.push(format!("{name}: {}", played.findings.join("\n"))),
        }
    }
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
