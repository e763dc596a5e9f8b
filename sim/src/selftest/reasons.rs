//! Measures how near `turnstile why` comes to the cause of a failure: explains the first seed that detects each mutant, and
//! compares the jump with the decisions that the mutant changed.
//!
//! For a mutant that intercepts no decision, such as one that has another profile or rewrites replies, the changed decisions
//! are those that differ from the play of the unmodified server while both traces are equal. A profile with another delay
//! changes the decision that sets a timer, and the one that the timer leads to if it fires too early.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use turnstile_mutants::Rule;
use turnstile_scenarios::Scenario;

use super::by_seeds::{Search, SearchSettings};
use super::name_of;
use crate::explore;
use crate::report::style::{BAD, GOOD, QUIET};
use crate::script::{HarnessError, Options, Verdict};
use crate::stage::Subject;
use crate::stage::decisions::{self, Decision};
use crate::suite;
use crate::watch::Watch;
use crate::why::{Curve, Effort, NoCurve, curve};

/// How to measure.
#[derive(Debug, Clone, Copy)]
pub struct ReasonSettings {
    /// The largest number of seeds to detect a mutant with.
    pub limit: u64,
    /// The number of threads.
    pub jobs: NonZeroUsize,
    /// The limits of each play.
    pub watch: Watch,
    /// How thoroughly to explain.
    pub effort: Effort,
}

/// What came out for a mutant.
#[derive(Debug)]
pub struct Reason {
    /// The violated rule.
    pub rule: Rule,
    /// The seed that was explained; `None` if none detects the mutant.
    pub seed: Option<u64>,
    /// The result for that seed.
    pub result: Option<Result<Nearness, NotMeasured>>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum NotMeasured {
    /// There is no curve.
    #[error(transparent)]
    NoCurve(#[from] NoCurve),
    /// The probes begin to fail at no moment.
    #[error("the probes begin to fail nowhere")]
    NoJump,
    /// No decision was changed, and nothing differs from the unmodified server.
    #[error("no decision was changed")]
    NoOrigin,
    /// A play failed.
    #[error(transparent)]
    Harness(#[from] HarnessError),
}

/// How near the jump is to what the mutant changed, in instants with events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nearness {
    /// From the nearest changed decision before the finding or the jump to the jump; negative if the jump is earlier. If all are
    /// later, from the instant of the finding.
    pub nearest: isize,
    /// The same from the first changed decision.
    pub first: isize,
    /// The number of changed decisions up to the finding.
    pub changed: usize,
    /// Whether the decisions are those that an interceptor changed.
    pub is_intercepted: bool,
    /// Whether the jump is between two instants that follow each other.
    pub is_narrow: bool,
}

impl Nearness {
    /// Whether the jump is at the record of a changed decision, or at the one before.
    pub fn is_right(self) -> bool {
        self.is_narrow && is_at(self.nearest)
    }

    /// The same for the first changed decision.
    pub fn is_right_of_first(self) -> bool {
        self.is_narrow && is_at(self.first)
    }
}

fn is_at(distance: isize) -> bool {
    (-1..=0).contains(&distance)
}

impl Reason {
    /// Explains the first seed that detects a mutant.
    pub fn of(rule: Rule, settings: ReasonSettings) -> Self {
        let seed = first_seed(rule, settings);
        Self {
            rule,
            seed,
            result: seed.map(|seed| nearness(rule, seed, settings)),
        }
    }

    /// Whether the jump is right; `None` if no seed detects the mutant.
    pub fn is_right(&self) -> Option<bool> {
        let result = self.result.as_ref()?;
        Some(result.as_ref().is_ok_and(|nearness| nearness.is_right()))
    }
}

/// The first seed that detects a mutant.
fn first_seed(rule: Rule, settings: ReasonSettings) -> Option<u64> {
    let search = SearchSettings {
        times: 1,
        limit: settings.limit,
        guided: false,
        jobs: settings.jobs,
        watch: settings.watch,
    };
    let seeds = Search::of(rule, search, |_| {}).seeds;
    // The first search begins with seed 0.
    seeds.first()?.map(|count| count - 1)
}

fn nearness(rule: Rule, seed: u64, settings: ReasonSettings) -> Result<Nearness, NotMeasured> {
    let scenario = explore::scenario(seed);
    let options = |subject: Subject| Options {
        seed,
        subject: subject.unchecked(),
        ..Options::default()
    };
    let mutant = options(Subject::from(rule));
    let (verdict, decided) = noted(&scenario, mutant)?;
    let curve = curve(
        &scenario,
        mutant,
        &verdict,
        None,
        settings.effort,
        |_| match settings.watch.is_over() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        },
    )?;
    let changed: Vec<usize> = decided
        .iter()
        .filter(|decision| decision.is_changed)
        .map(|decision| decision.record)
        .collect();
    let is_intercepted = !changed.is_empty();
    let origins = match is_intercepted {
        true => changed,
        false => {
            let right = noted(&scenario, options(Subject::default()))?;
            differences((&verdict, &decided), (&right.0, &right.1))
        }
    };
    measured(&verdict, &curve, &origins, is_intercepted)
}

fn noted(scenario: &Scenario, options: Options) -> Result<(Verdict, Vec<Decision>), HarnessError> {
    let (verdict, decisions) = decisions::noted(|| suite::play_safely(scenario, options));
    Ok((verdict?, decisions))
}

/// The numbers of records before what was decided, received, answered, sent and stored in a play but differently in another
/// play, as long as the traces are equal; or else before the first record that differs.
fn differences(
    (verdict, decided): (&Verdict, &[Decision]),
    (other, other_decided): (&Verdict, &[Decision]),
) -> Vec<usize> {
    let record = verdict.trace.first_difference(&other.trace);
    let record = record.map(|difference| difference.index);
    let differing = decided.iter().zip(other_decided).filter(|(one, other)| {
        one.digest != other.digest && record.is_none_or(|record| one.record <= record)
    });
    let decisions: Vec<usize> = differing.map(|(one, _)| one.record).collect();
    match decisions.is_empty() {
        true => record.into_iter().collect(),
        false => decisions,
    }
}

/// Compares the jump of a curve with the numbers of records before what a mutant changed.
fn measured(
    verdict: &Verdict,
    curve: &Curve,
    origins: &[usize],
    is_intercepted: bool,
) -> Result<Nearness, NotMeasured> {
    let records = verdict.trace.records();
    // The instant of each record, as a number.
    let mut instants = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        let last = instants.last().copied().unwrap_or(0_isize);
        let is_new = index > 0 && records[index - 1].at != record.at;
        instants.push(last + isize::from(is_new));
    }
    // The failure may become inevitable after the time of the finding.
    let until = curve.jump.as_ref().map_or(curve.at, |jump| jump.at.max(curve.at));
    let end = records.partition_point(|record| record.at <= until);
    let mut known: Vec<isize> = origins
        .iter()
        .filter(|origin| **origin < end)
        .map(|origin| instants[*origin])
        .collect();
    let changed = known.len();
    // A finding about a missing event may have the time of the input that should cause it. What was changed comes only later. Then
    // the instant of the finding is the origin.
    if known.is_empty() && !origins.is_empty() && end > 0 {
        known.push(instants[end - 1]);
    }
    let first = *known.first().ok_or(NotMeasured::NoOrigin)?;
    let jump = curve.jump.as_ref().ok_or(NotMeasured::NoJump)?;
    let at = records.partition_point(|record| record.at < jump.at);
    let at = instants.get(at).copied().unwrap_or_default();
    let distances = known.iter().map(|origin| at - origin);
    let nearest = distances.min_by_key(|distance| (!is_at(*distance), distance.abs()));
    Ok(Nearness {
        nearest: nearest.unwrap_or(at - first),
        first: at - first,
        changed,
        is_intercepted,
        is_narrow: jump.is_narrow,
    })
}

