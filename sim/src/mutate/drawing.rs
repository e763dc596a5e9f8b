//! Chooses mutants.

use std::collections::BTreeMap;

use turnstile_mutants::generic::{Operation, Place, Rewrite};
use turnstile_seams::Randomness;
use turnstile_world::Streams;

/// The label of the randomness.
const LABEL: &str = "mutants";

/// Draws `count` of the mutants in `possible`, or all if there are fewer. The choice depends only on its arguments.
///
/// Places have very different numbers of mutants, and so have their kinds of units. So the draw takes one mutant of each
/// place and operation in turn, and among these one of each kind in turn.
pub fn draw<'a>(possible: impl Iterator<Item = &'a Rewrite>, count: usize, start: u64) -> Vec<Rewrite> {
    let randomness = Randomness::new(Streams::new(start).stream(LABEL));
    let mut strata: BTreeMap<(Place, Operation), BTreeMap<&str, Vec<&Rewrite>>> = BTreeMap::new();
    for rewrite in possible {
        let kinds = strata
            .entry((rewrite.target.place, rewrite.operation))
            .or_default();
        kinds.entry(&rewrite.target.kind).or_default().push(rewrite);
    }
    let strata = strata.into_values().map(|kinds| {
        let mut kinds: Vec<Vec<&Rewrite>> = kinds.into_values().collect();
        shuffle(&mut kinds, &randomness);
        for kind in &mut kinds {
            shuffle(kind, &randomness);
        }
        in_turn(kinds)
    });
    let mut drawn = in_turn(strata.collect());
    drawn.truncate(count);
    drawn.into_iter().cloned().collect()
}

/// The first of each list, then the second of each, and so on.
fn in_turn<T: Copy>(lists: Vec<Vec<T>>) -> Vec<T> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
    (0..longest)
        .flat_map(|index| lists.iter().filter_map(move |list| list.get(index).copied()))
        .collect()
}

fn shuffle<T>(list: &mut [T], randomness: &Randomness) {
    for index in (1..list.len()).rev() {
        let other = randomness.below(index as u64 + 1) as usize;
        list.swap(index, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn possible() -> Vec<Rewrite> {
        let names = [
            "drop:effect:send/ping",
            "drop:effect:deliver",
            "null:frame:live/kilocode:data.a",
            "null:frame:live/kilocode:data.b",
            "null:frame:live/kilocode:data.c",
            "null:frame:live/cloud.message.sent:data",
        ];
        names.map(|name| name.parse().unwrap()).to_vec()
    }

    #[test]
    fn places_and_kinds_take_turns() {
        let possible = possible();
        for start in 0..20 {
            let drawn = draw(possible.iter(), 4, start);
            let kinds: Vec<&str> = drawn.iter().map(|rewrite| rewrite.target.kind.as_str()).collect();
            assert_eq!(
                kinds.iter().filter(|kind| **kind == "live/kilocode").count(),
                1,
                "{kinds:?}"
            );
            assert_eq!(drawn, draw(possible.iter(), 4, start));
        }
        assert_eq!(draw(possible.iter(), 100, 0).len(), possible.len());
    }
}
