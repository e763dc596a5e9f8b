//! Sweeps with two faults: the second at each moment after the first.
//!
//! A moment after a first fault is left out if a state like it has followed a first fault before, of any kind: what a second
//! fault does there was tried. What a server remembers of a first fault and the wire does not show is not part of the
//! state.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use turnstile_scenarios::Scenario;

use super::{AFTER, Counted, Outcome, Strip, Sweeping, Swept, outcome_of, sweep_with};
use crate::script::{HarnessError, SweepFault, TimedFault};
use crate::workers;

/// The results of one kind of fault, and of each kind after it.
#[derive(Debug)]
pub struct PairStrip {
    /// The results of the first fault alone.
    pub first: Strip,
    /// The counts of the plays with a second fault.
    pub counted: Counted,
    /// The number of moments after a first fault that were left out.
    pub alike: usize,
    /// The first pair that violated each rule, or in which the harness failed.
    pub failures: Vec<Pair>,
}

/// Two faults that did not pass.
#[derive(Debug)]
pub struct Pair {
    /// The first fault.
    pub first: TimedFault,
    /// The second fault.
    pub second: TimedFault,
    /// The outcome of the play.
    pub outcome: Outcome,
}

/// A first fault and a moment for a second one.
#[derive(Clone, Copy)]
struct Second {
    first: TimedFault,
    at: Duration,
}

/// Sweeps a script with each kind of fault and each kind after it. Calls `progress` with the number of finished plays and
/// the number of plays that are known to follow. Second faults follow only first ones that pass.
///
/// # Errors
///
/// The harness failed without a fault. Failures with a fault are part of the strips.
pub fn sweep_pairs(
    scenario: &Scenario,
    sweeping: &Sweeping,
    mut progress: impl FnMut(usize, usize),
) -> Result<Vec<PairStrip>, HarnessError> {
    let swept = Swept::of(scenario, sweeping)?;
    let mut strips = Vec::new();
    let (mut before, mut known) = (0, sweeping.kinds.len() * swept.played());
    let mut seen = BTreeSet::new();
    for kind in sweeping.kinds {
        let mut strip = PairStrip::new(kind);
        let mut seconds = Vec::new();
        sweep_with(&swept, sweeping, kind, |moment, later| {
            for place in later.into_iter().filter(|place| place.at >= moment.at) {
                if seen.insert(place.without_events) || sweeping.has_all_moments {
                    let first = TimedFault { at: moment.at, kind };
                    let at = place.at + AFTER;
                    seconds.push(Second { first, at });
                } else {
                    strip.alike += 1;
                }
            }
            strip.first.push(moment);
            progress(before + strip.first.counted.played, known);
        });
        before += strip.first.counted.played;
        known += seconds.len() * sweeping.then.len();
        strip.play(&swept, sweeping, &seconds, |played| {
            progress(before + played, known);
        });
        before += strip.counted.played;
        strips.push(strip);
        if (sweeping.is_over)() {
            break;
        }
    }
    Ok(strips)
}

impl PairStrip {
    fn new(kind: &'static SweepFault) -> Self {
        Self {
            first: Strip::new(kind),
            counted: Counted::default(),
            alike: 0,
            failures: Vec::new(),
        }
    }

    fn play(
        &mut self,
        swept: &Swept,
        sweeping: &Sweeping,
        seconds: &[Second],
        mut progress: impl FnMut(usize),
    ) {
        let kinds = sweeping.then;
        let plays = seconds
            .iter()
            .flat_map(|second| kinds.iter().map(move |kind| (second, *kind)));
        let mut violated = BTreeSet::new();
        workers::in_order(
            plays.take_while(|_| !(sweeping.is_over)()),
            sweeping.jobs,
            |(second, kind)| {
                let (first, second) = (second.first, TimedFault { at: second.at, kind });
                let (outcome, _) = outcome_of(swept, sweeping, [Some(first), Some(second)]);
                Pair {
                    first,
                    second,
                    outcome,
                }
            },
            |_| {},
            |pair| {
                let what = match &pair.outcome {
                    Outcome::HarnessFailed(HarnessError::Interrupted) => return ControlFlow::Break(()),
                    Outcome::Passed | Outcome::Alike => None,
                    Outcome::Failed { rule, .. } => Some(rule.clone()),
                    Outcome::HarnessFailed(_) => Some(String::new()),
                };
                self.counted.note(&pair.outcome);
                progress(self.counted.played);
                if what.is_some_and(|what| violated.insert(what)) {
                    self.failures.push(pair);
                }
                ControlFlow::Continue(())
            },
        );
    }
}
