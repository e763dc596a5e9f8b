//! Composes a scenario of the moves that are newest after those of the earlier scenarios.
//!
//! A generated scenario has settings, a few acts and about two disturbances. A composed one has the settings of a generated
//! one, fewer acts and several times as many disturbances, because a disturbance costs less than an act. Each move is
//! chosen from a pool by its novelty and its cost. It is less like what users do, so some plays stay as generated.

use proptest::collection::vec;
use proptest::option::weighted;
use turnstile_scenarios::{Fault, Ingest, Step};
use turnstile_seams::Randomness;
use turnstile_world::Streams;

use super::beginning::{FRAMES, beginning};
use super::ending::{ending, unused};
use super::events::{is_fault, timed, timing};
use super::features::{FeatureMap, Trait, settings, traits};
use crate::explore::composition::{Composition, Drawer, Move};
use crate::explore::disturbance::{Disturbance, Draft};
use crate::explore::faults;
use crate::explore::swarm::{FaultRates, Shares, WorkloadRates};
use crate::explore::values;
use crate::explore::workload::{self, Act, Saying};

/// The label of the stream of randomness of the pool.
const POOL: &str = "guided:pool";
/// The numbers of disturbances and acts in the pool.
const DISTURBANCES_IN_POOL: usize = 24;
const ACTS_IN_POOL: usize = 8;
/// The smallest number of disturbances in a scenario, and how many more there may be.
const FEWEST_DISTURBANCES: u64 = 6;
const MORE_DISTURBANCES: u64 = 5;
/// The largest number of acts that stay, and of those from the pool.
const MOST_KEPT: u64 = 3;
const MOST_ADDED: u64 = 3;
/// One of so many composed scenarios is only the life of a session.
const ONE_UNUSED_IN: u64 = 40;
/// The chance in percent that a single fault happens inside of a situation, and that a request comes there.
const FAULT_INSIDE: u64 = 15;
const REQUEST_INSIDE: u64 = 60;
/// The chance that a message of a situation has images or a variant.
const WITH_EXTRAS: f64 = 0.15;
/// The chance that a message follows a change of the wrapper's behaviour that itself follows no event.
const WITH_TURN: f64 = 0.5;
/// The share of situations in the pool.
const SHARES: Shares = Shares {
    faults: 2,
    situations: 1,
    clients: 1,
    frames: FRAMES,
};
/// The cost of any move, in the unit of [`cost`].
const COST_OF_MOVE: u64 = 20;

/// All kinds of acts.
const ACTS: WorkloadRates = WorkloadRates {
    send: 3,
    burst: 1,
    repeat: 1,
    interrupt: 1,
    update: 1,
    stream: 2,
    query: 1,
    trespass: 1,
    release: 1,
    wait: 2,
    sync: 1,
    delete: 1,
    hang: 1,
    other_surface: 1,
};

/// A move that may be chosen, with its traits.
struct Candidate {
    next: Move,
    traits: Vec<Trait>,
}

/// Replaces the moves of a generated scenario by new ones.
pub(super) fn compose(
    mut composition: Composition,
    map: &FeatureMap,
    streams: Streams,
    random: &Randomness,
) -> Composition {
    if random.below(ONE_UNUSED_IN) == 0 {
        unused(&mut composition, streams);
        return composition;
    }
    let first = beginning(&mut composition, streams, random);
    let mut pool = pool(&composition, streams);
    let mut moves = kept(&composition.moves, random);
    let mut there = settings(&composition);
    there.extend(first.iter().chain(&moves).flat_map(traits));
    let disturbances = FEWEST_DISTURBANCES + random.below(MORE_DISTURBANCES + 1);
    let acts = random.below(MOST_ADDED + 1);
    for index in 0..disturbances + acts {
        let is_act = index >= disturbances;
        let Some(chosen) = newest(&mut pool, is_act, &there, map) else {
            continue;
        };
        there.extend(chosen.traits);
        put(chosen.next, &mut moves, random);
    }
    let last = ending(&composition.profile, streams, random);
    composition.moves = first.into_iter().chain(moves).chain(last).collect();
    composition
}

/// Some acts in a row.
fn kept(moves: &[Move], random: &Randomness) -> Vec<Move> {
    let acts = moves.iter().filter(|next| matches!(next, Move::Act(..)));
    let mut acts: Vec<Move> = acts.cloned().collect();
    let most = 1 + random.below(MOST_KEPT) as usize;
    if acts.len() > most {
        let from = random.below((acts.len() - most) as u64 + 1) as usize;
        acts = acts.split_off(from);
        acts.truncate(most);
    }
    acts
}

