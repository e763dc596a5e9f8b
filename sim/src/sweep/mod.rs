//! Plays a script repeatedly, each time with one additional fault at another moment: after the first event, after the
//! second, and so on. Or with two faults, the second at each moment after the first.
//!
//! | file | what is in it |
//! |---|---|
//! | `moments` | the moments of a run, and which of them are alike |
//! | `pairs` | sweeps with two faults |
//! | `terminal` | the report on a terminal |
//!
//! The script's expectations do not apply with a fault, so only the oracles judge.

mod moments;
mod pairs;
mod terminal;

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

use turnstile_scenarios::Scenario;

use self::moments::{Place, first_and_last, places};
pub use self::pairs::{Pair, PairStrip, sweep_pairs};
pub use self::terminal::{write_pairs, write_strip, write_summary};
use crate::report::finding::LabelledFinding;
use crate::script::{HarnessError, Options, SweepFault, TimedFault, Verdict};
use crate::suite;
use crate::workers;

/// Delay of the fault after the event: shorter than any consequence of the event takes.
pub(crate) const AFTER: Duration = Duration::from_micros(1);

/// How to sweep.
pub struct Sweeping<'a> {
    /// The options of each play.
    pub options: Options,
    /// The faults.
    pub kinds: &'a [&'static SweepFault],
    /// The second faults of pairs.
    pub then: &'a [&'static SweepFault],
    /// The number of parallel plays.
    pub jobs: NonZeroUsize,
    /// Whether moments that are alike are all played, and not only the first and the last of them.
    pub has_all_moments: bool,
    /// Whether no further play should begin.
    pub is_over: &'a (dyn Fn() -> bool + Sync),
}

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
    /// The outcome of the play.
    pub outcome: Outcome,
}

/// The outcome of one play.
#[derive(Debug)]
pub enum Outcome {
    /// No findings.
    Passed,
    /// Not played: the moment is like others that are.
    Alike,
    /// Findings; the first of them.
    Failed {
        /// The violated oracle.
        rule: String,
        /// What happened.
        text: String,
        /// The event right before the fault, or the second fault.
        after: String,
    },
    /// The harness failed.
    HarnessFailed(HarnessError),
}

/// The script without expectations, and with failing steps ignored.
pub(crate) fn tolerant(scenario: &Scenario) -> Scenario {
    Scenario {
        tolerant: true,
        expect: Vec::new(),
        ..scenario.clone()
    }
}

/// Plays a script with one fault, or with two.
///
/// # Errors
///
/// If the harness failed.
pub fn play_with_faults(
    scenario: &Scenario,
    options: Options,
    faults: [Option<TimedFault>; 2],
) -> Result<Verdict, HarnessError> {
    suite::play_safely(&tolerant(scenario), Options { faults, ..options })
}

/// Sweeps a script with each kind of fault. Calls `progress` with the number of finished plays and the total.
///
/// # Errors
///
/// The harness failed without a fault. Failures with a fault are part of the strips.
pub fn sweep(
    scenario: &Scenario,
    sweeping: &Sweeping,
    mut progress: impl FnMut(usize, usize),
) -> Result<Vec<Strip>, HarnessError> {
    let places = places_without_fault(scenario, sweeping)?;
    let chosen = sweeping.chosen(&places);
    let count = sweeping.kinds.len() * chosen.iter().filter(|is_chosen| **is_chosen).count();
    let mut strips: Vec<Strip> = Vec::new();
    let mut before = 0;
    for kind in sweeping.kinds {
        let mut strip = Strip::new(kind);
        sweep_with(scenario, sweeping, kind, &places, |moment, _| {
            strip.moments.push(moment);
            progress(before + strip.played(), count);
        });
        before += strip.played();
        strips.push(strip);
        if (sweeping.is_over)() {
            break;
        }
    }
    Ok(strips)
}

/// The moments of a script without a fault.
fn places_without_fault(scenario: &Scenario, sweeping: &Sweeping) -> Result<Vec<Place>, HarnessError> {
    suite::play_safely(&tolerant(scenario), sweeping.options).map(|verdict| places(&verdict))
}

