//! Same build, same seed, same script: the same trace, byte for byte, in one process and in two.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use turnstile::script::{self, Options};
use turnstile::suite;
use turnstile_scenarios::Entry;

use crate::library::library;
use crate::tool::{command, stdout};

/// A seed that no other test plays.
const SEED: u64 = 20_260_101;

/// Has `examine` look at every scenario, on all cores.
fn with_every_scenario(examine: impl Fn(&Entry) + Sync) {
    let library = library();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..suite::all_cores().get() {
            scope.spawn(|| {
                while let Some(entry) = library.entries().get(next.fetch_add(1, Ordering::Relaxed)) {
                    examine(entry);
                }
            });
        }
    });
}

fn play(entry: &Entry, seed: u64) -> turnstile_judge::trace::Trace {
    let options = Options {
        seed,
        ..Options::default()
    };
    let verdict = script::play(&entry.scenario, options);
    verdict
        .unwrap_or_else(|error| panic!("{}: {error}", entry.id))
        .trace
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    with_every_scenario(|entry| {
        let (one, other) = (play(entry, SEED), play(entry, SEED));
        if let Some(difference) = one.first_difference(&other) {
            panic!("{}: {difference}", entry.id);
        }
        assert_eq!(one.digest(), other.digest(), "{}", entry.id);
        let another = play(entry, SEED + 1);
        assert_ne!(
            one.digest(),
            another.digest(),
            "{}: the seed reaches nothing",
            entry.id
        );
    });
}

#[test]
fn two_processes_print_the_same_trace() {
    let print = |entry: &Entry| {
        let output = command(&["replay", "--json", "--seed", &SEED.to_string()])
            .arg(&entry.path)
            .output()
            .expect("the tool can be run");
        stdout(&output)
    };
    with_every_scenario(|entry| {
        let (one, other) = (print(entry), print(entry));
        assert!(!one.is_empty(), "{} printed nothing", entry.id);
        let parts = one
            .lines()
            .zip(other.lines())
            .position(|(one, other)| one != other);
        if let Some(line) = parts {
            let at = |text: &str| text.lines().nth(line).unwrap_or_default().to_owned();
            panic!(
                "{}: the traces part at line {line}:\n  {}\n  {}",
                entry.id,
                at(&one),
                at(&other)
            );
        }
        assert_eq!(one.len(), other.len(), "{}: one trace is longer", entry.id);
    });
}
