//! Checks of the whole suite.

use crate::library::library;
use crate::suite_plays::{self, FIRST, SECOND};

#[test]
fn every_script_passes_on_three_seeds() {
    let others = suite_plays::play(2..3);
    let mut failures = Vec::new();
    for played in FIRST.iter().chain(&*SECOND).chain(&others) {
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