/// Plays a script with one kind of fault at each of these moments that is chosen. Yields each moment, and the moments of its
/// run if it passed, to `done` in order.
fn sweep_with(
    scenario: &Scenario,
    sweeping: &Sweeping,
    kind: &'static SweepFault,
    places: &[Place],
    mut done: impl FnMut(Moment, Vec<Place>),
) {
    let chosen = sweeping.chosen(places);
    let plays = places.iter().zip(chosen);
    workers::in_order(
        plays.take_while(|_| !(sweeping.is_over)()),
        sweeping.jobs,
        |(place, is_chosen)| {
            let at = place.at + AFTER;
            let (outcome, later) = match is_chosen {
                true => outcome_of(scenario, sweeping.options, [Some(TimedFault { at, kind }), None]),
                false => (Outcome::Alike, Vec::new()),
            };
            (Moment { at, outcome }, later)
        },
        |_| {},
        |(moment, later)| {
            if matches!(moment.outcome, Outcome::HarnessFailed(HarnessError::Interrupted)) {
                return ControlFlow::Break(());
            }
            done(moment, later);
            ControlFlow::Continue(())
        },
    );
}

/// The outcome of a play, and the moments of its run if it passed.
fn outcome_of(
    scenario: &Scenario,
    options: Options,
    faults: [Option<TimedFault>; 2],
) -> (Outcome, Vec<Place>) {
    match play_with_faults(scenario, options, faults) {
        Ok(verdict) => match Outcome::of(&verdict, faults.iter().flatten().last()) {
            Outcome::Passed if faults[1].is_none() => (Outcome::Passed, places(&verdict)),
            outcome => (outcome, Vec::new()),
        },
        Err(error) => (Outcome::HarnessFailed(error), Vec::new()),
    }
}

impl Sweeping<'_> {
    /// For each moment whether it is played.
    fn chosen(&self, places: &[Place]) -> Vec<bool> {
        match self.has_all_moments {
            true => vec![true; places.len()],
            false => first_and_last(places),
        }
    }
}

impl fmt::Debug for Sweeping<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sweeping")
            .field("options", &self.options)
            .field("kinds", &self.kinds)
            .field("then", &self.then)
            .field("jobs", &self.jobs)
            .field("has_all_moments", &self.has_all_moments)
            .finish_non_exhaustive()
    }
}

/// The counts of plays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    /// All plays.
    pub played: usize,
    /// Those without findings.
    pub passed: usize,
    /// Those in which the harness failed.
    pub errors: usize,
}

impl Counted {
    /// Adds the plays of a strip.
    pub fn add(&mut self, strip: &Strip) {
        self.played += strip.played();
        self.passed += strip.passed();
        self.errors += strip.failed();
    }

    /// Adds the plays of a strip of pairs.
    pub fn add_pairs(&mut self, strip: &PairStrip) {
        self.add(&strip.first);
        self.played += strip.played;
        self.passed += strip.passed;
        self.errors += strip.failed;
    }
}

impl Outcome {
    /// Whether a play has findings, or the harness failed.
    fn has_failed(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::HarnessFailed(_))
    }

    fn of(verdict: &Verdict, fault: Option<&TimedFault>) -> Self {
        let Some(finding) = LabelledFinding::all(verdict).next() else {
            return Self::Passed;
        };
        let records = verdict.trace.records().iter();
        let before = records.take_while(|record| fault.is_none_or(|fault| record.at < fault.at));
        Self::Failed {
            rule: finding.rule,
            text: finding.text,
            after: before
                .last()
                .map_or_else(String::new, |record| record.line(&verdict.labels)),
        }
    }
}

impl Strip {
    fn new(kind: &'static SweepFault) -> Self {
        let moments = Vec::new();
        Self { kind, moments }
    }

    /// The number of moments without findings.
    pub fn passed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Passed))
    }

    /// The number of moments at which the harness failed.
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::HarnessFailed(_)))
    }

    /// The number of moments that were played.
    pub fn played(&self) -> usize {
        self.count(|outcome| !matches!(outcome, Outcome::Alike))
    }

    fn count(&self, is_counted: impl Fn(&Outcome) -> bool) -> usize {
        let outcomes = self.moments.iter().map(|moment| &moment.outcome);
        outcomes.filter(|outcome| is_counted(outcome)).count()
    }
}
