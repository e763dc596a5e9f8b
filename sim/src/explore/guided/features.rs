//! What a scenario has, before it is played: kinds of settings and moves, and which follow each other.
//!
//! A trait is one setting, or one kind of step in a move, with the magnitude of its time. A feature is a trait, or a pair of
//! traits in order: bugs that are hard to find need two things in one run.

use turnstile_fault::Fault;
use turnstile_scenarios::{Ingest, IngestFrame, Lapse, Step};

use super::hash::Hash;
use crate::explore::composition::{Composition, Move};
use crate::explore::disturbance::Draft;
use crate::explore::values::{Values, trespasses};
use crate::explore::workload::Act;

/// A trait, as a hash.
pub(super) type Trait = u32;

/// The limits between magnitudes of times, in milliseconds: between the deadlines of the protocol.
const MAGNITUDES: [u128; 10] = [
    50, 500, 2_000, 6_000, 12_000, 25_000, 50_000, 85_000, 150_000, 290_000,
];
/// The largest backlog that counts as small.
const SMALL_BACKLOG: usize = 32;
/// The number of bits of the index of a feature's counter.
const BITS: u32 = 17;
/// The worth of a feature that no scenario had.
const NEW: u64 = 1 << 20;

/// How many scenarios had each feature. Features share a counter if their hashes collide, which is rare and harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FeatureMap(Vec<u32>);

impl Default for FeatureMap {
    fn default() -> Self {
        Self(vec![0; 1 << BITS])
    }
}

impl FeatureMap {
    /// Adds a scenario.
    pub(super) fn add(&mut self, composition: &Composition) {
        let mut earlier = settings(composition);
        let mut found: Vec<usize> = earlier.iter().copied().map(of_one).collect();
        for next in &composition.moves {
            let traits = traits(next);
            for (index, one) in traits.iter().enumerate() {
                found.push(of_one(*one));
                let before = earlier.iter().chain(&traits[..index]);
                found.extend(before.map(|before| of_two(*before, *one)));
            }
            earlier.extend(traits);
        }
        found.sort_unstable();
        found.dedup();
        for index in found {
            self.0[index] = self.0[index].saturating_add(1);
        }
    }

    /// How new a move with these traits is after what is there: the sum over its features, each in inverse proportion to
    /// the number of scenarios that had it.
    pub(super) fn novelty(&self, traits: &[Trait], there: &[Trait]) -> u64 {
        let of_trait = |one: &Trait| {
            let pairs: u64 = there.iter().map(|before| self.worth(of_two(*before, *one))).sum();
            self.worth(of_one(*one)) + pairs
        };
        traits.iter().map(of_trait).sum()
    }

    fn worth(&self, index: usize) -> u64 {
        NEW / (u64::from(self.0[index]) + 1)
    }
}

/// The index of the counter of a trait.
fn of_one(one: Trait) -> usize {
    ((one ^ (one >> BITS)) & ((1 << BITS) - 1)) as usize
}

/// The index of the counter of two traits in order.
fn of_two(one: Trait, other: Trait) -> usize {
    of_one((one.rotate_left(5) ^ other.wrapping_mul(0x9e37_79b1)).wrapping_mul(0x85eb_ca6b))
}

/// The traits of the settings.
pub(super) fn settings(composition: &Composition) -> Vec<Trait> {
    let Composition {
        swarm,
        profile,
        latency,
        settings,
        imported,
        receiver,
        first,
        verdict,
        ..
    } = composition;
    let verdict = verdict.as_ref().and_then(|verdict| verdict.complete.as_ref());
    let number = |name, number: usize| Hash::new(name).number(number as u32);
    let is = |name, is| number(name, usize::from(is));
    let mut found = vec![
        Hash::new("surface").form(&swarm.surface),
        number("sessions", swarm.sessions),
        number("warm retries", profile.delivery_retry_delays_warm.len()),
        number("cold retries", profile.delivery_retry_delays_cold.len()),
        is("backlog", profile.subscriber_backlog <= SMALL_BACKLOG),
        is("latency", latency.is_zero()),
        is("callback", settings.callback),
        Hash::new("gate").form(&settings.gate),
        Hash::new("commit").form(&settings.auto_commit),
        is("imported", imported.is_some()),
        Hash::new("first").form(first),
        Hash::new("verdict").form(&verdict.map(|verdict| (verdict.gate, verdict.never))),
    ];
    found.extend(receiver.iter().map(|answer| Hash::new("receiver").form(answer)));
    found.into_iter().map(Hash::finish).collect()
}

