//! A harness that finds nothing is worth nothing: servers that break one rule each must be found out.

use std::path::Path;

use turnstile::script::Options;
use turnstile::suite::{self, Play};
use turnstile_reference::sabotage::Rule;
use turnstile_scenarios::Library;

/// Plays the suite against a server that breaks `rule`, and gives back which scripts noticed by what.
fn who_notices(rule: Rule) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let library = Library::load(&folder).unwrap_or_else(|errors| panic!("{errors}"));
    let options = Options {
        seed: 0,
        sabotage: rule.into(),
    };
    let plays: Vec<Play> = library
        .entries()
        .iter()
        .map(|entry| Play { entry, options })
        .collect();
    let mut noticed = Vec::new();
    suite::play_all(
        &plays,
        suite::all_cores(),
        |_| {},
        |played| {
            let verdict = played
                .verdict
                .unwrap_or_else(|error| panic!("{}: {error}", played.play.entry.id));
            let found = verdict.findings.iter();
            noticed.extend(found.map(|finding| format!("{}: {}", played.play.entry.id, finding.rule)));
        },
    );
    println!("{rule:?} is noticed by\n  {}", noticed.join("\n  "));
    noticed
}

#[track_caller]
fn assert_noticed_by(rule: Rule, oracle: &str) {
    let noticed = who_notices(rule);
    assert!(
        noticed.iter().any(|notice| notice.ends_with(oracle)),
        "nobody noticed by {oracle}: {noticed:#?}"
    );
}

#[test]
fn a_server_that_forgets_the_retry_of_a_callback_is_noticed() {
    assert_noticed_by(Rule::CallbackRetryIsDurable, "one-callback-per-batch");
}

#[test]
fn a_server_that_accepts_a_stale_fence_is_noticed() {
    assert!(!who_notices(Rule::StaleFenceIsRefused).is_empty());
}

#[test]
fn a_server_that_lets_an_end_be_followed_by_another_is_noticed() {
    assert_noticed_by(Rule::TerminalOnce, "terminal-once");
}

#[test]
fn a_server_that_calls_back_for_the_first_of_a_batch_is_noticed() {
    assert_noticed_by(Rule::LastOfBatchIsRepresentative, "one-callback-per-batch");
}
