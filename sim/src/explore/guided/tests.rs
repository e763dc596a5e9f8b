use std::path::Path;

use super::*;

/// Plays whose scenarios are checked.
const PLAYS: u64 = 448;
/// Plays that are played.
const PLAYED: u64 = 15;

/// A guide that has taken `rounds` rounds in which every play showed something new.
fn after_rounds(rounds: u64) -> (Guide, Vec<Plan>) {
    let mut guide = Guide::new(3, 1);
    let mut plans = Vec::new();
    for _ in 0..rounds {
        for plan in guide.plan_round(u64::MAX) {
            let features = BTreeSet::from([plan.number as Feature, 7]);
            plans.push(plan.clone());
            guide.take(plan, &Shown { features, cost: 300 });
        }
    }
    (guide, plans)
}

#[test]
fn mutated_scenarios_are_valid_scripts() {
    let (_, plans) = after_rounds(PLAYS / ROUND);
    let mut mutated = 0;
    for plan in plans {
        let scenario = plan.scenario();
        let text = scenario.to_yaml();
        let read = Scenario::parse(&text, Path::new("play.yaml"));
        let read = read.unwrap_or_else(|errors| panic!("play {}: {errors}\n{text}", plan.number));
        assert_eq!(read, scenario, "play {}", plan.number);
        let fresh = Composition::draw(plan.number, None).lay_out(scenario.title.clone());
        mutated += u64::from(fresh.steps != scenario.steps);
    }
    assert!(mutated > PLAYS / 2, "only {mutated} are mutated");
}

#[test]
fn the_first_round_is_of_generated_scenarios() {
    let mut guide = Guide::new(40, 2);
    for (plan, number) in guide.plan_round(5).into_iter().zip((40..).step_by(2)) {
        assert_eq!((plan.number, plan.seed), (number, number));
        let expected = crate::explore::scenario(number);
        assert_eq!(plan.scenario().steps, expected.steps);
    }
}

#[test]
fn plans_depend_only_on_what_was_shown() {
    let scripts = |(_, plans): (Guide, Vec<Plan>)| {
        let scripts = plans.iter().map(|plan| plan.scenario().to_yaml());
        scripts.collect::<Vec<_>>()
    };
    assert_eq!(scripts(after_rounds(3)), scripts(after_rounds(3)));
}

#[test]
fn scenarios_with_rare_features_are_chosen_more_often() {
    let mut guide = Guide::new(0, 1);
    let plans = guide.plan_round(3);
    // The second one alone shows something that the others never show.
    for (plan, features) in plans.into_iter().zip([vec![1], vec![1, 2], vec![1, 3]]) {
        let features = features.into_iter().collect();
        guide.take(plan, &Shown { features, cost: 300 });
    }
    for number in 10..40 {
        guide.map.add(&BTreeSet::from([1, 3, number]));
    }
    guide.corpus.weigh(&guide.map);
    let random = Randomness::new(Streams::new(5).stream(CHOICES));
    let chosen = guide.corpus.choose(&random).expect("there are some");
    assert_eq!(chosen.seed, 1);
}

#[test]
fn a_guided_exploration_is_the_same_with_any_number_of_jobs() {
    let play = |jobs: usize| {
        let playing = Playing {
            with_digest: true,
            ..Playing::default()
        };
        let mut guide = Guide {
            round: 6,
            ..Guide::new(0, 1)
        };
        let mut digests = Vec::new();
        let jobs = NonZeroUsize::new(jobs).expect("not zero");
        explore_guided(
            &mut guide,
            PLAYED,
            jobs,
            &playing,
            || false,
            |explored| {
                let outcome = explored.outcome.expect("the harness works");
                assert!(outcome.failure.is_none(), "play {}", explored.seed);
                digests.push(outcome.digest.map(|digest| digest.to_string()));
                ControlFlow::Continue(())
            },
        );
        (digests, guide.map.clone())
    };
    let (digests, map) = play(1);
    assert_eq!(digests.len() as u64, PLAYED);
    assert_eq!((digests, map), play(3));
}
