//! How some composed scenarios begin: with deadlines that pass, while a gate result is awaited, or with frames of every kind.
//! The first two need a session without other work.

use proptest::collection::vec;
use turnstile_scenarios::Gate;
use turnstile_seams::Randomness;
use turnstile_world::Streams;

use crate::explore::composition::{Composition, Drawer, Move};
use crate::explore::imported::timing_out;
use crate::explore::situations::{frames_of_every_kind, gate_wait, passing};
use crate::explore::swarm::Frames;
use crate::explore::workload::Saying;

/// The label of the stream of randomness.
const BEGINNING: &str = "guided:beginning";
/// One of so many composed scenarios begins with deadlines that pass.
const ONE_PASSING_IN: u64 = 2;
/// The largest number of these deadlines.
const MOST_PASSING: u64 = 2;
/// One of so many others begins while a gate result is awaited, and one of so many others with frames of every kind.
const ONE_GATE_IN: u64 = 8;
const ONE_FRAMES_IN: u64 = 5;
/// Many frames of every kind.
pub(super) const FRAMES: Frames = Frames {
    most: 40,
    returning: 1,
};
/// One of so many of those with a deadline has the time-out of an execution instead.
const ONE_EXECUTION_IN: u64 = 8;

/// The moves at the beginning of a scenario, sometimes none, with the settings that they need. The deadlines are not chosen by
/// what is new: the ones with the fewest traits would be left out.
pub(super) fn beginning(composition: &mut Composition, streams: Streams, random: &Randomness) -> Vec<Move> {
    let mut drawer = Drawer::new(streams, BEGINNING);
    if random.below(ONE_PASSING_IN) > 0 {
        if random.below(ONE_GATE_IN) == 0 {
            finish_soon(composition);
            composition.settings.gate = Some(Gate::All);
            composition.settings.callback = true;
            return vec![Move::Disturbance(drawer.draw(gate_wait()))];
        }
        if random.below(ONE_FRAMES_IN) == 0 {
            return vec![Move::Disturbance(drawer.draw(frames_of_every_kind(FRAMES)))];
        }
        return Vec::new();
    }
    finish_soon(composition);
    if random.below(ONE_EXECUTION_IN) == 0 {
        composition.imported = Some(drawer.draw(timing_out()));
        return Vec::new();
    }
    let count = 1 + random.below(MOST_PASSING) as usize;
    let passing = drawer.draw(vec(passing(&composition.profile), count));
    passing.into_iter().map(Move::Disturbance).collect()
}

/// Lets the first message end soon, without waiting for a gate result, because other work begins deadlines again.
pub(super) fn finish_soon(composition: &mut Composition) {
    composition.first = Saying::Echo;
    composition.imported = None;
    composition.settings.gate = None;
    composition.verdict = None;
}
