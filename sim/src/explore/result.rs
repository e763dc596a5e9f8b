//! What came of playing many seeds, as it is written to a file and put together with that of others.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cluster::{Cluster, Clusters};
use super::run::Explored;

/// The version of this layout. Another one is another number.
const LAYOUT: u32 = 2;

/// What came of some seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exploration {
    /// The version of this layout.
    pub layout: u32,
    /// The version of the tool that played them.
    pub version: String,
    /// The flags that make the server break a rule; empty if it breaks none.
    pub breaking: String,
    /// Which seeds: one part for each run that went into this.
    pub parts: Vec<Part>,
    /// Seeds that were played.
    pub played: u64,
    /// Seeds in which all held.
    pub held: u64,
    /// Virtual time of all of them, in seconds.
    pub virtual_s: f64,
    /// What did not hold, the most frequent first.
    pub clusters: Vec<Cluster>,
    /// Seeds in which the harness failed, each with why.
    pub harness_failures: Vec<HarnessFailure>,
}

/// The seeds of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The first seed of the range.
    pub from: u64,
    /// Behind the last one that was played.
    pub to: u64,
    /// Of these every so many-th, which is 1 for all of them.
    pub every: u64,
    /// Whether it was stopped before its end.
    pub stopped_early: bool,
    /// How long it took, in seconds of this machine.
    pub wall_s: f64,
}

/// A seed of which nothing is known, because the harness failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HarnessFailure {
    /// The seed.
    pub seed: u64,
    /// Why.
    pub error: String,
}

/// Why results do not go together.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Written by another version of the tool, whose seeds mean other scenarios.
    #[error(
        "it is of version {found}, and the others are of version {expected}: the same seed is not the same run"
    )]
    Version {
        /// Whose.
        found: String,
        /// The others'.
        expected: String,
    },
    /// Played against a server that breaks another rule, or none.
    #[error("it was played against a server that breaks another rule than that of the others, or none")]
    OtherServer,
    /// Laid out otherwise.
    #[error("it has layout {found}, and this tool knows layout {LAYOUT}")]
    Layout {
        /// Which.
        found: u32,
    },
    /// The same seeds again.
    #[error("it has seed {seed} in it, which another one has played too: its findings would count twice")]
    Twice {
        /// The first such seed.
        seed: u64,
    },
}

/// Counts what comes in.
#[derive(Debug, Default)]
pub struct Tally {
    played: u64,
    held: u64,
    elapsed: Duration,
    clusters: Clusters,
    harness_failures: Vec<HarnessFailure>,
    last: Option<u64>,
}

impl Tally {
    /// Takes in what came of a seed. Whether it has shown something of a kind that no earlier one has.
    pub fn add(&mut self, explored: &Explored) -> bool {
        self.played += 1;
        self.held += u64::from(explored.held());
        self.elapsed += explored.elapsed();
        self.last = Some(explored.seed);
        if let Err(error) = &explored.outcome {
            self.harness_failures.push(HarnessFailure {
                seed: explored.seed,
                error: error.to_string(),
            });
        }
        self.clusters.add(explored)
    }

    /// Seeds that were played.
    pub fn played(&self) -> u64 {
        self.played
    }

    /// Seeds in which something did not hold, or the harness failed.
    pub fn broken(&self) -> u64 {
        self.played - self.held
    }

    /// How many kinds of findings there are.
    pub fn kinds(&self) -> usize {
        self.clusters.len()
    }

    /// Virtual time of all seeds.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The result, of the seeds from `from` on, every `every`-th of them.
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
            held: self.held,
            virtual_s: self.elapsed.as_secs_f64(),
            clusters: self.clusters.into_sorted(),
            harness_failures: self.harness_failures,
        }
    }
}

impl Part {
    fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        (self.from..self.to).step_by(usize::try_from(self.every).unwrap_or(usize::MAX).max(1))
    }

    /// The first seed that is in both.
    fn overlap(&self, other: &Self) -> Option<u64> {
        let from = self.from.max(other.from);
        let is_in = |seed: &u64| (seed - other.from).is_multiple_of(other.every.max(1));
        let mut seeds = self.seeds().skip_while(|seed| *seed < from);
        seeds.by_ref().take_while(|seed| *seed < other.to).find(is_in)
    }
}

impl Exploration {
    /// Puts another result to this one.
    ///
    /// # Errors
    ///
    /// If the two do not go together.
    pub fn merge(&mut self, other: Self) -> Result<(), MergeError> {
        other.check_layout()?;
        if other.breaking != self.breaking {
            return Err(MergeError::OtherServer);
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
        self.held += other.held;
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

    /// Whether this tool knows how it is laid out.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub fn check_layout(&self) -> Result<(), MergeError> {
        if self.layout == LAYOUT {
            Ok(())
        } else {
            Err(MergeError::Layout { found: self.layout })
        }
    }

    /// Whether some seeds of the ranges were not played.
    pub fn is_stopped_early(&self) -> bool {
        self.parts.iter().any(|part| part.stopped_early)
    }

    /// How long it took, all machines together, in seconds.
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
            });
        }
        tally.played = (from..to).step_by(every as usize).count() as u64;
        tally.held = tally.played - clusters.len() as u64;
        tally.last = Some(to - 1);
        tally.finish(String::new(), from, every, false, Duration::from_secs(1))
    }

    #[test]
    fn shards_put_together_in_any_order_are_the_whole() {
        let even = exploration(0, 2, 9, &[("a", 2), ("b", 4)]);
        let odd = exploration(1, 2, 10, &[("a", 1)]);
        let mut one = even.clone();
        one.merge(odd.clone()).unwrap();
        let mut other = odd;
        other.merge(even).unwrap();
        assert_eq!(one, other);
        assert_eq!((one.played, one.held), (10, 7));
        assert_eq!(one.clusters[0].seeds, [1, 2]);
        assert_eq!(one.clusters[0].text, "at 1");
    }

    #[test]
    fn what_would_count_twice_or_means_something_else_is_not_put_together() {
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
        let mut newer = exploration(10, 1, 20, &[]);
        newer.layout = LAYOUT + 1;
        assert!(matches!(
            whole.clone().merge(newer),
            Err(MergeError::Layout { .. })
        ));
    }
}
