//! Guided exploration: scenarios that combine what the earlier ones did not.
//!
//! | file | what is in it |
//! |---|---|
//! | `features` | what a scenario has, and how many scenarios had it |
//! | `compose` | choosing the moves of a scenario |
//! | `beginning` | scenarios that begin with deadlines that pass, while a gate result is awaited, or with frames of every kind |
//! | `ending` | cheap requests at the end, limits, and sessions that are not used |
//! | `events` | faults at an event of a message |
//! | `hash` | the hash of what a scenario has |
//!
//! Only scenarios guide the choice and never what a play showed. So a plan takes a fraction of the time of a play, and plays
//! depend only on the first number and the step between numbers, with any number of threads.

mod beginning;
mod compose;
mod ending;
mod events;
mod features;
mod hash;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use turnstile_scenarios::Scenario;
use turnstile_seams::Randomness;
use turnstile_world::Streams;

use self::compose::compose;
use self::features::FeatureMap;
use super::composition::Composition;
use super::run::{Explored, Playing, outcome_of};
use crate::workers;

/// So many plays at the beginning are generated scenarios, unchanged: they find what is easy to find.
const GENERATED_FIRST: u64 = 20;
/// One of so many later plays is one.
const ONE_GENERATED_IN: u64 = 20;

/// The label of the stream of randomness of choices.
const CHOICES: &str = "guided:choices";

/// Decides what to play.
#[derive(Debug, Default)]
struct Guide {
    /// The number of planned plays.
    planned: u64,
    /// What the planned scenarios have.
    map: FeatureMap,
}

/// A planned play.
#[derive(Debug, Clone)]
struct Plan {
    /// The number of the play, which is also its seed.
    number: u64,
    composition: Composition,
}

impl Guide {
    /// Plans the play with this number.
    fn plan(&mut self, number: u64) -> Plan {
        let streams = Streams::new(number);
        let random = Randomness::new(streams.stream(CHOICES));
        let generated = Composition::draw(number, None);
        let is_generated = self.planned < GENERATED_FIRST || random.below(ONE_GENERATED_IN) == 0;
        let composition = match is_generated {
            true => generated,
            false => compose(generated, &self.map, streams, &random),
        };
        self.planned += 1;
        self.map.add(&composition);
        Plan { number, composition }
    }
}

impl Plan {
    /// The script of the play, with its seed.
    fn scenario(&self) -> Scenario {
        Scenario {
            seed: Some(self.number),
            ..self.composition.lay_out(format!("guided play {}", self.number))
        }
    }

    fn play(&self, playing: &Playing) -> Explored {
        let scenario = self.scenario();
        let outcome = outcome_of(self.number, &scenario, playing);
        let has_passed = outcome.as_ref().is_ok_and(|outcome| outcome.failure.is_none());
        Explored {
            seed: self.number,
            outcome,
            script: (!has_passed).then(|| Box::new(scenario)),
        }
    }
}

/// Makes plays with these numbers on `jobs` threads and yields the results to `done` in order until it breaks.
pub fn explore_guided(
    numbers: impl Iterator<Item = u64> + Send,
    jobs: NonZeroUsize,
    playing: &Playing,
    progress: impl FnMut(usize),
    done: impl FnMut(Explored) -> ControlFlow<()>,
) {
    explore_with(Guide::default(), numbers, jobs, playing, progress, done);
}

fn explore_with(
    mut guide: Guide,
    numbers: impl Iterator<Item = u64> + Send,
    jobs: NonZeroUsize,
    playing: &Playing,
    progress: impl FnMut(usize),
    done: impl FnMut(Explored) -> ControlFlow<()>,
) {
    let numbers = numbers.take_while(|_| playing.watch.is_none_or(|watch| !watch.is_over()));
    let plans = numbers.map(|number| guide.plan(number));
    workers::in_order(plans, jobs, |plan| plan.play(playing), progress, done);
}

#[cfg(test)]
mod tests;
