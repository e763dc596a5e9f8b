//! Guided exploration: scenarios that showed something new are mutated and played again.
//!
//! | file | what is in it |
//! |---|---|
//! | `features` | what a play showed |
//! | `corpus` | scenarios that showed something new, and how often each feature was seen |
//! | `mutations` | how these scenarios are changed |
//!
//! [`Guide`] is a state machine without threads: it plans a round of plays from what the rounds before it showed. So a
//! search depends only on its first number and its number of plays, with any number of threads.

mod corpus;
mod features;
mod mutations;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use turnstile_fault::Capability;
use turnstile_scenarios::Scenario;
use turnstile_seams::Randomness;
use turnstile_world::Streams;

use self::corpus::Corpus;
pub use self::corpus::FeatureMap;
use self::features::{Feature, features};
use super::composition::{Composition, Drawer, Server};
use super::run::{Explored, Outcome, Playing};
use crate::coverage;
use crate::script::Options;
use crate::suite;
use crate::workers;

/// The number of plays that are planned at once. It is fixed, so that a search does not depend on the number of threads.
const ROUND: u64 = 64;
/// One of so many plays is a generated scenario without mutations.
const ONE_FRESH_IN: u64 = 4;
/// One of so many mutations takes new moves from the corpus in place of a generated scenario.
const ONE_CROSSED_IN: u64 = 3;
/// One of so many mutations is played with a new seed.
const ONE_RESEEDED_IN: u64 = 4;

/// Labels of the streams of randomness of a play.
const CHOICES: &str = "guided:choices";
const TIMES: &str = "guided:times";

/// All capabilities, which a simulated server offers.
static ALL: LazyLock<BTreeSet<Capability>> = LazyLock::new(|| Capability::ALL.iter().copied().collect());

/// Decides what to play, by what the plays before it showed.
#[derive(Debug)]
pub struct Guide {
    /// The number of the next play.
    next: u64,
    /// The step between numbers.
    every: u64,
    /// The number of plays that are planned at once.
    round: u64,
    map: FeatureMap,
    corpus: Corpus,
    /// The number of plays that showed something new.
    scenarios: u64,
}

/// A planned play.
#[derive(Debug, Clone)]
struct Plan {
    number: u64,
    /// The seed of the play, which determines ids and network timings.
    seed: u64,
    composition: Composition,
}

/// What a play showed.
#[derive(Debug)]
struct Shown {
    features: BTreeSet<Feature>,
    /// The number of records of its trace.
    cost: u64,
}

impl Guide {
    /// A guide without knowledge, which numbers its plays from `from` in steps of `every`.
    pub fn new(from: u64, every: u64) -> Self {
        Self {
            next: from,
            every,
            round: ROUND,
            map: FeatureMap::default(),
            corpus: Corpus::default(),
            scenarios: 0,
        }
    }

    /// The next plays: a round, or `at_most` if that is less. The outcomes of the earlier ones must have been taken.
    fn plan_round(&mut self, at_most: u64) -> Vec<Plan> {
        self.corpus.weigh(&self.map);
        let count = at_most.min(self.round);
        (0..count).map(|_| self.plan()).collect()
    }

    fn plan(&mut self) -> Plan {
        let number = self.next;
        self.next = self.next.saturating_add(self.every);
        let streams = Streams::new(number);
        let random = Randomness::new(streams.stream(CHOICES));
        let fresh = |composition| Plan {
            number,
            seed: number,
            composition,
        };
        if random.below(ONE_FRESH_IN) == 0 {
            return fresh(Composition::draw(number, None));
        }
        let Some(parent) = self.corpus.choose(&random).cloned() else {
            return fresh(Composition::draw(number, None));
        };
        let server = Server {
            profile: &parent.composition.profile,
            offers: &ALL,
        };
        let other = self
            .corpus
            .any(&random)
            .filter(|_| random.below(ONE_CROSSED_IN) == 0);
        let donor = match other {
            Some(other) => other.composition.clone(),
            None => Composition::draw(number, Some(server)),
        };
        let mut times = Drawer::new(streams, TIMES);
        Plan {
            number,
            seed: match random.below(ONE_RESEEDED_IN) {
                0 => number,
                _ => parent.seed,
            },
            composition: mutations::mutated(&parent.composition, &donor, &random, &mut times),
        }
    }

    /// Takes what a play showed.
    fn take(&mut self, plan: Plan, shown: &Shown) {
        let new = self.map.add(&shown.features);
        if !new.is_empty() {
            self.scenarios += 1;
            self.corpus.add(plan.composition, plan.seed, new, shown.cost);
        }
    }

    /// What was seen so far.
    pub fn map(&self) -> &FeatureMap {
        &self.map
    }

    /// The number of plays that showed something new.
    pub fn scenarios(&self) -> u64 {
        self.scenarios
    }
}

impl Plan {
    /// The script of the play, with its seed.
    fn scenario(&self) -> Scenario {
        Scenario {
            seed: Some(self.seed),
            ..self.composition.lay_out(format!("guided play {}", self.number))
        }
    }

    fn play(self, playing: &Playing) -> (Self, Explored, Option<Shown>) {
        let options = Options {
            seed: self.seed,
            subject: playing.subject,
            watch: playing.watch,
            ..Options::default()
        };
        let scenario = self.scenario();
        let (verdict, marks) = coverage::collect(|| suite::play_safely(&scenario, options));
        let shown = verdict.as_ref().ok().map(|verdict| Shown {
            features: features(&verdict.trace, verdict.inspection_start, &marks),
            cost: verdict.trace.records().len() as u64,
        });
        let outcome = verdict.map(|verdict| Outcome::of(&verdict, playing));
        let has_passed = outcome.as_ref().is_ok_and(|outcome| outcome.failure.is_none());
        let explored = Explored {
            seed: self.number,
            outcome,
            script: (!has_passed).then(|| Box::new(scenario)),
        };
        (self, explored, shown)
    }
}

/// Plays up to `count` plays on `jobs` threads and yields the results to `done` in order until it breaks, or until
/// `is_over` or the limits of `playing` say that no further play should begin.
pub fn explore_guided(
    guide: &mut Guide,
    count: u64,
    jobs: NonZeroUsize,
    playing: &Playing,
    is_over: impl Fn() -> bool + Sync,
    mut done: impl FnMut(Explored) -> ControlFlow<()>,
) {
    let is_over = || is_over() || playing.watch.is_some_and(|watch| watch.is_over());
    let mut left = count;
    let mut is_enough = false;
    while left > 0 && !is_enough && !is_over() {
        let plans = guide.plan_round(left);
        left -= plans.len() as u64;
        workers::in_order(
            plans.into_iter().take_while(|_| !is_over()),
            jobs,
            |plan| plan.play(playing),
            |_| {},
            |(plan, explored, shown)| {
                if let Some(shown) = shown {
                    guide.take(plan, &shown);
                }
                let next = done(explored);
                is_enough |= next.is_break();
                next
            },
        );
    }
}

#[cfg(test)]
mod tests;