/// The traits of a move, each once.
pub(super) fn traits(next: &Move) -> Vec<Trait> {
    let mut found = Vec::new();
    match next {
        Move::Act(Act::Wait(lapse), _) => found.push(pause(*lapse)),
        Move::Act(act, values) => {
            found.push(Hash::new("kind").variant(act));
            found.push(Hash::new("act").form(act));
            match act {
                Act::Trespass { which, caller, .. } => {
                    let trespasses = trespasses();
                    let (procedure, _) = which.get(&trespasses);
                    found.push(Hash::new("trespass").text(procedure).form(caller));
                }
                Act::Send(_) => found.extend(of_values(values)),
                _ => {}
            }
        }
        Move::Disturbance(disturbance) => {
            for draft in &disturbance.0 {
                match draft {
                    Draft::Step(step) => found.extend(of_step(step)),
                    // A request counts here as part of its situation, and not as what it is elsewhere: counted as the same, it
                    // would come less often, and it shows more here.
                    draft => found.push(Hash::new("draft").form(draft)),
                }
            }
        }
    }
    let mut found: Vec<Trait> = found.into_iter().map(Hash::finish).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// What a message has that others do not.
fn of_values(values: &Values) -> impl Iterator<Item = Hash> {
    let Values {
        model,
        finalization,
        extras,
        id,
        user: _,
    } = values;
    let steps = finalization.as_ref().map(|steps| Hash::new("steps").form(steps));
    let images = extras.as_ref().and_then(|extras| extras.images.as_ref());
    let variant = extras.as_ref().and_then(|extras| extras.variant.as_ref());
    let of = [
        model.as_ref().map(|model| Hash::new("model").text(model)),
        steps,
        images.map(|images| Hash::new("images").form(images)),
        variant.map(|variant| Hash::new("variant").text(variant)),
        id.as_ref().map(|id| Hash::new("id").form(id)),
    ];
    of.into_iter().flatten()
}

fn of_step(step: &Step) -> Vec<Hash> {
    match step {
        Step::Fault(injection) => {
            let fault = of_fault(&injection.fault);
            let lasts = injection.lasts.map(|lasts| fault.number(magnitude(lasts)));
            [fault].into_iter().chain(lasts).collect()
        }
        Step::Wait(lapse) => vec![pause(*lapse)],
        Step::Ingest(Ingest::Send {
            frame: IngestFrame::Event { event, data, .. },
            ..
        }) => vec![Hash::new("frame").text(event).word(&data.value.0["event"])],
        Step::Ingest(Ingest::Send { .. }) => vec![Hash::new("no event")],
        step => vec![Hash::new("step").form(step)],
    }
}

fn of_fault(fault: &Fault) -> Hash {
    let hash = Hash::new("fault").text(fault.kind().name());
    match fault {
        Fault::Link { .. } | Fault::Connections { .. } => {
            let ends = fault.ends().unwrap_or_default();
            hash.text(ends[0]).text(ends[1])
        }
        Fault::Host { host, power_loss, at } => {
            let hash = hash.text(host).number(u32::from(*power_loss));
            hash.number(u32::from(at.is_some()))
        }
        Fault::Wrapper(behaviour) => {
            // The names of what it does, without the values.
            let behaviour = serde_json::to_value(behaviour).unwrap_or_default();
            let names = behaviour.as_object().into_iter().flatten();
            names.fold(hash, |hash, (name, _)| hash.text(name))
        }
        _ => hash,
    }
}

fn pause(lapse: Lapse) -> Hash {
    Hash::new("pause").number(magnitude(lapse))
}

fn magnitude(lapse: Lapse) -> u32 {
    let milliseconds = lapse.as_millis();
    MAGNITUDES
        .iter()
        .take_while(|limit| milliseconds >= **limit)
        .count() as u32
}