/// Writes the results, and how many are right.
///
/// # Errors
///
/// If `out` fails.
pub fn write_reasons(mut out: impl Write, reasons: &[Reason], limit: u64) -> io::Result<()> {
    writeln!(
        out,
        "{QUIET}{:<34} {:>6} {:>8} {:>8} {:>8}  {:<9} jump{QUIET:#}",
        "mutant", "seed", "nearest", "first", "changed", "from"
    )?;
    for reason in reasons {
        write_reason(&mut out, reason, limit)?;
    }
    let found = reasons.iter().filter_map(Reason::is_right);
    let (found, right) = found.fold((0, 0), |(found, right), is_right| {
        (found + 1, right + usize::from(is_right))
    });
    let of_first = reasons.iter().filter(|reason| {
        let nearness = reason.result.as_ref().and_then(|result| result.as_ref().ok());
        nearness.is_some_and(|nearness| nearness.is_right_of_first())
    });
    writeln!(
        out,
        "{right} of {found} jumps are at a changed decision or the record before, {} at the first one",
        of_first.count()
    )?;
    out.flush()
}

fn write_reason(out: &mut impl Write, reason: &Reason, limit: u64) -> io::Result<()> {
    let name = name_of(reason.rule);
    let Some(seed) = reason.seed else {
        return writeln!(out, "{name:<34} {:>6}", format!(">{limit}"));
    };
    let nearness = match &reason.result {
        Some(Ok(nearness)) => nearness,
        Some(Err(error)) => return writeln!(out, "{name:<34} {seed:>6}  {BAD}{error}{BAD:#}"),
        None => return writeln!(out, "{name:<34} {seed:>6}"),
    };
    let from = if nearness.is_intercepted {
        "decisions"
    } else {
        "trace"
    };
    let (style, word) = match (nearness.is_right(), nearness.is_narrow) {
        (true, _) => (GOOD, "right"),
        (false, true) => (BAD, "elsewhere"),
        (false, false) => (BAD, "wide"),
    };
    writeln!(
        out,
        "{name:<34} {seed:>6} {:>+8} {:>+8} {:>8}  {from:<9} {style}{word}{style:#}",
        nearness.nearest, nearness.first, nearness.changed
    )
}
