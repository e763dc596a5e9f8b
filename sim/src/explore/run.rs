//! Playing many seeds.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

use turnstile_reference::sabotage::Sabotage;
use turnstile_scenarios::Scenario;

use super::generate;
use crate::script::{HarnessError, Options, Verdict};
use crate::suite;
use crate::workers;

/// What came of one seed.
#[derive(Debug)]
pub struct Explored {
    /// The seed.
    pub seed: u64,
    /// Its scenario.
    pub scenario: Scenario,
    /// What came of it, or why nothing did.
    pub verdict: Result<Verdict, HarnessError>,
}

impl Explored {
    /// Whether all held.
    pub fn held(&self) -> bool {
        self.verdict
            .as_ref()
            .is_ok_and(|verdict| verdict.findings.is_empty())
    }

    /// Virtual time from the beginning to the judgement.
    pub fn elapsed(&self) -> Duration {
        self.verdict
            .as_ref()
            .map_or(Duration::ZERO, |verdict| verdict.elapsed)
    }
}

/// Plays the scenario of one seed, against a server that breaks the rules of `sabotage`, if any.
pub fn play_seed(seed: u64, sabotage: Sabotage) -> Explored {
    let scenario = generate::scenario(seed);
    let options = Options {
        seed,
        sabotage,
        ..Options::default()
    };
    let verdict = suite::play_safely(&scenario, options);
    Explored {
        seed,
        scenario,
        verdict,
    }
}

/// Plays seeds on `jobs` threads and tells `done` of each, in their order, until that has had enough.
pub fn explore(
    seeds: impl Iterator<Item = u64> + Send,
    jobs: NonZeroUsize,
    sabotage: Sabotage,
    progress: impl FnMut(usize),
    done: impl FnMut(Explored) -> ControlFlow<()>,
) {
    workers::in_order(seeds, jobs, |seed| play_seed(seed, sabotage), progress, done);
}
