use turnstile_judge::trace::{Record, What};
use turnstile_mutants::Rule;

use super::*;
use crate::explore;
use crate::stage::Subject;

const EFFORT: Effort = Effort {
    variations: 7,
    moments: 12,
    jobs: NonZeroUsize::MIN,
};

/// The curve of a seed against a mutant.
fn curve_of(seed: u64, rule: Rule) -> Result<Curve, NoCurve> {
    curve_until(seed, rule, usize::MAX)
}

/// The same, stopped after so many moments.
fn curve_until(seed: u64, rule: Rule, most: usize) -> Result<Curve, NoCurve> {
    let scenario = explore::scenario(seed);
    let options = Options {
        seed,
        subject: Subject::from(rule),
        ..Options::default()
    };
    let verdict = suite::play_safely(&scenario, options).expect("the harness works");
    let proceed = |looked_at| match looked_at < most {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    };
    curve(&scenario, options, &verdict, None, EFFORT, proceed)
}

#[test]
fn a_failure_is_certain_at_its_end_and_the_curve_repeats_exactly() {
    let rule = Rule::LastOfBatchIsRepresentative;
    let curve = curve_of(0, rule).expect("seed 0 fails");
    let last = curve.moments.last().expect("it has moments");
    assert_eq!(last.failed, last.of, "{curve:?}");
    let jump = curve.jump.as_ref().expect("it becomes likelier");
    assert!(jump.after < jump.at && jump.at <= curve.at);
    assert!(!jump.events.is_empty());
    let again = curve_of(0, rule).expect("seed 0 fails");
    assert_eq!(again.moments, curve.moments);
    assert_eq!(again.jump, curve.jump);
}

#[test]
fn what_the_server_does_by_itself_is_the_cause_where_it_does_it() {
    let curve = curve_of(0, Rule::StatusHasItsStep).expect("seed 0 fails");
    let jump = curve.jump.as_ref().expect("it has a cause");
    let since = jump.by_itself_since.expect("nothing has to reach the server");
    // The delivery begins a second after the message came.
    assert!(since + Duration::from_millis(900) < jump.at, "{jump:?}");
    assert!(
        jump.events.iter().any(|event| event.contains("sandbox_starting")),
        "{jump:?}"
    );
    assert!(curve.conclusion().contains("the server caused it by itself"));
}

#[test]
fn an_unreported_silence_finds_failures_that_oracles_excuse_after_faults() {
    let curve = curve_of(1, Rule::DrainIsPrompt).expect("seed 1 fails");
    let jump = curve.jump.as_ref().expect("it has a cause");
    assert!(jump.is_by_silence, "{jump:?}");
    // The message that has to be delivered a second later.
    assert!(jump.at < Duration::from_millis(20), "{jump:?}");
}

#[test]
fn an_interrupted_search_shows_what_it_found() {
    let until = |most| curve_until(0, Rule::LastOfBatchIsRepresentative, most);
    assert_eq!(until(1), Err(NoCurve::Interrupted));
    let probes = u32::try_from(PROBES.len()).unwrap();
    let early = until(3).expect("it looked at three moments").moments;
    assert!(early.len() == 3 && early.iter().all(|moment| moment.of == probes));
    let late = until(EFFORT.moments as usize + 1)
        .expect("only the curve is missing")
        .moments;
    assert_eq!(late[0].of, EFFORT.variations);
    assert_eq!(late.last().map(|moment| moment.of), Some(probes));
}

#[test]
fn a_play_without_a_violated_oracle_has_no_curve() {
    let scenario = explore::scenario(0);
    let verdict = suite::play_safely(&scenario, Options::default()).expect("the harness works");
    let none = curve(&scenario, Options::default(), &verdict, None, EFFORT, |_| {
        ControlFlow::Continue(())
    });
    assert_eq!(none.expect_err("it passes"), NoCurve::Passes);
}

/// The first records of a play, without the notes about its steps: a step that waits at the moment is noted with a shorter time.
fn beginning(verdict: &Verdict, end: usize) -> Vec<&Record> {
    let records = verdict.trace.records()[..end].iter();
    let are_events = |record: &&Record| !matches!(record.what, What::Step { .. });
    records.filter(are_events).collect()
}

#[test]
fn a_variation_equals_the_play_up_to_its_moment() {
    for seed in [1, 48] {
        let scenario = explore::scenario(seed);
        let options = Options {
            seed,
            subject: Subject::default().unchecked(),
            ..Options::default()
        };
        let verdict = suite::play_safely(&scenario, options).expect("the harness works");
        let healed_at = moments::healed_at(&verdict);
        let instants = moments::instants(&verdict, scenario.steps.len());
        let stride = instants.len() / 5 + 1;
        let some = instants.iter().enumerate().rev().step_by(stride);
        for (index, instant) in some {
            for number in 0..PROBES.len() + 6 {
                let play = (&scenario, seed);
                let variation = Variation::numbered(play, (index, instant), healed_at, number);
                let varied = suite::play_safely(&variation.scenario, variation.options(options));
                let varied = varied.expect("the harness works");
                let end = varied
                    .trace
                    .records()
                    .partition_point(|record| record.at <= instant.at);
                let (one, other) = (beginning(&verdict, instant.records), beginning(&varied, end));
                let differing = one.iter().zip(&other).find(|(one, other)| one != other);
                let about = format!("seed {seed}, moment {index}: {variation:?}");
                assert_eq!(differing, None, "{about}");
                assert_eq!(one.len(), other.len(), "{about}");
            }
        }
    }
}
