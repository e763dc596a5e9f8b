use turnstile_mutants::Rule;

use super::*;
use crate::explore;
use crate::stage::Subject;

const EFFORT: Effort = Effort {
    variations: 6,
    moments: 12,
    jobs: NonZeroUsize::MIN,
};

/// The curve of a seed against a mutant.
fn curve_of(seed: u64, rule: Rule) -> Result<Curve, NoCurve> {
    let scenario = explore::scenario(seed);
    let options = Options {
        seed,
        subject: Subject::from(rule),
        ..Options::default()
    };
    let verdict = suite::play_safely(&scenario, options).expect("the harness works");
    curve(&scenario, options, &verdict, None, EFFORT, |_| {
        ControlFlow::Continue(())
    })
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
fn a_play_without_a_violated_oracle_has_no_curve() {
    let scenario = explore::scenario(0);
    let verdict = suite::play_safely(&scenario, Options::default()).expect("the harness works");
    let none = curve(&scenario, Options::default(), &verdict, None, EFFORT, |_| {
        ControlFlow::Continue(())
    });
    assert_eq!(none.expect_err("it passes"), NoCurve::Passes);
}
