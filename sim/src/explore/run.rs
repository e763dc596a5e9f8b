//! Plays many seeds.
//!
//! Traces are large and only needed for failures. Each worker evaluates the trace of its seed and then drops it.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::stage::Subject;
use turnstile_judge::trace::TraceDigest;
use turnstile_scenarios::Scenario;

use super::{cluster, generate};
use crate::report::FailureDetail;
use crate::report::finding::LabelledFinding;
use crate::report::sequence::lines_up_to_finding;
use crate::script::{HarnessError, Options, Verdict};
use crate::suite;
use crate::watch::Watch;
use crate::workers;

/// Settings of plays, and what to keep of each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Playing {
    /// The server under test.
    pub subject: Subject,
    /// What to keep of a failed seed.
    pub detail: FailureDetail,
    /// Whether to compute the digest of each trace.
    pub with_digest: bool,
    /// The limits of each play.
    pub watch: Option<Watch>,
}

/// The result of one seed.
#[derive(Debug)]
pub struct Explored {
    /// The seed.
    pub seed: u64,
    /// The outcome, or the error of the harness.
    pub outcome: Result<Outcome, HarnessError>,
    /// The script of a guided play that did not pass, which its number alone does not determine.
    pub script: Option<Box<Scenario>>,
}

/// The outcome of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// Virtual time from the start to the judgement.
    pub elapsed: Duration,
    /// The digest of its trace, if requested.
    pub digest: Option<TraceDigest>,
    /// The findings; `None` if it passed.
    pub failure: Option<Box<FailedSeed>>,
}

/// The findings of a seed.
#[derive(Debug)]
pub struct FailedSeed {
    /// All findings, in order of time: at least one.
    pub findings: Vec<LabelledFinding>,
    /// The state of the run at the first finding.
    pub shape: cluster::Shape,
    /// The essential events up to the first finding.
    pub sequence: Vec<String>,
    /// The last lines of the trace up to the first finding.
    pub tail: Vec<String>,
    /// Of a live play, whether the simulated world shows the same with the same script.
    pub in_simulation: Option<bool>,
    /// The whole live play.
    pub live: Option<Box<LivePlay>>,
}

/// A live play of a seed, which cannot be played again for a report.
#[derive(Debug)]
pub struct LivePlay {
    /// What was played: a seed has only the faults that the server offers.
    pub scenario: Scenario,
    /// The verdict.
    pub verdict: Verdict,
}

impl Explored {
    /// The result of a live play. `in_simulation` is asked whether the simulated world violates the same rule.
    pub fn live(
        seed: u64,
        scenario: &Scenario,
        verdict: Result<Box<Verdict>, HarnessError>,
        detail: FailureDetail,
        in_simulation: impl FnOnce(&str) -> bool,
    ) -> Self {
        let playing = Playing {
            detail,
            ..Playing::default()
        };
        let outcome = verdict.map(|verdict| {
            let mut outcome = Outcome::of(&verdict, &playing);
            if let (Some(failure), Some(first)) = (&mut outcome.failure, verdict.findings.first()) {
                failure.in_simulation = Some(in_simulation(&first.rule));
                failure.live = Some(Box::new(LivePlay {
                    scenario: scenario.clone(),
                    verdict: *verdict,
                }));
            }
            outcome
        });
        Self {
            seed,
            outcome,
            script: None,
        }
    }

    /// The findings; `None` if it passed or the harness failed.
    pub fn failure(&self) -> Option<&FailedSeed> {
        self.outcome.as_ref().ok()?.failure.as_deref()
    }

    /// Whether it was interrupted, so that it has no outcome.
    pub fn was_interrupted(&self) -> bool {
        matches!(self.outcome, Err(HarnessError::Interrupted))
    }

    /// Whether there are no findings.
    pub fn passed(&self) -> bool {
        self.outcome
            .as_ref()
            .is_ok_and(|outcome| outcome.failure.is_none())
    }

    /// Virtual time from the start to the judgement; zero after an error of the harness.
    pub fn elapsed(&self) -> Duration {
        self.outcome
            .as_ref()
            .map_or(Duration::ZERO, |outcome| outcome.elapsed)
    }
}

impl Outcome {
    fn of(verdict: &Verdict, playing: &Playing) -> Self {
        let failure = verdict.findings.first().map(|first| {
            Box::new(FailedSeed {
                findings: LabelledFinding::all(verdict).collect(),
                shape: cluster::shape(verdict, first),
                sequence: lines_up_to_finding(verdict, playing.detail.sequence_lines),
                tail: verdict.tail(playing.detail.trace_lines),
                in_simulation: None,
                live: None,
            })
        });
        Self {
            elapsed: verdict.elapsed,
            digest: playing.with_digest.then(|| verdict.trace.digest()),
            failure,
        }
    }
}

/// Plays the scenario of one seed.
pub fn play_seed(seed: u64, playing: &Playing) -> Explored {
    Explored {
        seed,
        outcome: outcome_of(seed, &generate::scenario(seed), playing),
        script: None,
    }
}

/// Plays a scenario with this seed.
///
/// # Errors
///
/// If the harness fails.
pub(super) fn outcome_of(seed: u64, scenario: &Scenario, playing: &Playing) -> Result<Outcome, HarnessError> {
    let options = Options {
        seed,
        subject: playing.subject,
        watch: playing.watch,
        ..Options::default()
    };
    let playing = *playing;
    suite::play_for(scenario, options, move |verdict| Outcome::of(&verdict, &playing))
}

/// Plays seeds on `jobs` threads and yields the results to `done` in order until it breaks.
pub fn explore(
    seeds: impl Iterator<Item = u64> + Send,
    jobs: NonZeroUsize,
    playing: &Playing,
    progress: impl FnMut(usize),
    done: impl FnMut(Explored) -> ControlFlow<()>,
) {
    let seeds = seeds.take_while(|_| playing.watch.is_none_or(|watch| !watch.is_over()));
    workers::in_order(seeds, jobs, |seed| play_seed(seed, playing), progress, done);
}
