use std::path::Path;

use turnstile_mutants::Rule;
use turnstile_profile::Profile;

use super::*;
use crate::explore::composition::Move;
use crate::script::Options;
use crate::stage::Subject;

/// Plays whose scenarios are checked.
const PLAYS: u64 = 300;
/// Plays that are played.
const PLAYED: u64 = 6;

fn plans(count: u64) -> Vec<Plan> {
    let mut guide = Guide::default();
    (3..3 + count).map(|number| guide.plan(number)).collect()
}

#[test]
fn composed_scenarios_are_valid_scripts() {
    let mut composed = 0;
    for plan in plans(PLAYS) {
        let scenario = plan.scenario();
        let text = scenario.to_yaml();
        let read = Scenario::parse(&text, Path::new("play.yaml"));
        let read = read.unwrap_or_else(|errors| panic!("play {}: {errors}\n{text}", plan.number));
        assert_eq!(read, scenario, "play {}", plan.number);
        composed += u64::from(crate::explore::scenario(plan.number).steps != scenario.steps);
    }
    assert!((PLAYS / 2..PLAYS).contains(&composed), "{composed} are composed");
}

#[test]
fn the_first_plays_are_generated_scenarios() {
    for plan in plans(GENERATED_FIRST) {
        assert_eq!(plan.scenario().steps, crate::explore::scenario(plan.number).steps);
    }
}

#[test]
fn scenarios_depend_only_on_the_numbers() {
    let scripts = || {
        plans(40)
            .iter()
            .map(|plan| plan.scenario().to_yaml())
            .collect::<Vec<_>>()
    };
    assert_eq!(scripts(), scripts());
}

#[test]
fn a_move_is_less_new_with_each_scenario_that_has_it() {
    let mut map = FeatureMap::default();
    let composition = Composition::draw(5, None);
    let next = composition.moves.first().expect("every scenario has moves");
    let novelty = |map: &FeatureMap| map.novelty(&features::traits(next), &features::settings(&composition));
    let mut last = novelty(&map);
    for _ in 0..3 {
        map.add(&composition);
        assert!(novelty(&map) < last);
        last = novelty(&map);
    }
}

#[test]
fn composed_scenarios_have_more_kinds_of_disturbances_than_generated_ones() {
    let kinds = |compositions: &[Composition]| {
        let moves = compositions.iter().flat_map(|composition| &composition.moves);
        let disturbances = moves.filter(|next| matches!(next, Move::Disturbance(_)));
        let traits = disturbances.flat_map(features::traits);
        traits.collect::<std::collections::BTreeSet<_>>().len()
    };
    let plans = plans(GENERATED_FIRST + 100)
        .into_iter()
        .skip(GENERATED_FIRST as usize);
    let composed: Vec<Composition> = plans.map(|plan| plan.composition).collect();
    let generated: Vec<Composition> = (3..103).map(|seed| Composition::draw(seed, None)).collect();
    let (composed, generated) = (kinds(&composed), kinds(&generated));
    assert!(
        composed * 2 > generated * 3,
        "{composed} are not many more than {generated}"
    );
}

#[test]
fn a_guided_exploration_is_the_same_with_any_number_of_jobs() {
    let play = |jobs: usize| {
        let playing = Playing {
            with_digest: true,
            ..Playing::default()
        };
        let mut digests = Vec::new();
        let jobs = NonZeroUsize::new(jobs).expect("not zero");
        let guide = Guide {
            planned: GENERATED_FIRST,
            ..Guide::default()
        };
        explore_with(
            guide,
            0..PLAYED,
            jobs,
            &playing,
            |_| {},
            |explored| {
                let outcome = explored.outcome.expect("the harness works");
                assert!(outcome.failure.is_none(), "play {}", explored.seed);
                digests.push(outcome.digest.map(|digest| digest.to_string()));
                ControlFlow::Continue(())
            },
        );
        digests
    };
    let digests = play(1);
    assert_eq!(digests.len() as u64, PLAYED);
    assert_eq!(digests, play(3));
}

