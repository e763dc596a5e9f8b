//! Playing many seeds.
//!
//! A trace is large, and nobody looks at that of a seed in which all held: what a seed has come to is worked out
//! where it was played, and its trace is dropped there.

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

/// How seeds are played, and what is kept of each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Playing {
    /// Which server is put to the test.
    pub subject: Subject,
    /// How many last lines of the trace are kept of a seed in which something did not hold.
    pub trace_lines: usize,
    /// Whether the digest of each trace is worked out.
    pub with_digest: bool,
}

/// What came of one seed.
#[derive(Debug)]
pub struct Explored {
    /// The seed.
    pub seed: u64,
    /// What came of it, or why nothing did.
    pub outcome: Result<Outcome, HarnessError>,
}

/// What is left of a seed that was played.
#[derive(Debug)]
pub struct Outcome {
    /// Virtual time from the beginning to the judgement.
    pub elapsed: Duration,
    /// The digest of its trace, if it was asked for.
    pub digest: Option<TraceDigest>,
    /// What did not hold; none if all did.
    pub broken: Option<Box<BrokenSeed>>,
}

/// What did not hold in a seed.
#[derive(Debug)]
pub struct BrokenSeed {
    /// All of it, in order of time: at least one thing.
    pub flaws: Vec<Flaw>,
    /// What had happened before the first of them.
    pub shape: cluster::Shape,
    /// The end of the trace up to the first of them, as lines.
    pub tail: Vec<String>,
}

impl Explored {
    /// What did not hold, if something did not.
    pub fn broken(&self) -> Option<&BrokenSeed> {
        self.outcome.as_ref().ok()?.broken.as_deref()
    }

    /// Whether all held.
    pub fn passed(&self) -> bool {
        self.outcome
            .as_ref()
            .is_ok_and(|outcome| outcome.broken.is_none())
    }

    /// Virtual time from the beginning to the judgement.
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

/// Plays seeds on `jobs` threads and tells `done` of each, in their order, until that has had enough.
pub fn explore(
    seeds: impl Iterator<Item = u64> + Send,
    jobs: NonZeroUsize,
    playing: &Playing,
    progress: impl FnMut(usize),
    done: impl FnMut(Explored) -> ControlFlow<()>,
) {
    workers::in_order(seeds, jobs, |seed| play_seed(seed, playing), progress, done);
}
