//! A harness that finds nothing is worth nothing: servers that break one rule each must be found out.

use std::fs;

use turnstile::selftest::{self, Selftest};
use turnstile::suite;
use turnstile_mutants::Rule;

use crate::library::{library, top};
use crate::tool::{stderr, stdout, turnstile};

#[test]
fn every_broken_server_is_noticed_by_the_oracle_of_its_rule() {
    let library = library();
    let entries = library.entries().iter().collect();
    let selftest = Selftest::new(entries, 0, suite::all_cores());
    let trials = selftest.try_rules(&Rule::ALL, selftest::Trial::is_caught_by_its_oracle, |_| {});
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
fn a_build_of_the_server_alone_cannot_break_a_rule() {
    for package in ["reference", "reference/seams", "fake-gateway", "scenarios"] {
        let manifest = fs::read_to_string(top().join(package).join("Cargo.toml")).expect("it has a manifest");
        // The server's own tests may break its rules, the server itself cannot.
        let of_the_build = manifest.split("[dev-dependencies]").next().unwrap_or_default();
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
    let (status, told) = selftest(&["callback/two-batches", "--rule", "last-of-batch"]);
    assert_eq!(status, Some(0), "{told}");
    assert!(
        told.starts_with("caught  §8  The callback is for the last message of its batch\n"),
        "{told}"
    );
    assert!(told.contains("suite/callback/two-batches "), "{told}");
    assert!(told.contains(" one-callback-per-batch"), "{told}");

    let (status, told) = selftest(&["turn/cold", "--rule", "last-of-batch"]);
    assert_eq!(status, Some(1), "{told}");
    assert!(told.starts_with("MISSED  §8  "), "{told}");
    assert!(told.contains("0 mutants caught, 1 missed"), "{told}");

    for (arguments, told_of) in [
        (&["turn/cold", "--rule", "gravity"], "no rule matches"),
        (&["no-such-scenario", "--seed", "1"], "no scenario matches"),
    ] {
        let (status, told) = selftest(arguments);
        assert_eq!(status, Some(2), "{told}");
        assert!(told.contains(told_of), "{told}");
    }
}
