//! Plays many seeds.
//!
//! Traces are large and only needed for failures. Each worker evaluates the trace of its seed and then drops it.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::stage::Subject;
use turnstile_judge::trace::TraceDigest;

use super::{cluster, generate};
use crate::report::finding::{Flaw, ToldFinding};
use crate::script::{HarnessError, Options, Verdict};
use crate::suite;
use crate::workers;

/// Settings of plays, and what to keep of each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Playing {
    /// The server under test.
    pub subject: Subject,
    /// Number of last trace lines to keep for a failed seed.
    pub trace_lines: usize,
    /// Whether to compute the digest of each trace.
    pub with_digest: bool,
}

/// The result of one seed.
#[derive(Debug)]
pub struct Explored {
    /// The seed.
    pub seed: u64,
    /// The outcome, or the error of the harness.
    pub outcome: Result<Outcome, HarnessError>,
}

/// The outcome of a played seed.
#[derive(Debug)]
pub struct Outcome {
    /// Virtual time from the start to the judgement.
    pub elapsed: Duration,
    /// Digest of the trace, if requested.
    pub digest: Option<TraceDigest>,
    /// The findings; `None` if the seed passed.
    pub broken: Option<Box<BrokenSeed>>,
}

/// The findings of a failed seed.
#[derive(Debug)]
pub struct BrokenSeed {
    /// All findings in order of time; never empty.
    pub flaws: Vec<Flaw>,
    /// The state of the run at the first finding.
    pub shape: cluster::Shape,
    /// The last lines of the trace up to the first finding.
    pub tail: Vec<String>,
}

impl Explored {
    /// Returns the findings, if the seed failed.
    pub fn broken(&self) -> Option<&BrokenSeed> {
        self.outcome.as_ref().ok()?.broken.as_deref()
    }

    /// Returns whether the seed passed.
    pub fn passed(&self) -> bool {
        self.outcome
            .as_ref()
            .is_ok_and(|outcome| outcome.broken.is_none())
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
        let broken = verdict.findings.first().map(|first| {
            Box::new(BrokenSeed {
                flaws: ToldFinding::all(verdict).map(Flaw::from).collect(),
                shape: cluster::shape(verdict, first),
                tail: verdict.tail(playing.trace_lines),
            })
        });
        Self {
            elapsed: verdict.elapsed,
            digest: playing.with_digest.then(|| verdict.trace.digest()),
            broken,
        }
    }
}

/// Plays the scenario of one seed.
pub fn play_seed(seed: u64, playing: &Playing) -> Explored {
    let options = Options {
        seed,
        subject: playing.subject,
        ..Options::default()
    };
    let verdict = suite::play_safely(&generate::scenario(seed), options);
    Explored {
        seed,
        outcome: verdict.map(|verdict| Outcome::of(&verdict, playing)),
    }
}

/// Plays seeds on `jobs` threads and yields results in input order until `done` breaks.
pub fn explore(
    seeds: impl Iterator<Item = u64> + Send,
    jobs: NonZeroUsize,
    playing: &Playing,
    progress: impl FnMut(usize),
    done: impl FnMut(Explored) -> ControlFlow<()>,
) {
    workers::in_order(seeds, jobs, |seed| play_seed(seed, playing), progress, done);
}