/// Draws the moves to choose from: disturbances at the rates of the scenario, and acts of all kinds. Half of the
/// single faults follow an event of a message.
fn pool(composition: &Composition, streams: Streams) -> Vec<Candidate> {
    let mut drawer = Drawer::new(streams, POOL);
    let rates = &composition.swarm.fault;
    let rates = FaultRates {
        situation: rates.situation.max(1),
        ..rates.clone()
    };
    let disturbance = faults::disturbance(&rates, &composition.profile, SHARES);
    let disturbances = disturbance.map(|disturbance| drawer.draw(vec(disturbance, DISTURBANCES_IN_POOL)));
    let act = (workload::act(&ACTS), values::values());
    let acts = drawer.draw(vec(act, ACTS_IN_POOL));
    let timing = timing();
    let extras = weighted(WITH_EXTRAS, values::extras());
    let with_turn = proptest::bool::weighted(WITH_TURN);
    let disturbances = disturbances.into_iter().flatten().map(|disturbance| {
        let mut disturbance = match is_fault(&disturbance) {
            true => timed(disturbance, drawer.draw(&timing)),
            false => disturbance,
        };
        if behaves(&disturbance) && drawer.draw(&with_turn) {
            disturbance.0.push(Draft::send(Saying::Echo));
        }
        for draft in &mut disturbance.0 {
            if let Draft::Send {
                commits: false,
                extras: of_message,
                ..
            } = draft
            {
                *of_message = drawer.draw(&extras).map(Box::new);
            }
        }
        Move::Disturbance(disturbance)
    });
    let acts = acts.into_iter().map(|(act, values)| Move::Act(act, values));
    let candidates = disturbances.chain(acts).map(|next| Candidate {
        traits: traits(&next),
        next,
    });
    candidates.collect()
}

/// Whether a disturbance only changes the wrapper's behaviour.
fn behaves(disturbance: &Disturbance) -> bool {
    match &disturbance.0[..] {
        [Draft::Step(step)] => {
            matches!(&**step, Step::Fault(injection) if matches!(injection.fault, Fault::Wrapper(_)))
        }
        _ => false,
    }
}

/// Takes the newest act or disturbance from the pool, for its cost.
fn newest(pool: &mut Vec<Candidate>, is_act: bool, there: &[Trait], map: &FeatureMap) -> Option<Candidate> {
    let candidates = pool.iter().enumerate();
    let of_kind = candidates.filter(|(_, candidate)| matches!(candidate.next, Move::Act(..)) == is_act);
    let (index, _) = of_kind.max_by_key(|(_, candidate)| {
        map.novelty(&candidate.traits, there) / (COST_OF_MOVE + cost(&candidate.next))
    })?;
    Some(pool.swap_remove(index))
}

/// About how many records a move adds to the trace.
fn cost(next: &Move) -> u64 {
    match next {
        Move::Act(act, _) => match act {
            Act::Send(_) => 20,
            Act::Burst { count, .. } => 15 * *count as u64,
            Act::BurstWhileFinalizing { count, .. } => 30 + 15 * *count as u64,
            Act::FallBehind { babble, .. } => u64::from(*babble),
            _ => 5,
        },
        Move::Disturbance(disturbance) => disturbance.0.iter().map(cost_of_draft).sum(),
    }
}

fn cost_of_draft(draft: &Draft) -> u64 {
    match draft {
        Draft::Send { .. } => 20,
        Draft::Act(_) => 5,
        Draft::Step(step) => match &**step {
            // Pings and heartbeats.
            Step::Wait(lapse) => 3 + lapse.as_secs() / 20,
            Step::Fault(_) => 8,
            _ => 4,
        },
        _ => 4,
    }
}

/// Puts a move anywhere between the others. A single fault and a request may also happen inside of a situation.
fn put(next: Move, moves: &mut Vec<Move>, random: &Randomness) {
    if let Some((draft, chance)) = part_of_situation(&next)
        && random.below(100) < chance
    {
        let situations = moves.iter_mut().filter_map(|other| match other {
            Move::Disturbance(Disturbance(drafts)) if drafts.len() > 1 => Some(drafts),
            _ => None,
        });
        let mut situations: Vec<&mut Vec<Draft>> = situations.collect();
        if !situations.is_empty() {
            let index = random.below(situations.len() as u64) as usize;
            let situation = &mut situations[index];
            let at = 1 + random.below(situation.len() as u64 - 1) as usize;
            // A request at the instant of the next step is not separated from it.
            if !matches!(situation[at - 1], Draft::AtOnce(_)) {
                situation.insert(at, draft);
                return;
            }
        }
    }
    let at = random.below(moves.len() as u64 + 1) as usize;
    moves.insert(at, next);
}

/// A move as a step of a situation, with the chance in percent that it is one; `None` if it cannot be.
fn part_of_situation(next: &Move) -> Option<(Draft, u64)> {
    match next {
        Move::Disturbance(Disturbance(drafts)) => match &drafts[..] {
            [draft] if !opens_ingest(draft) => Some((draft.clone(), FAULT_INSIDE)),
            _ => None,
        },
        Move::Act(act, values) => {
            let changes_nothing = matches!(
                act,
                Act::Stream(_) | Act::Query { .. } | Act::Knock { .. } | Act::Trespass { .. }
            );
            let draft = || Draft::Act(Box::new((act.clone(), values.clone())));
            changes_nothing.then(|| (draft(), REQUEST_INSIDE))
        }
    }
}

/// Whether a step opens an ingest socket. Inside a situation, the later steps would be about that socket.
fn opens_ingest(draft: &Draft) -> bool {
    match draft {
        Draft::Step(step) => matches!(**step, Step::Ingest(Ingest::Open { .. })),
        _ => false,
    }
}
