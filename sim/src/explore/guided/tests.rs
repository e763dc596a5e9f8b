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

/// A scenario that only has a beginning.
fn only_beginning(number: u64) -> Option<Scenario> {
    let streams = Streams::new(number);
    let random = Randomness::new(streams.stream(CHOICES));
    let mut composition = Composition {
        profile: Profile::default(),
        imported: None,
        ..Composition::draw(number, None)
    };
    let first = beginning::beginning(&mut composition, streams, &random);
    let has_beginning = first.is_some() || composition.imported.is_some();
    composition.moves = first.into_iter().collect();
    has_beginning.then(|| composition.lay_out(format!("beginning {number}")))
}

#[test]
fn a_deadline_that_passes_at_the_beginning_shows_that_it_is_wrong() {
    let beginnings: Vec<Scenario> = (0..200).filter_map(only_beginning).collect();
    let violated = |scenario: &Scenario, subject: Subject| {
        let options = Options {
            subject,
            ..Options::default()
        };
        let verdict = crate::suite::play_safely(scenario, options).expect("the harness works");
        let rules = verdict.findings.into_iter().map(|finding| finding.rule);
        rules.collect::<Vec<_>>()
    };
    for scenario in &beginnings[..30] {
        let violated = violated(scenario, Subject::default());
        assert!(violated.is_empty(), "{violated:?}: {}", scenario.to_yaml());
    }
    let oracles = [
        (Rule::ExecutionTimeoutLasts, "executions-end-in-time"),
        (Rule::JobTimeoutLasts, "exhausted-by-its-tries"),
        (Rule::KeepWarmLasts, "idle-runs-are-released"),
        (Rule::ReadyOnlyLasts, "idle-runs-are-released"),
        (Rule::ReadyTimeoutLasts, "exhausted-by-its-tries"),
    ];
    for (rule, oracle) in oracles {
        let is_shown = beginnings.iter().any(|scenario| {
            let violated = violated(scenario, Subject::from(rule));
            violated.iter().any(|violated| violated == oracle)
        });
        assert!(is_shown, "no beginning shows {rule:?} to {oracle}");
    }
}
