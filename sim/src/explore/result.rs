//! The result of playing many seeds, as it is written to a file and merged with other results.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cluster::{Cluster, Clusters};
use super::run::Explored;

/// The version of the file format.
const LAYOUT: u32 = 3;
/// The largest number of shards.
pub const MOST_SHARDS: u64 = 1_000_000;
/// The largest number of seeds of a result, so that the sum of many results fits into the numbers.
const MOST_PLAYED: u64 = 1 << 50;

/// The result of playing a set of seeds, or of a guided exploration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exploration {
    /// The version of the file format.
    pub layout: u32,
    /// The version of the tool that played them.
    pub version: String,
    /// The flags that select a mutant of the server; empty for the reference server.
    pub breaking: String,
    /// The ranges of seeds, one for each merged run.
    pub parts: Vec<Part>,
    /// The number of seeds played.
    pub played: u64,
    /// Seeds without findings.
    pub passed: u64,
    /// Virtual time of all seeds, in seconds.
    pub virtual_s: f64,
    /// Kinds of findings, the most frequent first.
    pub clusters: Vec<Cluster>,
    /// Seeds in which the harness failed.
    pub harness_failures: Vec<HarnessFailure>,
    /// Whether the exploration was guided. Its seeds are then the numbers of its plays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guided: bool,
}

/// The seeds of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The first seed of the range.
    pub from: u64,
    /// The end of the range: one more than the last seed played.
    pub to: u64,
    /// The step between seeds; 1 for all seeds of the range.
    pub every: u64,
    /// Whether the run stopped before the end of its range.
    pub stopped_early: bool,
    /// Wall time in seconds.
    pub wall_s: f64,
}

/// A seed without a verdict because the harness failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HarnessFailure {
    /// The seed.
    pub seed: u64,
    /// The error.
    pub error: String,
}

/// Why two results cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Written by another version of the tool, for which the same seeds mean other scenarios.
    #[error(
        "it was written by version {found}, the others by version {expected}, and a seed means a different run in each version"
    )]
    Version {
        /// The version of this result.
        found: String,
        /// The version of the other results.
        expected: String,
    },
    /// Played against another server: another mutant, or the reference server.
    #[error("it was played against a different server (--breaking) than the others")]
    OtherServer,
    /// Guided, or not, unlike the others.
    #[error("a guided exploration and seeds cannot be merged: the same number means different runs")]
    Guided,
    /// Written in another file format.
    #[error("its file format is {found}, but this version of the tool reads {LAYOUT}")]
    Layout {
        /// The version of its format.
        found: u32,
    },
    /// Its seeds or counts contradict each other.
    #[error("its seeds or counts are not those of a run: write it again with `turnstile explore --json`")]
    Impossible,
    /// Contains seeds of another result.
    #[error("it contains seed {seed}, which is also in another result, so findings would be counted twice")]
    Twice {
        /// The first such seed.
        seed: u64,
    },
}

/// Accumulates the results of seeds.
#[derive(Debug, Default)]
pub struct Tally {
    played: u64,
    passed: u64,
    elapsed: Duration,
    clusters: Clusters,
    harness_failures: Vec<HarnessFailure>,
    last: Option<u64>,
}

impl Tally {
    /// Adds the result of a seed. Returns whether it has a finding of a new kind.
    pub fn add(&mut self, explored: &Explored) -> bool {
        self.played += 1;
        self.passed += u64::from(explored.passed());
        self.elapsed += explored.elapsed();
        self.last = self.last.max(Some(explored.seed));
        if let Err(error) = &explored.outcome {
            self.harness_failures.push(HarnessFailure {
                seed: explored.seed,
                error: error.to_string(),
            });
        }
        let script = explored.script.as_ref().map(|script| script.to_yaml());
        explored.failure().is_some_and(|failure| {
            let first = failure.findings.first();
            first.is_some_and(|first| {
                self.clusters.add(
                    explored.seed,
                    first,
                    &failure.shape,
                    failure.in_simulation,
                    script,
                )
            })
        })
    }

