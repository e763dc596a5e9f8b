//! Cross-check: every script has the same result in the event world and in the witness (`turmoil::Sim`).
//!
//! By default covers scripts of at most [`LIMIT`] of virtual time in the witness, each on one of its surfaces, and every third
//! mutant ([`STRIDE`]) if its script is short; with `TURNSTILE_WITNESS=all` scripts of at most [`FULL_LIMIT`] on all surfaces,
//! and all mutants.

use std::collections::BTreeMap;
use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use turnstile::script::{self, Options, Settling};
use turnstile::selftest::script_of;
use turnstile::stage::Subject;
use turnstile::suite;
use turnstile::witness::{self, CompareOptions, Comparison, TICK};
use turnstile_mutants::Rule;
use turnstile_scenarios::Entry;
use turnstile_world::WorldKind;

use crate::library::library;
use crate::suite_plays::{self, FIRST, Summary};

/// Limit on virtual time per script in the witness.
const LIMIT: Duration = Duration::from_secs(100);
/// Limit on virtual time per script with `TURNSTILE_WITNESS=all`.
const FULL_LIMIT: Duration = Duration::from_hours(24);
/// Limit on virtual time per mutant in the witness. A play that fails settles for two minutes there, so this is enough for
/// scripts of ten seconds. `mutants` plays against all mutants in the event world.
const LIMIT_WITH_MUTANT: Duration = Duration::from_secs(130);
/// One of this many mutants is compared.
const STRIDE: usize = 3;
/// Minimum number of mutants whose plays are compared.
const MIN_MUTANTS: usize = 12;
/// Minimum number of compared scripts, each on one surface, so that the test cannot pass by skipping.
const MIN_COMPARED: usize = 300;

/// Whether everything is compared that the witness can play.
fn everything() -> bool {
    env::var("TURNSTILE_WITNESS").is_ok_and(|value| value == "all")
}

fn settings() -> CompareOptions {
    CompareOptions {
        seed: 0,
        subject: Subject::default(),
        tick: TICK,
        limit: if everything() { FULL_LIMIT } else { LIMIT },
    }
}

/// The compared scripts with their plays in the event world.
fn scripts() -> Vec<(&'static Entry, &'static Summary)> {
    let entries = match everything() {
        true => library().entries().iter().collect(),
        false => suite_plays::on_one_surface(),
    };
    let with_play = |entry: &'static Entry| (entry, FIRST.of(&entry.id));
    entries.into_iter().map(with_play).collect()
}

/// The result for one script.
enum Compared {
    Equal,
    Unsupported(String),
    Different(String),
}

/// Compares a script whose play in the event world is known.
fn compare(entry: &Entry, played: &Summary, settings: CompareOptions) -> Compared {
    assert_eq!((&entry.id, settings.seed), (&played.id, played.seed));
    let Some(rehearsal) = &played.rehearsal else {
        return Compared::Different(format!("{}: {:?}", entry.id, played.digest));
    };
    match witness::compare_with(&entry.scenario, rehearsal, settings) {
        Ok(Comparison::Compared(events, witness)) if events == witness => Compared::Equal,
        Ok(Comparison::Compared(events, witness)) => Compared::Different(format!(
            "{}: {}",
            entry.id,
            events.differences(&witness).join("; ")
        )),
        Ok(Comparison::Unsupported(reason)) => Compared::Unsupported(reason),
        Err(error) => Compared::Different(format!("{}: {error}", entry.id)),
    }
}

/// Compares all scripts on all cores and returns the results in any order.
fn compare_all(scripts: &[(&Entry, &Summary)]) -> Vec<(String, Compared)> {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..suite::all_cores().get() {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((entry, played)) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    sender
                        .send((entry.id.clone(), compare(entry, played, settings())))
                        .expect("the receiver lives until the end of the scope");
                }
            });
        }
        drop(sender);
        results.iter().collect()
    })
}

#[test]
fn both_worlds_agree_on_every_script_that_the_witness_supports() {
    let scripts = scripts();
    let mut equal = 0;
    let mut unsupported: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut different = Vec::new();
    for (id, result) in compare_all(&scripts) {
        match result {
            Compared::Equal => equal += 1,
            Compared::Unsupported(reason) => unsupported.entry(reason).or_default().push(id),
            Compared::Different(text) => different.push(text),
        }
    }
    println!("{equal} of {} scripts have equal results", scripts.len());
    for (reason, mut ids) in unsupported {
        ids.sort_unstable();
        println!("{} skipped ({reason}):\n  {}", ids.len(), ids.join("\n  "));
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(equal >= MIN_COMPARED, "the witness played only {equal} scripts");
}

#[test]
fn both_worlds_detect_mutants_alike() {
    let library = library();
    let find = |id: &str| {
        let found = library.entries().iter().find(|entry| entry.id == id);
        found.unwrap_or_else(|| panic!("no scenario {id}"))
    };
    let mut compared = 0;
    let mut missed = Vec::new();
    for rule in Rule::ALL
        .into_iter()
        .step_by(if everything() { 1 } else { STRIDE })
    {
        let id = script_of(rule);
        let settings = CompareOptions {
            subject: Subject::from(rule),
            limit: if everything() {
                FULL_LIMIT
            } else {
                LIMIT_WITH_MUTANT
            },
            ..settings()
        };
        match witness::compare(&find(id).scenario, settings) {
            Ok(Comparison::Compared(events, witness)) => {
                compared += 1;
                let differences = events.differences(&witness);
                if !differences.is_empty() || witness.failed_rules.is_empty() {
                    missed.push(format!("{rule:?} in {id}: {}", differences.join("\n    ")));
                }
            }
            Ok(Comparison::Unsupported(_)) if !everything() => {}
            other => missed.push(format!("{rule:?} in {id}: {other:?}")),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    assert!(
        compared >= MIN_MUTANTS,
        "the witness played against {compared} mutants only"
    );
}

#[test]
fn the_witness_is_deterministic_for_a_seed() {
    let library = library();
    let entry = library
        .entries()
        .iter()
        .find(|entry| entry.id == "suite/crash/server-mid-turn");
    let entry = entry.expect("the script exists");
    let play = |seed| {
        let options = Options {
            seed,
            world: WorldKind::Witness { tick: TICK },
            settling: Settling::For(Duration::from_secs(10)),
            ..Options::default()
        };
        let verdict = script::play(&entry.scenario, options);
        verdict.unwrap_or_else(|error| panic!("{error}")).trace
    };
    let (one, other) = (play(7), play(7));
    if let Some(difference) = one.first_difference(&other) {
        panic!("{difference}");
    }
    assert_ne!(one.digest(), play(8).digest(), "the seed has no effect");
}
