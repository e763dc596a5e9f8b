//! Properties of a pure session: the laws of the protocol hold for all events in all orders and at all times.
//!
//! [`actions`] defines the events, [`plans`] draws them, [`world`] performs them, [`committed`] stores what was
//! committed, and [`laws`] judges every decision. [`found`] has plans that once violated a law. This module runs
//! plans and reports failures.
//!
//! `PROPTEST_CASES` sets the number of plans for each property, and `PROPTEST_RNG_SEED` selects other plans. The seed
//! of a failed plan is written to `regressions/` beside this file and should be committed: its plan is then played
//! first, as long as plans are drawn in the same way.

mod actions;
mod committed;
mod found;
mod frames;
mod laws;
mod mutants;
mod plans;
mod protocol;
mod setting;
mod world;

use std::collections::BTreeSet;
use std::env;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestCaseError, TestError, TestRunner};
use turnstile_mutants::Rule;

use self::actions::Plan;
use self::laws::Violation;
use self::plans::{Faults, plans};
use self::world::{Outlook, World};

/// The number of plans for each property, unless the environment sets it.
const CASES: u32 = 500;
/// The number of plans that find each mutant and reach everything. They begin with those of the properties.
const MANY_CASES: u32 = 1500;
/// The maximum number of steps of a plan.
const STEPS: usize = 80;
/// The seed, unless the environment sets it. The plans are always the same.
const SEED: u64 = 1;

const NO_FAULTS: Faults = Faults {
    commits: 0,
    crashes: 0,
};
const CRASHES: Faults = Faults {
    commits: 0,
    crashes: 8,
};
const FAILING_COMMITS: Faults = Faults {
    commits: 15,
    crashes: 0,
};
const ALL_FAULTS: Faults = Faults {
    commits: 5,
    crashes: 5,
};

/// Plays a plan in a world. Returns the world and the result.
fn play(mut world: World, plan: &Plan, outlook: Option<Outlook>) -> (World, Result<(), Violation>) {
    let outcome = world.play(plan).and_then(|()| match outlook {
        Some(outlook) => world.settle(outlook),
        None => Ok(()),
    });
    (world, outcome)
}

/// Draws plans with such faults and finds the smallest one that violates a law, continuing with `outlook` and with a
/// mutant if given.
fn search(
    config: Config,
    faults: Faults,
    outlook: Option<Outlook>,
    broken: Option<Rule>,
) -> Result<(), TestError<Plan>> {
    TestRunner::new(config).run(&plans(faults, STEPS), |plan| {
        let (_, outcome) = play(World::new(&plan.setting, broken), &plan, outlook);
        outcome.map_err(|violation| TestCaseError::fail(violation.to_string()))
    })
}

fn config() -> Config {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    config
}

/// Fails with the smallest plan that violates a law, the law, and a timeline.
fn holds(regressions: &'static str, faults: Faults, outlook: Option<Outlook>) {
    let config = Config {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        ..config()
    };
    match search(config, faults, outlook, None) {
        Ok(()) => {}
        Err(TestError::Fail(reason, plan)) => panic!("{reason}\n\n{}", describe(&plan, outlook)),
        Err(aborted) => panic!("{aborted}"),
    }
}

/// A plan and its timeline.
fn describe(plan: &Plan, outlook: Option<Outlook>) -> String {
    let world = World::new(&plan.setting, None).with_timeline();
    let (world, _) = play(world, plan, outlook);
    format!("{plan:#?}, then {outlook:?}\n\n{}", world.timeline())
}

/// The file for the seeds of a failed property.
macro_rules! regressions {
    ($name:literal) => {
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/session/session_properties/regressions/",
            $name,
            ".txt"
        )
    };
}

#[test]
fn laws_hold_without_faults() {
    holds(regressions!("no_faults"), NO_FAULTS, None);
}

#[test]
fn laws_hold_across_crashes_and_acknowledged_messages_survive() {
    holds(regressions!("crashes"), CRASHES, Some(Outlook::Works));
}

#[test]
fn laws_hold_across_failed_commits() {
    holds(regressions!("failing_commits"), FAILING_COMMITS, None);
}

#[test]
fn with_a_working_wrapper_all_messages_end_and_all_callbacks_are_submitted() {
    holds(regressions!("works"), ALL_FAULTS, Some(Outlook::Works));
}

#[test]
fn without_a_wrapper_all_messages_end_and_all_callbacks_are_submitted() {
    holds(regressions!("no_wrapper"), ALL_FAULTS, Some(Outlook::NoWrapper));
}

#[test]
fn with_silent_wrappers_all_messages_end_and_all_callbacks_are_submitted() {
    holds(regressions!("silence"), ALL_FAULTS, Some(Outlook::Silence));
}

#[test]
fn with_wrappers_that_only_answer_pings_all_messages_end() {
    holds(regressions!("pongs_only"), ALL_FAULTS, Some(Outlook::PongsOnly));
}

#[test]
fn the_plans_cover_every_end_refusal_and_command() {
    let mut runner = TestRunner::new(config());
    let strategy = plans(ALL_FAULTS, STEPS);
    let mut reached = BTreeSet::new();
    for _ in 0..MANY_CASES {
        let plan = strategy
            .new_tree(&mut runner)
            .expect("nothing is rejected")
            .current();
        let (world, _) = play(World::new(&plan.setting, None), &plan, None);
        reached.extend(world.reached().iter().cloned());
    }
    let missed: Vec<_> = [
        "queued",
        "sent",
        "completed - assistant_message_event",
        "failed assistant_error assistant_message_event",
        "interrupted interrupted interrupt",
        "failed wrapper_error wrapper_failure",
        "failed wrapper_disconnected wrapper_failure",
        "failed wrapper_failure wrapper_failure",
        "completed - idle_reconciliation",
        "failed missing_assistant_reply idle_reconciliation",
        "failed exhausted delivery_failure",
        "BadRequest",
        "TooManyRequests",
        "StaleRun",
        "StaleConnection",
        "cancelled",
        "close 1000",
        "close 4401",
        "Ping",
        "Kill",
        "a callback with errorMessage",
        "a callback with gateResult",
        "a callback with lastAssistantMessageText",
        "a callback of an execution",
        "RequestSnapshot",
        "UnknownExecution",
        "AnotherExecution",
        "ExecutionOver",
        "execution completed complete",
        "execution failed error",
        "execution failed wrapper_disconnected",
        "execution interrupted interrupted",
        "deleted",
        "expired",
        "removed",
        "no session",
    ]
    .into_iter()
    .filter(|wanted| !reached.contains(*wanted))
    .collect();
    assert_eq!(missed, [""; 0], "reached {reached:#?}");
}