    /// The number of seeds played.
    pub fn played(&self) -> u64 {
        self.played
    }

    /// The number of seeds with findings or an error of the harness.
    pub fn failed(&self) -> u64 {
        self.played - self.passed
    }

    /// The number of kinds of findings.
    pub fn kinds(&self) -> usize {
        self.clusters.len()
    }

    /// Virtual time of all seeds.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The result of every `every`-th seed from `from`.
    pub fn finish(
        self,
        breaking: String,
        from: u64,
        every: u64,
        stopped_early: bool,
        wall: Duration,
    ) -> Exploration {
        Exploration {
            layout: LAYOUT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            breaking,
            parts: vec![Part {
                from,
                to: self.last.map_or(from, |last| last + 1),
                every,
                stopped_early,
                wall_s: wall.as_secs_f64(),
            }],
            played: self.played,
            passed: self.passed,
            virtual_s: self.elapsed.as_secs_f64(),
            clusters: self.clusters.into_sorted(),
            harness_failures: self.harness_failures,
            guided: false,
        }
    }
}

impl Part {
    /// Whether a run can have such seeds.
    fn is_possible(&self) -> bool {
        self.from <= self.to && (1..=MOST_SHARDS).contains(&self.every)
    }

    /// The first seed that is in both. Takes time in proportion to the number of shards, not of seeds.
    fn overlap(&self, other: &Self) -> Option<u64> {
        let (from, to) = (self.from.max(other.from), self.to.min(other.to));
        let first = (from - self.from).div_ceil(self.every).checked_mul(self.every)?;
        let first = self.from.checked_add(first)?;
        let is_in = |seed: &u64| (seed - other.from).is_multiple_of(other.every);
        // Whether the other part has a seed of this one repeats after so many seeds.
        let seeds = (0..other.every).map_while(|index| first.checked_add(index * self.every));
        seeds.take_while(|seed| *seed < to).find(is_in)
    }
}

impl Exploration {
    /// Merges another result into this one.
    ///
    /// # Errors
    ///
    /// If the two cannot be merged.
    pub fn merge(&mut self, other: Self) -> Result<(), MergeError> {
        other.check_layout()?;
        if other.breaking != self.breaking {
            return Err(MergeError::OtherServer);
        }
        if other.guided != self.guided {
            return Err(MergeError::Guided);
        }
        if other.version != self.version {
            return Err(MergeError::Version {
                found: other.version,
                expected: self.version.clone(),
            });
        }
        let pairs = other
            .parts
            .iter()
            .flat_map(|theirs| self.parts.iter().map(move |ours| (ours, theirs)));
        if let Some(seed) = pairs.filter_map(|(ours, theirs)| ours.overlap(theirs)).min() {
            return Err(MergeError::Twice { seed });
        }
        self.parts.extend(other.parts);
        self.parts.sort_by_key(|part| (part.from, part.every));
        self.played += other.played;
        self.passed += other.passed;
        self.virtual_s += other.virtual_s;
        self.harness_failures.extend(other.harness_failures);
        self.harness_failures.sort_by_key(|failure| failure.seed);
        let mut clusters = Clusters::default();
        for cluster in self.clusters.drain(..).chain(other.clusters) {
            clusters.merge(cluster);
        }
        self.clusters = clusters.into_sorted();
        Ok(())
    }

    /// Checks the version of the file format.
    ///
    /// # Errors
    ///
    /// If this version of the tool cannot read it.
    pub fn check_layout(&self) -> Result<(), MergeError> {
        if self.layout != LAYOUT {
            return Err(MergeError::Layout { found: self.layout });
        }
        let counts = self.clusters.iter().map(|cluster| cluster.count);
        let total = counts.fold(self.passed, u64::saturating_add);
        if self.parts.iter().all(Part::is_possible) && total <= self.played && self.played <= MOST_PLAYED {
            Ok(())
        } else {
            Err(MergeError::Impossible)
        }
    }

    /// Whether a run stopped before all of its seeds were played.
    pub fn is_stopped_early(&self) -> bool {
        self.parts.iter().any(|part| part.stopped_early)
    }

