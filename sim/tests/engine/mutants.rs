//! The harness detects every mutant of the server.

use std::fs;

use turnstile::selftest::{self, Selftest};
use turnstile::suite;
use turnstile_mutants::Rule;

use crate::library::{library, top};
use crate::tool::{stderr, stdout, turnstile};

#[test]
fn every_mutant_is_detected_by_the_oracle_of_its_rule() {
    let entries: Vec<_> = library().entries().iter().collect();
    let trial = |rule: Rule| {
        let tried = |entries: Vec<_>| {
            let selftest = Selftest::new(entries, 0, suite::all_cores());
            let mut trials = selftest.try_rules(&[rule], selftest::Trial::is_caught_by_its_oracle, |_| {});
            trials.pop().expect("one rule was tried")
        };
        // The mutant's own script is enough for most.
        let own = selftest::script_of(rule);
        let trial = tried(entries.iter().copied().filter(|entry| entry.id == own).collect());
        match trial.is_caught_by_its_oracle() || !trial.failed.is_empty() {
            true => trial,
            false => tried(entries.clone()),
        }
    };
    let trials: Vec<selftest::Trial> = Rule::ALL.into_iter().map(trial).collect();
    for trial in &trials {
        assert!(trial.failed.is_empty(), "the harness failed: {:#?}", trial.failed);
        assert!(
            trial.is_caught_by_its_oracle(),
            "{:?} must be noticed by {}; by now it is by {:#?}",
            trial.rule,
            selftest::oracle_of(trial.rule),
            trial
                .noticed
                .iter()
                .map(|notice| (&notice.entry.id, &notice.by))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(trials.len(), Rule::ALL.len());
}

#[test]
fn a_build_of_the_server_contains_no_mutant() {
    for package in ["reference", "reference/seams", "fake-gateway", "scenarios"] {
        let manifest = fs::read_to_string(top().join(package).join("Cargo.toml")).expect("it has a manifest");
        // The server's own tests may use mutants, the server itself must not. The fake wrapper has some as a feature.
        let of_the_build = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        let of_the_build = of_the_build.replace("\nmutants = []\n", "\n");
        assert!(
            !of_the_build.contains("mutants"),
            "{package} depends on what breaks rules"
        );
    }
}

#[test]
fn the_command_reports_detected_mutants_and_exits_with_1_for_a_missed_one() {
    let selftest = |arguments: &[&str]| {
        let output = turnstile(&[&["selftest"], arguments].concat());
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    let (status, text) = selftest(&["callback/two-batches", "--rule", "last-of-batch"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(
        text.starts_with("caught  §8  The callback is for the last message of its batch\n"),
        "{text}"
    );
    assert!(text.contains("suite/callback/two-batches "), "{text}");
    assert!(text.contains(" one-callback-per-batch"), "{text}");

    let (status, text) = selftest(&["turn/cold", "--rule", "last-of-batch"]);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.starts_with("MISSED  §8  "), "{text}");
    assert!(text.contains("0 mutants caught, 1 missed"), "{text}");

    for (arguments, expected) in [
        (&["turn/cold", "--rule", "gravity"], "no rule matches"),
        (&["no-such-scenario", "--seed", "1"], "no scenario matches"),
    ] {
        let (status, text) = selftest(arguments);
        assert_eq!(status, Some(2), "{text}");
        assert!(text.contains(expected), "{text}");
    }
}
