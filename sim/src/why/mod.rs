//! Finds the moment at which a failure became inevitable: repeats a play up to a moment, lets nothing reach the server any more
//! or varies what follows, and counts how often the failure is still there.
//!
//! | file | what is in it |
//! |---|---|
//! | `moments` | the moments of a play, and the steps that had begun |
//! | `variation` | what follows a moment, drawn again |
//! | `search` | which moments to look at |
//! | `terminal` | the curve on a terminal |
//!
//! Nothing here depends on the clock or on the order in which plays end: the same play, seed and numbers give the same
//! curve.

mod moments;
mod search;
mod terminal;
mod variation;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

use turnstile_scenarios::Scenario;

use self::moments::Instant;
use self::search::Search;
pub use self::terminal::write_curve;
use self::variation::Variation;
pub use crate::curve::{Curve, Jump, Moment};
use crate::report::finding::LabelledFinding;
use crate::script::{Options, Verdict};
use crate::suite;
use crate::workers;

/// By how much the times of findings with one cause differ.
const SAME_TIME: Duration = Duration::from_secs(2);

/// How thoroughly to look.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Number of variations of what follows a moment.
    pub variations: u32,
    /// Most moments to look at.
    pub moments: usize,
    /// Number of threads.
    pub jobs: NonZeroUsize,
}

/// Why there is no curve.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoCurve {
    /// The play has no finding.
    #[error("it passes: there is no failure to explain")]
    Passes,
    /// Variations leave steps out, so what a script says of them does not apply.
    #[error(
        "only its own expectations fail, and these do not apply to variations; no rule for all runs is violated"
    )]
    OnlyExpectations,
    /// The play violates other oracles than the one to explain.
    #[error("{oracle} is not violated, but {violated}")]
    OtherOracles {
        /// The oracle to explain.
        oracle: String,
        /// The violated oracles, each once.
        violated: String,
    },
    /// The search was stopped before it looked at two moments.
    #[error("interrupted before there was a result")]
    Interrupted,
}

/// Draws the curve of the first violation of `oracle`, or else of any oracle, in `verdict`, which is that of `scenario` played
/// with `options`.
/// Calls `progress` with the number of moments looked at, and stops early if it breaks.
///
/// # Errors
///
/// There is no such violation, or it was stopped before there was a result.
pub fn curve(
    scenario: &Scenario,
    options: Options,
    verdict: &Verdict,
    oracle: Option<&str>,
    effort: Effort,
    mut progress: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Curve, NoCurve> {
    let finding = explained(verdict, oracle)?;
    let instants = moments::instants(verdict, scenario.steps.len(), finding.at);
    let healed_at = moments::healed_at(verdict);
    let onset = search::onset(instants.len(), |index| {
        let silent = Variation::silent(scenario, options.seed, &instants[index], healed_at);
        findings_of(&silent, options)
            .is_some_and(|found| found.iter().any(|other| is_repeated(&finding, other)))
    });
    let mut search = Search::over(instants.len(), effort.moments, onset);
    while let Some(index) = search.next() {
        let (failed, of) = outcomes(scenario, options, &instants[index], index, &finding, effort);
        if progress(search.looked_at()).is_break() {
            break;
        }
        search.found(index, failed, of);
    }
    let found = search.into_found();
    if found.len() < 2 {
        return Err(NoCurve::Interrupted);
    }
    let records = verdict.trace.records();
    let line = |record: usize| records[record].line(&verdict.labels);
    let places = onset.map(|onset| (onset - 1, onset));
    let jump = places.or_else(|| search::jump(&found)).map(|(before, after)| {
        let first = instants[before].records;
        Jump {
            is_by_silence: onset.is_some(),
            after: instants[before].at,
            at: instants[after].at,
            events: (first..instants[after].records).map(line).collect(),
            is_clear: onset.is_some() || search::is_clear(&found, before, after),
            is_narrow: after == before + 1,
            record: first,
        }
    });
    let moments = found.iter().map(|(index, (failed, of))| Moment {
        at: instants[*index].at,
        event: line(instants[*index].records - 1),
        failed: *failed,
        of: *of,
    });
    Ok(Curve {
        moments: moments.collect(),
        rule: finding.rule,
        message: finding.label,
        text: finding.text,
        at: finding.at,
        jump,
    })
}

/// The violated oracle that [`curve`] explains unless another one is chosen; `None` if there is nothing to explain.
pub fn explained_rule(verdict: &Verdict) -> Option<String> {
    explained(verdict, None).ok().map(|finding| finding.rule)
}

/// The first violation of `oracle`, or else of any oracle.
fn explained(verdict: &Verdict, oracle: Option<&str>) -> Result<LabelledFinding, NoCurve> {
    if verdict.findings.is_empty() {
        return Err(NoCurve::Passes);
    }
    let violations = || LabelledFinding::all(verdict).filter(|finding| finding.line().is_none());
    let mut violated: Vec<String> = Vec::new();
    for finding in violations() {
        if oracle.is_none_or(|oracle| finding.rule == oracle) {
            return Ok(finding);
        }
        if !violated.contains(&finding.rule) {
            violated.push(finding.rule);
        }
    }
    match oracle {
        Some(oracle) if !violated.is_empty() => Err(NoCurve::OtherOracles {
            oracle: oracle.to_owned(),
            violated: violated.join(", "),
        }),
        _ => Err(NoCurve::OnlyExpectations),
    }
}

/// Plays the variations from a moment on. Returns how many have the failure, and how many have an outcome.
fn outcomes(
    scenario: &Scenario,
    options: Options,
    instant: &Instant,
    index: usize,
    finding: &LabelledFinding,
    effort: Effort,
) -> (u32, u32) {
    let (mut failed, mut of) = (0, 0);
    workers::in_order(
        0..effort.variations,
        effort.jobs,
        |number| {
            let variation = Variation::draw(scenario, options.seed, instant, (index, number));
            let found = findings_of(&variation, options)?;
            Some(found.iter().any(|other| is_the_same(finding, other)))
        },
        |_| {},
        |has_failed| {
            of += u32::from(has_failed.is_some());
            failed += u32::from(has_failed == Some(true));
            ControlFlow::Continue(())
        },
    );
    (failed, of)
}

/// The violations in a variation; `None` if the harness failed.
fn findings_of(variation: &Variation, options: Options) -> Option<Vec<LabelledFinding>> {
    let verdict = suite::play_safely(&variation.scenario, variation.options(options)).ok()?;
    Some(LabelledFinding::all(&verdict).collect())
}

/// Whether a finding is the same one at about the same time. One that is much earlier or later has another cause.
fn is_repeated(one: &LabelledFinding, other: &LabelledFinding) -> bool {
    is_the_same(one, other) && one.at.abs_diff(other.at) <= SAME_TIME
}

/// Whether two findings are about the same rule and the same message of the script.
fn is_the_same(one: &LabelledFinding, other: &LabelledFinding) -> bool {
    one.rule == other.rule && one.label == other.label
}

#[cfg(test)]
mod tests;
