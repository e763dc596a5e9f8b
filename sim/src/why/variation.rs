//! What follows a moment, drawn anew: other timings of the network, half of the steps that had not begun, and often one
//! more fault.

use std::time::Duration;

use turnstile_scenarios::Scenario;
use turnstile_seams::Randomness;
use turnstile_world::Streams;

use super::moments::Instant;
use crate::explore::playable;
use crate::script::{Options, Reseed, SweepFault, TimedFault};
use crate::sweep::{AFTER, tolerant};

/// The latest times of an additional fault after the moment. One of them is drawn first, so that short times are as likely
/// as long ones.
const FAULT_WITHIN: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
];
/// How often to draw steps that the script makes no sense without.
const TRIES: u32 = 8;

/// A play that is the same up to a moment.
#[derive(Debug)]
pub(super) struct Variation {
    /// The script.
    pub(super) scenario: Scenario,
    reseed: Reseed,
    fault: Option<TimedFault>,
}

impl Variation {
    /// Draws a variation of a play with `seed`. The same `number` gives the same one.
    pub(super) fn draw(scenario: &Scenario, seed: u64, instant: &Instant, number: (usize, u32)) -> Self {
        let (moment, number) = number;
        let stream = Streams::new(seed).stream(&format!("why:{moment}:{number}"));
        let randomness = Randomness::new(stream);
        let reseed = Reseed {
            at: instant.at + AFTER,
            seed: u64::from_le_bytes(randomness.bytes()),
        };
        let fault = (randomness.below(2) == 0).then(|| {
            let kinds = SweepFault::ALL;
            let within = FAULT_WITHIN[index(&randomness, FAULT_WITHIN.len())];
            let micros = u64::try_from(within.as_micros()).unwrap_or(u64::MAX);
            TimedFault {
                at: instant.at + AFTER + Duration::from_micros(randomness.below(micros)),
                kind: &kinds[index(&randomness, kinds.len())],
            }
        });
        Self {
            scenario: thinned(scenario, instant.steps, &randomness),
            reseed,
            fault,
        }
    }

    /// The options of its play.
    pub(super) fn options(&self, options: Options) -> Options {
        Options {
            reseed: Some(self.reseed),
            faults: [self.fault, None],
            ..options
        }
    }
}

/// An index below `count`.
fn index(randomness: &Randomness, count: usize) -> usize {
    usize::try_from(randomness.below(count as u64)).unwrap_or(0)
}

/// Leaves half of the steps after the first `begun` out, and those that make no sense without them.
fn thinned(scenario: &Scenario, begun: usize, randomness: &Randomness) -> Scenario {
    let tolerant = tolerant(scenario);
    for _ in 0..TRIES {
        let mut candidate = tolerant.clone();
        let (kept, later) = tolerant.steps.split_at(begun.min(tolerant.steps.len()));
        let later = later.iter().filter(|_| randomness.below(2) == 0);
        candidate.steps = kept.iter().chain(later).cloned().collect();
        let playable = playable(candidate).filter(|candidate| candidate.steps.starts_with(kept));
        if let Some(playable) = playable {
            return playable;
        }
    }
    tolerant
}
