//! Finds the moment at which the cause of a failure happened: repeats a play up to a moment, changes what follows, and counts how
//! often the failure is still there.
//!
//! A few changes are the same at each moment, the probes: nothing reaches the server any more, the script ends, or an outage ends
//! what is under way. The cause is where those begin to fail that weigh most: silence, and where it shows nothing, the others.
//! If the server acts on a timer after the last input that matters, the cause is that act.
//!
//! | file | what is in it |
//! |---|---|
//! | `moments` | the moments of a play, and the steps that had begun |
//! | `variation` | what follows a moment: the probes, and what is drawn |
//! | `search` | which moments to look at |
//! | `own_act` | where the server acted on a timer |
//! | `terminal` | the curve on a terminal |
//!
//! Nothing here depends on the clock or on the order in which plays end: the same play, seed and numbers give the same
//! curve.

mod moments;
mod own_act;
mod search;
mod terminal;
mod variation;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use turnstile_scenarios::Scenario;

use self::moments::Instant;
use self::search::{Counts, Search};
pub use self::terminal::write_curve;
use self::variation::{FIRST_FAULT, PROBES, REPORTED_SILENCE, UNREPORTED_SILENCE, Variation};
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
    /// Number of variations of what follows a moment of the curve. The probes are the first of them, and never left out.
    pub variations: u32,
    /// Most moments to look at with the probes.
    pub moments: u32,
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

impl Effort {
    /// The variations, unless asked otherwise.
    pub const VARIATIONS: u32 = 24;
    /// The moments, unless asked otherwise.
    pub const MOMENTS: u32 = 40;

    /// The most moments that are looked at, with the probes and then for the curve.
    pub fn most(self) -> usize {
        let moments = self.moments as usize;
        moments + own_act::MOST_LOOKS + search::COARSE.min(moments) + 3
    }
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
    let instants = moments::instants(verdict, scenario.steps.len());
    let plays = Plays {
        scenario,
        options,
        finding: &finding,
        instants: &instants,
        healed_at: moments::healed_at(verdict),
        jobs: effort.jobs,
    };
    let mut probed = Probed {
        plays: &plays,
        outcomes: BTreeMap::new(),
        is_stopped: false,
    };
    let count = probed.relevant();
    probed.is_stopped = progress(probed.outcomes.len()).is_break();
    let mut search = Search::over(count, effort.moments as usize);
    while let Some(index) = search.next().filter(|_| !probed.is_stopped) {
        search.found(index, weight(probed.at(index)));
        probed.is_stopped = progress(probed.outcomes.len()).is_break();
    }
    if probed.outcomes.len() < 2 {
        return Err(NoCurve::Interrupted);
    }
    let cause = search.jump().map(|jump| {
        let cause = Cause::of(jump, &mut probed);
        let act = probed.own_act(count, &cause, &mut progress);
        act.unwrap_or(cause)
    });
    let mut shown: BTreeSet<usize> = search::coarse(count, effort.moments as usize).collect();
    shown.extend(cause.iter().flat_map(|cause| [cause.before, cause.after]));
    let Probed {
        outcomes,
        mut is_stopped,
        ..
    } = probed;
    let mut found = Vec::new();
    for (index, probes) in outcomes.iter().filter(|(index, _)| shown.contains(index)) {
        // What was found before an interruption is not lost.
        let further = match is_stopped {
            true => Vec::new(),
            false => plays.each(*index, PROBES.len()..PROBES.len().max(effort.variations as usize)),
        };
        found.push((*index, counts(probes.iter().chain(&further))));
        is_stopped |= progress(outcomes.len() + found.len()).is_break();
    }
    let records = verdict.trace.records();
    let line = |record: usize| records[record].line(&verdict.labels);
    let jump = cause.map(|cause| cause.jump(&instants, &found, line));
    let moments = found.iter().map(|(index, (failed, of))| Moment {
        at: instants[*index].at,
        event: line(instants[*index].records - 1),
        failed: *failed,
        of: *of,
    });
    Ok(Curve {
        moments: moments.collect(),
        rule: finding.rule.clone(),
        message: finding.label.clone(),
        text: finding.text.clone(),
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

/// Where the cause is: after one moment, up to another.
struct Cause {
    before: usize,
    after: usize,
    evidence: Evidence,
}

/// What shows where the cause is.
enum Evidence {
    /// The probes other than silence.
    Probes,
    /// In the reported silence the failure comes after the cause, but not before.
    Silence,
    /// The same in the unreported one.
    UnreportedSilence,
    /// In silence the failure comes from an earlier moment on, but not if the server is down before the cause.
    OwnAct {
        /// That moment.
        silent_from: usize,
    },
}

impl Cause {
    /// The cause between two moments whose probes were played.
    fn of((before, after): (usize, usize), probed: &mut Probed<'_>) -> Self {
        let mut begins =
            |silence| has_failed(&probed.at(after)[silence]) && !has_failed(&probed.at(before)[silence]);
        let evidence = match (begins(REPORTED_SILENCE), begins(UNREPORTED_SILENCE)) {
            (true, _) => Evidence::Silence,
            (false, true) => Evidence::UnreportedSilence,
            (false, false) => Evidence::Probes,
        };
        Self {
            before,
            after,
            evidence,
        }
    }

    /// What a curve with these moments says of it. `line` is the text of a record.
    fn jump(&self, instants: &[Instant], found: &[(usize, Counts)], line: impl Fn(usize) -> String) -> Jump {
        let (before, after) = (instants[self.before], instants[self.after]);
        let is_by_probes = matches!(self.evidence, Evidence::Probes);
        Jump {
            is_by_silence: matches!(self.evidence, Evidence::Silence | Evidence::UnreportedSilence),
            by_itself_since: match self.evidence {
                Evidence::OwnAct { silent_from } => Some(instants[silent_from].at),
                _ => None,
            },
            after: before.at,
            at: after.at,
            events: (before.records..after.records).map(line).collect(),
            is_clear: !is_by_probes || search::is_clear(found, self.before, self.after),
            is_narrow: self.after == self.before + 1,
            record: before.records,
        }
    }
}

/// What the probes show at the moments that were looked at.
struct Probed<'a> {
    plays: &'a Plays<'a>,
    outcomes: BTreeMap<usize, Vec<Option<Outcome>>>,
    /// Whether the user stopped the search.
    is_stopped: bool,
}

impl Probed<'_> {
    /// The outcomes of the probes at a moment, which are played now unless they were before.
    fn at(&mut self, moment: usize) -> &[Option<Outcome>] {
        let played = || self.plays.each(moment, 0..PROBES.len());
        self.outcomes.entry(moment).or_insert_with(played)
    }

    /// The number of moments where the cause may be: those up to the finding. If no probe fails from there on, what comes later is
    /// needed for the finding, and all moments count: an event may be wrong for its time only because of a later one.
    fn relevant(&mut self) -> usize {
        let (instants, found_at) = (self.plays.instants, self.plays.finding.at);
        let until_finding = instants.partition_point(|instant| instant.at <= found_at);
        let Some(last) = until_finding.checked_sub(1) else {
            return instants.len();
        };
        if weight(self.at(last)) == 0 {
            instants.len()
        } else {
            until_finding
        }
    }

    /// What the server did on a timer after a cause, in the first `count` moments; `None` if it did nothing that matters. Oracles
    /// excuse failures after an outage as they do after a reported silence. So the failure must come in that one.
    fn own_act(
        &mut self,
        count: usize,
        cause: &Cause,
        progress: &mut impl FnMut(usize) -> ControlFlow<()>,
    ) -> Option<Cause> {
        let is_exact = cause.after == cause.before + 1;
        if !is_exact || !matches!(cause.evidence, Evidence::Silence) {
            return None;
        }
        let silent_from = cause.after;
        let (before, after) = own_act::own_act(&self.plays.instants[..count], silent_from, |moment| {
            if self.is_stopped {
                return None;
            }
            let has_failed = has_failed(&self.at(moment)[FIRST_FAULT]);
            self.is_stopped = progress(self.outcomes.len()).is_break();
            Some(has_failed)
        })?;
        for moment in [before, after] {
            self.at(moment);
        }
        Some(Cause {
            before,
            after,
            evidence: Evidence::OwnAct { silent_from },
        })
    }
}

/// Plays what follows the moments of a play with a finding.
struct Plays<'a> {
    scenario: &'a Scenario,
    options: Options,
    finding: &'a LabelledFinding,
    instants: &'a [Instant],
    healed_at: Duration,
    jobs: NonZeroUsize,
}

