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
use std::ops::{AddAssign, ControlFlow};
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
    /// The counts of the plays.
    pub counted: Counted,
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
    let swept = Swept::of(scenario, sweeping)?;
    let count = sweeping.kinds.len() * swept.played();
    let mut strips: Vec<Strip> = Vec::new();
    let mut before = 0;
    for kind in sweeping.kinds {
        let mut strip = Strip::new(kind);
        sweep_with(&swept, sweeping, kind, |moment, _| {
            strip.push(moment);
            progress(before + strip.counted.played, count);
        });
        before += strip.counted.played;
        strips.push(strip);
        if (sweeping.is_over)() {
            break;
        }
    }
    Ok(strips)
}

/// A script that tolerates faults, and the moments at which they can happen.
struct Swept {
    scenario: Scenario,
    /// The times of single faults, and whether they are played.
    moments: Vec<(Duration, bool)>,
}

impl Swept {
    /// Plays a script without a fault.
    fn of(scenario: &Scenario, sweeping: &Sweeping) -> Result<Self, HarnessError> {
        let scenario = tolerant(scenario);
        let places = suite::play_for(&scenario, sweeping.options, |verdict| places(&verdict))?;
        let chosen = match sweeping.has_all_moments {
            true => vec![true; places.len()],
            false => first_and_last(&places),
        };
        let times = places.iter().map(|place| place.at + AFTER);
        Ok(Self {
            scenario,
            moments: times.zip(chosen).collect(),
        })
    }

    /// The number of moments that are played.
    fn played(&self) -> usize {
        self.moments.iter().filter(|(_, is_played)| *is_played).count()
    }
}

/// Plays a script with one kind of fault at each moment that is played. Yields each moment, and the moments of its run if it
/// passed, to `done` in order.
fn sweep_with(
    swept: &Swept,
    sweeping: &Sweeping,
    kind: &'static SweepFault,
    mut done: impl FnMut(Moment, Vec<Place>),
) {
    workers::in_order(
        swept.moments.iter().take_while(|_| !(sweeping.is_over)()),
        sweeping.jobs,
        |(at, is_played)| {
            let at = *at;
            let (outcome, later) = match is_played {
                true => outcome_of(swept, sweeping, [Some(TimedFault { at, kind }), None]),
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

/// The outcome of a play, and the moments of its run if a single fault passed.
fn outcome_of(swept: &Swept, sweeping: &Sweeping, faults: [Option<TimedFault>; 2]) -> (Outcome, Vec<Place>) {
    let options = Options {
        faults,
        ..sweeping.options
    };
    let played = suite::play_for(&swept.scenario, options, move |verdict| {
        match Outcome::of(&verdict, faults.iter().flatten().last()) {
            Outcome::Passed if faults[1].is_none() => (Outcome::Passed, places(&verdict)),
            outcome => (outcome, Vec::new()),
        }
    });
    played.unwrap_or_else(|error| (Outcome::HarnessFailed(error), Vec::new()))
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
    fn note(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Alike => return,
            Outcome::Passed => self.passed += 1,
            Outcome::Failed { .. } => {}
            Outcome::HarnessFailed(_) => self.errors += 1,
        }
        self.played += 1;
    }
}

impl AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        self.played += other.played;
        self.passed += other.passed;
        self.errors += other.errors;
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
        Self {
            kind,
            moments: Vec::new(),
            counted: Counted::default(),
        }
    }

    fn push(&mut self, moment: Moment) {
        self.counted.note(&moment.outcome);
        self.moments.push(moment);
    }
}
