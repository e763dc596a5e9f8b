//! Properties of the pure session: whatever happens around it, in whatever order and at whatever time,
//! the laws of the protocol hold.
//!
//! [`actions`] says what can happen, [`plans`] what does, [`world`] makes it happen, [`committed`] keeps
//! what was committed, and [`laws`] judges every decision; [`found`] keeps the plans that once broke one.
//! Here is how plans are played and how a failure is told.
//!
//! `PROPTEST_CASES` sets the plans for each property, `PROPTEST_RNG_SEED` draws others than the usual
//! ones. The seed of a plan that failed goes to `regressions/` beside this file, to be committed: its plan is
//! played first from then on, for as long as plans are drawn in the same way.

mod actions;
mod committed;
mod found;
mod laws;
mod mutants;
mod plans;
mod protocol;
mod setting;
mod words;
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

/// Plans for each property, unless the environment says otherwise.
const CASES: u32 = 1500;
/// Steps of a plan at most.
const STEPS: usize = 80;
/// The plans that are drawn, unless the environment says otherwise: the same ones every time.
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

/// A world in which a plan was played, and what came of it.
fn play(mut world: World, plan: &Plan, outlook: Option<Outlook>) -> (World, Result<(), Violation>) {
    let outcome = world.play(plan).and_then(|()| match outlook {
        Some(outlook) => world.settle(outlook),
        None => Ok(()),
    });
    (world, outcome)
}

/// Draws plans with such faults, and finds the smallest that breaks a law when the world goes on with
/// `outlook`. The server breaks a rule, if one is given.
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

/// Fails with the smallest plan that breaks a law, the law, and what happened.
fn holds(regressions: &'static str, faults: Faults, outlook: Option<Outlook>) {
    let config = Config {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        ..config()
    };
    match search(config, faults, outlook, None) {
        Ok(()) => {}
        Err(TestError::Fail(reason, plan)) => panic!("{reason}\n\n{}", tale(&plan, outlook)),
        Err(aborted) => panic!("{aborted}"),
    }
}

/// A plan, and what happens in it.
fn tale(plan: &Plan, outlook: Option<Outlook>) -> String {
    let world = World::new(&plan.setting, None).narrated();
    let (world, _) = play(world, plan, outlook);
    format!("{plan:#?}, then {outlook:?}\n\n{}", world.timeline())
}

/// The file that seeds of a property go to when they fail.
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
fn every_law_holds_whatever_happens_around_the_session() {
    holds(regressions!("no_faults"), NO_FAULTS, None);
}

#[test]
fn every_law_holds_across_crashes_and_nothing_that_was_acked_is_lost() {
    holds(regressions!("crashes"), CRASHES, Some(Outlook::Works));
}

#[test]
fn a_decision_that_could_not_be_committed_never_happened() {
    holds(regressions!("failing_commits"), FAILING_COMMITS, None);
}

#[test]
fn once_everything_works_every_message_ends_and_every_callback_is_handed_over() {
    holds(regressions!("works"), ALL_FAULTS, Some(Outlook::Works));
}

#[test]
fn without_any_wrapper_every_message_ends_and_every_callback_is_handed_over() {
    holds(regressions!("no_wrapper"), ALL_FAULTS, Some(Outlook::NoWrapper));
}

#[test]
fn with_silent_wrappers_every_message_ends_and_every_callback_is_handed_over() {
    holds(regressions!("silence"), ALL_FAULTS, Some(Outlook::Silence));
}

#[test]
fn with_wrappers_that_only_answer_pings_every_message_ends() {
    holds(regressions!("pongs_only"), ALL_FAULTS, Some(Outlook::PongsOnly));
}

#[test]
fn the_plans_get_to_every_end_refusal_and_command_that_the_laws_are_about() {
    let mut runner = TestRunner::new(config());
    let strategy = plans(ALL_FAULTS, STEPS);
    let mut reached = BTreeSet::new();
    for _ in 0..CASES {
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