/// What a variation shows.
struct Outcome {
    /// Whether it has the finding.
    is_there: bool,
    /// Whether the finding comes at about the same time, too.
    is_repeated: bool,
}

impl Plays<'_> {
    /// Plays variations of a moment; `None` for one in which the harness failed.
    fn each(&self, moment: usize, numbers: Range<usize>) -> Vec<Option<Outcome>> {
        let mut outcomes = Vec::with_capacity(numbers.len());
        workers::in_order(
            numbers,
            self.jobs,
            |number| {
                let play = (self.scenario, self.options.seed);
                let place = (moment, &self.instants[moment]);
                let variation = Variation::numbered(play, place, self.healed_at, number);
                let options = variation.options(self.options);
                let verdict = suite::play_safely(&variation.scenario, options).ok()?;
                let findings: Vec<_> = LabelledFinding::all(&verdict).collect();
                let has = |is_it: fn(&_, &_) -> bool| findings.iter().any(|other| is_it(self.finding, other));
                Some(Outcome {
                    is_there: has(is_the_same),
                    is_repeated: has(is_repeated),
                })
            },
            |_| {},
            |outcome| {
                outcomes.push(outcome);
                ControlFlow::Continue(())
            },
        );
        outcomes
    }
}

/// Whether the failure comes as in the play.
fn has_failed(outcome: &Option<Outcome>) -> bool {
    outcome.as_ref().is_some_and(|outcome| outcome.is_repeated)
}

/// The weight of the probes in which the failure comes as in the play.
fn weight(probes: &[Option<Outcome>]) -> u32 {
    let failing = PROBES
        .iter()
        .zip(probes)
        .filter(|(_, outcome)| has_failed(outcome));
    failing.map(|(weight, _)| weight).sum()
}

/// How many variations have the failure at any time, and how many have an outcome.
fn counts<'a>(outcomes: impl Iterator<Item = &'a Option<Outcome>>) -> Counts {
    outcomes.flatten().fold((0, 0), |(failed, of), outcome| {
        (failed + u32::from(outcome.is_there), of + 1)
    })
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
