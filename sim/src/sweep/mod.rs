//! Plays a script repeatedly, each time with one additional fault at another moment: after the first event, after the
//! second, and so on.
//!
//! The script's expectations do not apply with the fault, so only the oracles judge.

mod terminal;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

use turnstile_scenarios::Scenario;

pub use self::terminal::{write_strip, write_summary};
use crate::report::finding::LabelledFinding;
use crate::script::{HarnessError, Options, SweepFault, TimedFault, Verdict};
use crate::suite;
use crate::workers;

/// Delay of the fault after the event: shorter than any consequence of the event takes.
pub(crate) const AFTER: Duration = Duration::from_micros(1);

/// The results of one fault at each moment of a script.
#[derive(Debug)]
pub struct Strip {
    /// The fault.
    pub kind: &'static SweepFault,
    /// The results, in order of the moments.
    pub moments: Vec<Moment>,
}

/// The result of a fault at one moment.
#[derive(Debug)]
pub struct Moment {
    /// The time of the fault.
    pub at: Duration,
    /// The event right before the fault.
    pub after: String,
    /// The outcome of the play.
    pub outcome: Outcome,
}

/// The outcome of one play.
#[derive(Debug)]
pub enum Outcome {
    /// No findings.
    Passed,
    /// Findings; the first of them.
    Failed {
        /// The violated oracle.
        rule: String,
        /// What happened.
        text: String,
    },
    /// The harness failed.
    HarnessFailed(HarnessError),
}

/// A moment with an event.
#[derive(Debug, Clone)]
struct Place {
    at: Duration,
    after: String,
}

/// The script without expectations, and with failing steps ignored.
pub(crate) fn tolerant(scenario: &Scenario) -> Scenario {
    Scenario {
        tolerant: true,
        expect: Vec::new(),
        ..scenario.clone()
    }
}

/// Plays a script with one fault at one moment.
///
/// # Errors
///
/// If the harness failed.
pub fn play_with_fault(
    scenario: &Scenario,
    options: Options,
    fault: TimedFault,
) -> Result<Verdict, HarnessError> {
    let options = Options {
        fault: Some(fault),
        ..options
    };
    suite::play_safely(&tolerant(scenario), options)
}

/// Sweeps a script with each of `kinds` on `jobs` threads. Calls `progress` with the number of finished plays and the
/// total. Ends early if the limits in `options` say that no further play should begin.
///
/// # Errors
///
/// The harness failed without a fault. Failures with a fault are part of the strips.
pub fn sweep(
    scenario: &Scenario,
    options: Options,
    kinds: &[&'static SweepFault],
    jobs: NonZeroUsize,
    mut progress: impl FnMut(usize, usize),
) -> Result<Vec<Strip>, HarnessError> {
    let scenario = &tolerant(scenario);
    let places = places(&suite::play_safely(scenario, options)?);
    let plays: Vec<(&'static SweepFault, &Place)> = kinds
        .iter()
        .flat_map(|kind| places.iter().map(|place| (*kind, place)))
        .collect();
    let count = plays.len();
    let mut strips: Vec<Strip> = Vec::new();
    workers::in_order(
        plays
            .into_iter()
            .take_while(|_| options.watch.is_none_or(|watch| !watch.is_over())),
        jobs,
        |(kind, place)| {
            let at = place.at + AFTER;
            let outcome = match play_with_fault(scenario, options, TimedFault { at, kind }) {
                Ok(verdict) => Outcome::of(&verdict),
                Err(error) => Outcome::HarnessFailed(error),
            };
            let after = place.after.clone();
            (kind, Moment { at, after, outcome })
        },
        |played| progress(played, count),
        |(kind, moment)| {
            if matches!(moment.outcome, Outcome::HarnessFailed(HarnessError::Interrupted)) {
                return ControlFlow::Break(());
            }
            match strips.last_mut().filter(|strip| strip.kind == kind) {
                Some(strip) => strip.moments.push(moment),
                None => strips.push(Strip {
                    kind,
                    moments: vec![moment],
                }),
            }
            ControlFlow::Continue(())
        },
    );
    Ok(strips)
}

/// All moments with an event before the final inspection.
fn places(verdict: &Verdict) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for record in &verdict.trace.records()[..verdict.inspection_start] {
        let place = Place {
            at: record.at,
            after: record.line(&verdict.labels),
        };
        match places.last_mut().filter(|last| last.at == record.at) {
            Some(last) => *last = place,
            None => places.push(place),
        }
    }
    places
}

impl Outcome {
    fn of(verdict: &Verdict) -> Self {
        match LabelledFinding::all(verdict).next() {
            None => Self::Passed,
            Some(finding) => Self::Failed {
                rule: finding.rule,
                text: finding.text,
            },
        }
    }
}

impl Strip {
    /// The number of moments without findings.
    pub fn passed(&self) -> usize {
        let passed = self
            .moments
            .iter()
            .filter(|moment| matches!(moment.outcome, Outcome::Passed));
        passed.count()
    }

    /// The number of moments at which the harness failed.
    pub fn failed(&self) -> usize {
        let failed = self
            .moments
            .iter()
            .filter(|moment| matches!(moment.outcome, Outcome::HarnessFailed(_)));
        failed.count()
    }
}
