//! Mutations of a composition that showed something new.
//!
//! A mutation combines moves of generated scenarios, and a composition refers to messages and sessions by relative
//! indices, so the result is a valid script. It has at most as many acts and disturbances as a generated scenario, so it
//! is as recoverable.

use std::ops::Range;
use std::time::Duration;

use turnstile_scenarios::{Lapse, Step};
use turnstile_seams::Randomness;

use crate::explore::composition::{Composition, Drawer, Move};
use crate::explore::disturbance::Draft;
use crate::explore::swarm::{LONGEST, MOST_FAULTS};
use crate::explore::times::{lasting, moment};
use crate::explore::values::Values;
use crate::explore::workload::Act;

/// The largest number of moves that one mutation adds, drops or moves.
const RUN: usize = 3;
/// The largest number of mutations of one scenario.
const MOST_MUTATIONS: u64 = 4;
/// The longest shift of a time, in milliseconds.
const SHIFT_MS: u64 = 400;

/// A kind of mutation, with its weight.
const KINDS: [(Kind, u64); 6] = [
    (Kind::Splice, 3),
    (Kind::Add, 4),
    (Kind::Drop, 1),
    (Kind::Shift, 2),
    (Kind::Retime, 3),
    (Kind::Settings, 1),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Continues after some moment with the moves of the donor.
    Splice,
    /// Adds moves of the donor.
    Add,
    /// Leaves moves out.
    Drop,
    /// Puts moves at another place.
    Shift,
    /// Changes a time.
    Retime,
    /// Takes the donor's settings.
    Settings,
}

/// Mutates a composition once or a few times. `donor` is where new moves and settings come from; it must be for the same
/// profile. `times` draws durations.
pub(super) fn mutated(
    parent: &Composition,
    donor: &Composition,
    random: &Randomness,
    times: &mut Drawer,
) -> Composition {
    let mut child = parent.clone();
    for _ in 0..MOST_MUTATIONS {
        mutate(&mut child, donor, random, times);
        if random.below(2) == 0 {
            break;
        }
    }
    limit(&mut child, random);
    child
}

fn mutate(child: &mut Composition, donor: &Composition, random: &Randomness, times: &mut Drawer) {
    let moves = &mut child.moves;
    match kind(random) {
        Kind::Splice => {
            moves.truncate(place(moves.len(), random));
            let from = place(donor.moves.len(), random);
            moves.extend_from_slice(&donor.moves[from..]);
        }
        Kind::Add => {
            let added = donor.moves[run(donor.moves.len(), random)].to_vec();
            let at = place(moves.len(), random);
            moves.splice(at..at, added);
        }
        Kind::Drop => drop(moves.drain(run(moves.len(), random))),
        Kind::Shift => {
            let moved: Vec<Move> = moves.drain(run(moves.len(), random)).collect();
            let at = place(moves.len(), random);
            moves.splice(at..at, moved);
        }
        Kind::Retime => retime(moves, random, times),
        Kind::Settings => {
            let donor = donor.clone();
            match random.below(4) {
                0 => child.settings = donor.settings,
                1 => child.verdict = donor.verdict,
                2 => child.receiver = donor.receiver,
                _ => child.latency = donor.latency,
            }
        }
    }
}

fn kind(random: &Randomness) -> Kind {
    let total = KINDS.iter().map(|(_, weight)| weight).sum();
    let mut drawn = random.below(total);
    for (kind, weight) in KINDS {
        if drawn < weight {
            return kind;
        }
        drawn -= weight;
    }
    Kind::Splice
}

/// A place before, between or after so many moves.
fn place(length: usize, random: &Randomness) -> usize {
    random.below(length as u64 + 1) as usize
}

/// A few moves in a row, of so many; none if there are none.
fn run(length: usize, random: &Randomness) -> Range<usize> {
    if length == 0 {
        return 0..0;
    }
    let from = random.below(length as u64) as usize;
    let count = 1 + random.below(RUN as u64) as usize;
    from..(from + count).min(length)
}

/// Leaves out moves until there are no more than in a generated scenario.
fn limit(child: &mut Composition, random: &Randomness) {
    for (is_disturbance, most) in [(false, LONGEST), (true, MOST_FAULTS)] {
        loop {
            let moves = child.moves.iter().enumerate();
            let of_kind = moves.filter(|(_, next)| matches!(next, Move::Disturbance(_)) == is_disturbance);
            let places: Vec<usize> = of_kind.map(|(index, _)| index).collect();
            if places.len() <= most {
                break;
            }
            child
                .moves
                .remove(places[random.below(places.len() as u64) as usize]);
        }
    }
}

/// A time of a move, and what it is.
enum Time<'a> {
    /// A pause, or the longest wait for an event.
    Pause(&'a mut Lapse),
    /// The duration of a fault.
    Lasting(&'a mut Lapse),
}

/// Changes one time, or all of a run of moves; adds a pause if there is none.
fn retime(moves: &mut Vec<Move>, random: &Randomness, times: &mut Drawer) {
    let mut found: Vec<Time> = moves.iter_mut().flat_map(times_of).collect();
    if found.is_empty() {
        let pause = times.draw(moment());
        let at = place(moves.len(), random);
        moves.insert(at, Move::Act(Act::Wait(pause), Values::default()));
        return;
    }
    let which = random.below(found.len() as u64) as usize;
    let (lapse, fresh) = match &mut found[which] {
        Time::Pause(lapse) => (&mut **lapse, times.draw(moment())),
        Time::Lasting(lapse) => (&mut **lapse, times.draw(lasting())),
    };
    *lapse = match random.below(2) {
        0 => fresh,
        _ => shifted(*lapse, random),
    };
}

/// A time that differs a little.
fn shifted(lapse: Lapse, random: &Randomness) -> Lapse {
    let by = Duration::from_millis(1 + random.below(SHIFT_MS));
    let shifted = match random.below(2) {
        0 => lapse.checked_add(by),
        _ => lapse.checked_sub(by),
    };
    shifted
        .filter(|shifted| !shifted.is_zero())
        .map_or(lapse, Lapse::from)
}

/// The times of a move.
fn times_of(next: &mut Move) -> Vec<Time<'_>> {
    match next {
        Move::Act(Act::Wait(lapse), _) => vec![Time::Pause(lapse)],
        Move::Act(Act::Sync { within, .. }, _) => vec![Time::Pause(within)],
        Move::Act(..) => Vec::new(),
        Move::Disturbance(disturbance) => disturbance.0.iter_mut().filter_map(time_of).collect(),
    }
}

fn time_of(draft: &mut Draft) -> Option<Time<'_>> {
    match draft {
        Draft::Await { within, .. } | Draft::AwaitCallback { within } => Some(Time::Pause(within)),
        Draft::Step(step) => match &mut **step {
            Step::Wait(lapse) => Some(Time::Pause(lapse)),
            Step::Fault(injection) => injection.lasts.as_mut().map(Time::Lasting),
            _ => None,
        },
        Draft::Send { .. } | Draft::Release => None,
    }
}
