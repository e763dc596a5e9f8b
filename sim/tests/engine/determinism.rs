//! The same build, seed and script give the same trace, byte for byte, within a process and across processes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use turnstile::script::{self, Options};
use turnstile::suite;
use turnstile_scenarios::Entry;

use crate::library::library;
use crate::tool::{command, stdout};

/// A seed that no other test uses.
const SEED: u64 = 20_260_101;

/// Runs `examine` for every scenario on all cores.
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
fn equal_seeds_give_equal_traces_and_other_seeds_others() {
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
            "{}: the seed has no effect",
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
                "{}: the traces differ at line {line}:\n  {}\n  {}",
                entry.id,
                at(&one),
                at(&other)
            );
        }
        assert_eq!(one.len(), other.len(), "{}: one trace is longer", entry.id);
    });
}