/// A scenario without moves, with what makes its moves.
fn without_moves(number: u64) -> (Composition, Streams, Randomness) {
    let streams = Streams::new(number);
    let random = Randomness::new(streams.stream(CHOICES));
    let composition = Composition {
        profile: Profile::default(),
        imported: None,
        moves: Vec::new(),
        ..Composition::draw(number, None)
    };
    (composition, streams, random)
}

/// A scenario that only has a beginning.
fn only_beginning(number: u64) -> Option<Scenario> {
    let (mut composition, streams, random) = without_moves(number);
    composition.moves = beginning::beginning(&mut composition, streams, &random);
    let has_beginning = !composition.moves.is_empty() || composition.imported.is_some();
    has_beginning.then(|| composition.lay_out(format!("beginning {number}")))
}

/// A scenario that only has an ending.
fn only_ending(number: u64) -> Scenario {
    let (mut composition, streams, random) = without_moves(number);
    composition.moves = ending::ending(&composition.profile, streams, &random);
    composition.lay_out(format!("ending {number}"))
}

/// A scenario that is only the life of a session.
fn only_life(number: u64) -> Scenario {
    let (mut composition, streams, _) = without_moves(number);
    ending::unused(&mut composition, streams);
    composition.lay_out(format!("life {number}"))
}

/// The rules that a play violates.
fn violated(scenario: &Scenario, subject: Subject) -> Vec<String> {
    let options = Options {
        subject,
        ..Options::default()
    };
    let verdict = crate::suite::play_safely(scenario, options).expect("the harness works");
    let rules = verdict.findings.into_iter().map(|finding| finding.rule);
    rules.collect()
}

/// Plays some scenarios with the unmodified server, and as many as are needed with each mutant.
fn show(scenarios: &[Scenario], played: usize, mutants: &[(Rule, &str)]) {
    for scenario in &scenarios[..played] {
        let violated = violated(scenario, Subject::default());
        assert!(violated.is_empty(), "{violated:?}: {}", scenario.to_yaml());
    }
    for (rule, oracle) in mutants {
        let mut plays = scenarios
            .iter()
            .map(|scenario| violated(scenario, Subject::from(*rule)));
        let is_shown = plays.any(|violated| violated.iter().any(|violated| violated == oracle));
        assert!(is_shown, "nothing shows {rule:?} to {oracle}");
    }
}

#[test]
fn a_beginning_shows_that_a_deadline_or_a_gate_wait_is_wrong() {
    let beginnings: Vec<Scenario> = (0..150).filter_map(only_beginning).collect();
    let mutants = [
        (Rule::ExecutionTimeoutLasts, "executions-end-in-time"),
        (Rule::GateWaitIsOfItsRun, "one-callback-per-batch"),
        (Rule::JobTimeoutLasts, "exhausted-by-its-tries"),
        (Rule::KeepWarmLasts, "idle-runs-are-released"),
        (Rule::ReadyOnlyLasts, "idle-runs-are-released"),
        (Rule::ReadyTimeoutLasts, "exhausted-by-its-tries"),
    ];
    show(&beginnings, 30, &mutants);
}

#[test]
fn an_ending_shows_that_a_limit_or_a_right_is_wrong() {
    let endings: Vec<Scenario> = (0..150).map(only_ending).collect();
    let mutants = [
        (Rule::PromptLimitIsExact, "invalid-inputs-are-refused"),
        (Rule::QueriesNeedRights, "doors-are-closed"),
        (Rule::QueueLimitIsExact, "ten-pending-at-most"),
    ];
    show(&endings, 20, &mutants);
}

#[test]
fn a_life_shows_that_a_session_stays() {
    let lives: Vec<Scenario> = (0..5).map(only_life).collect();
    let mutants = [(Rule::UnusedSessionIsRemoved, "replies-follow-from-the-log")];
    show(&lives, 2, &mutants);
}