    /// The word for what was played.
    pub fn unit(&self) -> &'static str {
        match self.guided {
            false => "seeds",
            true => "plays",
        }
    }

    /// The name of one play, by its number.
    pub fn name_of(&self, number: u64) -> String {
        match self.guided {
            false => format!("seed {number}"),
            true => format!("play {number}"),
        }
    }

    /// Wall time of all runs, in seconds.
    pub fn wall_s(&self) -> f64 {
        self.parts.iter().map(|part| part.wall_s).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exploration(from: u64, every: u64, to: u64, clusters: &[(&str, u64)]) -> Exploration {
        let mut tally = Tally::default();
        for (rule, seed) in clusters {
            tally.clusters.merge(Cluster {
                rule: (*rule).to_owned(),
                shape: String::new(),
                faults: std::collections::BTreeSet::new(),
                count: 1,
                seeds: vec![*seed],
                text: format!("at {seed}"),
                in_simulation: None,
                script: None,
            });
        }
        tally.played = (from..to).step_by(every as usize).count() as u64;
        tally.passed = tally.played - clusters.len() as u64;
        tally.last = Some(to - 1);
        tally.finish(String::new(), from, every, false, Duration::from_secs(1))
    }

    #[test]
    fn shards_merged_in_any_order_give_the_same_result() {
        let even = exploration(0, 2, 9, &[("a", 2), ("b", 4)]);
        let odd = exploration(1, 2, 10, &[("a", 1)]);
        let mut one = even.clone();
        one.merge(odd.clone()).unwrap();
        let mut other = odd;
        other.merge(even).unwrap();
        assert_eq!(one, other);
        assert_eq!((one.played, one.passed), (10, 7));
        assert_eq!(one.clusters[0].seeds, [1, 2]);
        assert_eq!(one.clusters[0].text, "at 1");
    }

    #[test]
    fn common_seeds_of_huge_ranges_are_found_at_once() {
        let part = |from, every, to| Part {
            from,
            to,
            every,
            stopped_early: false,
            wall_s: 0.0,
        };
        let huge = part(0, 3, u64::MAX);
        assert_eq!(huge.overlap(&part(u64::MAX - 9, 2, u64::MAX)), Some(u64::MAX - 9));
        assert_eq!(huge.overlap(&part(1, 3, u64::MAX)), None);
        assert_eq!(part(5, 4, 9).overlap(&part(0, 1, 20)), Some(5));
    }

    #[test]
    fn a_guided_exploration_is_not_merged_with_seeds() {
        let guided = |from| Exploration {
            guided: true,
            ..exploration(from, 2, from + 9, &[])
        };
        let mut whole = guided(0);
        whole.merge(guided(1)).unwrap();
        assert_eq!((whole.guided, whole.unit()), (true, "plays"));
        let seeds = whole.merge(exploration(100, 1, 110, &[])).unwrap_err();
        assert!(matches!(seeds, MergeError::Guided), "{seeds}");
    }

    #[test]
    fn overlapping_seeds_and_other_versions_are_not_merged() {
        let whole = exploration(0, 1, 10, &[]);
        let shard = exploration(5, 3, 20, &[]);
        let twice = whole.clone().merge(shard).unwrap_err();
        assert!(matches!(twice, MergeError::Twice { seed: 5 }), "{twice}");
        let mut strange = exploration(10, 1, 20, &[]);
        strange.version = "0.0.1".to_owned();
        assert!(matches!(
            whole.clone().merge(strange),
            Err(MergeError::Version { .. })
        ));
        let mut reversed = exploration(10, 1, 20, &[]);
        reversed.parts[0].from = u64::MAX;
        assert!(matches!(
            whole.clone().merge(reversed),
            Err(MergeError::Impossible)
        ));
        let mut newer = exploration(10, 1, 20, &[]);
        newer.layout = LAYOUT + 1;
        assert!(matches!(
            whole.clone().merge(newer),
            Err(MergeError::Layout { .. })
        ));
    }
}
