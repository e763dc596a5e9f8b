//! The same scripts in a world on somebody else's loop: it must come to the same.
//!
//! Usually the witness is asked about every script that takes it no more than [`PATIENCE`] of virtual time;
//! with `TURNSTILE_WITNESS=all` about everything that takes no more than [`ALL_PATIENCE`].

use std::collections::BTreeMap;
use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use turnstile::script::{self, Options, Settling};
use turnstile::stage::Subject;
use turnstile::suite;
use turnstile::witness::{self, Question, TICK, Testimony};
use turnstile_mutants::Rule;
use turnstile_scenarios::Entry;
use turnstile_world::WorldKind;

use crate::library::library;

/// The longest virtual time that the witness spends on a script.
const PATIENCE: Duration = Duration::from_mins(5);
/// As [`PATIENCE`], if it is to tell about all that it can.
const ALL_PATIENCE: Duration = Duration::from_hours(24);
/// How many scripts it must have told about, whatever it is spared: an account of nothing agrees with
/// everything.
const CARRIED_AT_LEAST: usize = 370;

fn question() -> Question {
    let everything = env::var("TURNSTILE_WITNESS").is_ok_and(|wish| wish == "all");
    Question {
        seed: 0,
        subject: Subject::default(),
        tick: TICK,
        patience: if everything { ALL_PATIENCE } else { PATIENCE },
    }
}

/// What came of asking about one script, in words where it is not what it should be.
enum Asked {
    Agreed,
    Withheld(String),
    Differed(String),
}

fn ask(entry: &Entry, question: Question) -> Asked {
    match witness::ask(&entry.scenario, question) {
        Ok(Testimony::Given(first, witnessed)) if first == witnessed => Asked::Agreed,
        Ok(Testimony::Given(first, witnessed)) => Asked::Differed(format!(
            "{}: {}",
            entry.id,
            first.differences(&witnessed).join("; ")
        )),
        Ok(Testimony::Withheld(why)) => Asked::Withheld(why),
        Err(error) => Asked::Differed(format!("{}: {error}", entry.id)),
    }
}

/// Asks about everything on all cores. What comes out comes in any order.
fn ask_all(questions: &[(&Entry, Question)]) -> Vec<(String, Asked)> {
    let next = AtomicUsize::new(0);
    let (sender, asked) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..suite::all_cores().get() {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((entry, question)) = questions.get(next.fetch_add(1, Ordering::Relaxed)) {
                    sender
                        .send((entry.id.clone(), ask(entry, *question)))
                        .expect("somebody listens until all have been asked about");
                }
            });
        }
        drop(sender);
        asked.iter().collect()
    })
}

#[test]
fn both_worlds_come_to_the_same_in_every_script_that_the_witness_can_carry() {
    let library = library();
    let questions: Vec<_> = library
        .entries()
        .iter()
        .map(|entry| (entry, question()))
        .collect();
    let mut agreed = 0;
    let mut withheld: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut differed = Vec::new();
    for (id, asked) in ask_all(&questions) {
        match asked {
            Asked::Agreed => agreed += 1,
            Asked::Withheld(why) => withheld.entry(why).or_default().push(id),
            Asked::Differed(how) => differed.push(how),
        }
    }
    println!("{agreed} of {} scripts come to the same", questions.len());
    for (why, mut ids) in withheld {
        ids.sort_unstable();
        println!(
            "{} not asked about, because {why}:\n  {}",
            ids.len(),
            ids.join("\n  ")
        );
    }
    assert!(differed.is_empty(), "{}", differed.join("\n"));
    assert!(
        agreed >= CARRIED_AT_LEAST,
        "the witness told about {agreed} scripts only"
    );
}

/// A script by which a server that breaks a rule is noticed.
const NOTICED: [(Rule, &str); 18] = [
    (Rule::EnqueueIsAwaited, "suite/callback/queue-refuses-for-a-while"),
    (
        Rule::CallbackRetryIsDurable,
        "suite/callback/queue-refuses-over-a-restart",
    ),
    (Rule::QueuedIsPending, "suite/crash/acceptance-not-stored"),
    (Rule::PendingIsQueued, "suite/crash/server-during-the-retries"),
    (Rule::LastOfBatchIsRepresentative, "suite/callback/two-batches"),
    (
        Rule::CallbackNamesItsExecution,
        "regressions/interrupt-during-a-hanging-delivery",
    ),
    (Rule::GateWaitIsOfItsRun, "suite/callback/gate-of-another-run"),
    (
        Rule::RebindForgetsAbort,
        "suite/interrupt/never-says-that-it-stopped",
    ),
    (
        Rule::ReconnectCancelsGrace,
        "regressions/ping-lost-with-its-socket",
    ),
    (Rule::StaleFenceIsRefused, "suite/callback/gate-after-the-loss"),
    (Rule::TerminalOnce, "suite/interrupt/end-on-its-way"),
    (Rule::TerminalBeforeRemoval, "suite/crash/wrapper-gone-for-good"),
    (Rule::LastSlotExhausts, "suite/crash/wrapper-never-there"),
    (Rule::SnapshotTellsOfFailed, "regressions/kill-overtakes-a-feed"),
    (Rule::ReplayIsWhole, "suite/crash/ack-lost"),
    (
        Rule::CallbackTargetIsSecret,
        "suite/legacy/execution-loses-its-wrapper",
    ),
    (Rule::QueueLimitIsExact, "suite/queue/overflow-then-interrupt"),
    (Rule::RepeatIsAdmittedOnce, "suite/crash/ack-lost"),
];

#[test]
fn both_worlds_notice_the_same_about_every_broken_server() {
    let library = library();
    let find = |id: &str| {
        let found = library.entries().iter().find(|entry| entry.id == id);
        found.unwrap_or_else(|| panic!("there is no {id}"))
    };
    let mut missed = Vec::new();
    for (rule, id) in NOTICED {
        let question = Question {
            subject: Subject::from(rule),
            patience: Duration::from_mins(15),
            ..question()
        };
        match witness::ask(&find(id).scenario, question) {
            Ok(Testimony::Given(first, witnessed)) => {
                let differences = first.differences(&witnessed);
                if !differences.is_empty() || witnessed.broken.is_empty() {
                    missed.push(format!("{rule:?} in {id}: {}", differences.join("\n    ")));
                }
            }
            other => missed.push(format!("{rule:?} in {id}: {other:?}")),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn the_witness_tells_the_same_with_the_same_seed() {
    let library = library();
    let entry = library
        .entries()
        .iter()
        .find(|entry| entry.id == "suite/crash/server-mid-turn");
    let entry = entry.expect("there is such a script");
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
    assert_ne!(one.digest(), play(8).digest(), "the seed reaches nothing");
}
