//! The corpus: scenarios that showed something new, and how often each feature was seen.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use turnstile_seams::Randomness;

use super::features::Feature;
use crate::explore::composition::Composition;

/// The largest number of scenarios. The least promising one is left out first.
const MOST_ENTRIES: usize = 1_024;
/// The rarity of a feature that only one play showed.
const RAREST: u64 = 1 << 24;
/// The number of records of a play of average cost.
const USUAL_COST: u64 = 256;

/// The number of plays that showed each feature.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeatureMap(BTreeMap<Feature, u64>);

impl FeatureMap {
    /// The number of features.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no feature was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the plays of another map.
    pub fn merge(&mut self, other: &Self) {
        for (feature, plays) in &other.0 {
            let known = self.0.entry(*feature).or_default();
            *known = known.saturating_add(*plays);
        }
    }

    /// Adds a play, and returns its features that no play showed before.
    pub(super) fn add(&mut self, features: &BTreeSet<Feature>) -> Vec<Feature> {
        let mut new = Vec::new();
        for feature in features {
            let plays = self.0.entry(*feature).or_default();
            if *plays == 0 {
                new.push(*feature);
            }
            *plays += 1;
        }
        new
    }

    /// How rare a feature is: inversely proportional to the square of the number of plays that showed it.
    fn rarity(&self, feature: Feature) -> u64 {
        let plays = self.0.get(&feature).copied().unwrap_or_default().max(1);
        RAREST / plays.saturating_mul(plays)
    }
}

/// A scenario that showed something new.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) composition: Composition,
    /// The seed of the play.
    pub(super) seed: u64,
    /// The features that it was the first to show.
    features: Vec<Feature>,
    /// The number of records of its trace, the measure of its cost.
    cost: u64,
    /// How rare these features are.
    rarity: u64,
    /// How often it was chosen.
    chosen: u64,
}

/// The scenarios to mutate.
#[derive(Debug, Default)]
pub(super) struct Corpus {
    entries: Vec<Entry>,
}

impl Corpus {
    /// Adds a scenario that was the first to show `features`.
    pub(super) fn add(&mut self, composition: Composition, seed: u64, features: Vec<Feature>, cost: u64) {
        self.entries.push(Entry {
            composition,
            seed,
            features,
            cost,
            rarity: 0,
            chosen: 0,
        });
    }

    /// Works out how rare the features are by now, and leaves out the least promising scenarios above the limit.
    pub(super) fn weigh(&mut self, map: &FeatureMap) {
        for entry in &mut self.entries {
            entry.rarity = entry.features.iter().map(|feature| map.rarity(*feature)).sum();
        }
        if self.entries.len() > MOST_ENTRIES {
            self.entries.sort_by_key(|entry| Reverse(entry.energy()));
            self.entries.truncate(MOST_ENTRIES);
        }
    }

    /// Chooses a scenario: the rarer what it showed, the cheaper it is and the less often it was chosen, the more
    /// probable. `None` if there are none.
    pub(super) fn choose(&mut self, random: &Randomness) -> Option<&Entry> {
        let total: u64 = self.entries.iter().map(Entry::energy).sum();
        if total == 0 {
            return None;
        }
        let mut drawn = random.below(total);
        let entry = self.entries.iter_mut().find(|entry| {
            let energy = entry.energy();
            let is_chosen = drawn < energy;
            drawn = drawn.saturating_sub(energy);
            is_chosen
        })?;
        entry.chosen += 1;
        Some(entry)
    }

    /// Any scenario; `None` if there are none.
    pub(super) fn any(&self, random: &Randomness) -> Option<&Entry> {
        let count = self.entries.len() as u64;
        (count > 0).then(|| &self.entries[random.below(count) as usize])
    }
}

impl Entry {
    fn energy(&self) -> u64 {
        self.rarity / (1 + self.chosen) * USUAL_COST / (USUAL_COST + self.cost)
    }
}
