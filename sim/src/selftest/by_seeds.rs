//! Counts how many seeds, or plays of a guided exploration, it takes to detect a mutant.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use crate::stage::Subject;
use turnstile_mutants::Rule;

use crate::explore::{self, Explored, Playing};
use crate::watch::Watch;

/// How to search.
#[derive(Debug, Clone, Copy)]
pub struct SearchSettings {
    /// The number of searches, each with different seeds.
    pub times: u64,
    /// The largest number of seeds of one search.
    pub limit: u64,
    /// Whether scenarios combine what the earlier ones did not.
    pub guided: bool,
    /// The number of threads.
    pub jobs: NonZeroUsize,
    /// The limits of each play.
    pub watch: Watch,
}

/// The results of several searches for one mutant.
#[derive(Debug)]
pub struct Search {
    /// The violated rule.
    pub rule: Rule,
    /// The number of seeds of each search; `None` if the limit was not enough.
    pub seeds: Vec<Option<u64>>,
    /// The rule of the first finding in the first seed that detected it.
    pub by: Option<String>,
}

impl Search {
    /// Searches for a mutant. Calls `progress` with the number of further plays.
    pub fn of(rule: Rule, settings: SearchSettings, mut progress: impl FnMut(u64)) -> Self {
        let SearchSettings {
            times,
            limit,
            guided,
            jobs,
            watch,
        } = settings;
        let playing = Playing {
            subject: Subject::from(rule),
            watch: Some(watch),
            ..Playing::default()
        };
        let mut search = Self {
            rule,
            seeds: Vec::new(),
            by: None,
        };
        for time in 0..times {
            let first = time * limit;
            let mut found = None;
            let done = |explored: Explored| {
                progress(1);
                let Some(finding) = explored.failure().and_then(|failure| failure.findings.first()) else {
                    return ControlFlow::Continue(());
                };
                found = Some(explored.seed - first + 1);
                search.by.get_or_insert_with(|| finding.rule.clone());
                ControlFlow::Break(())
            };
            let numbers = first..first + limit;
            if guided {
                explore::explore_guided(numbers, jobs, &playing, |_| {}, done);
            } else {
                explore::explore(numbers, jobs, &playing, |_| {}, done);
            }
            search.seeds.push(found);
        }
        search
    }

    /// The number of successful searches.
    pub fn found(&self) -> usize {
        self.seeds.iter().flatten().count()
    }

    /// The median number of seeds; `None` if fewer than half of the searches succeeded.
    pub fn median(&self) -> Option<u64> {
        let mut seeds: Vec<u64> = self.seeds.iter().map(|seeds| seeds.unwrap_or(u64::MAX)).collect();
        seeds.sort_unstable();
        seeds
            .get(seeds.len() / 2)
            .copied()
            .filter(|median| *median < u64::MAX)
    }

    /// The maximum number of seeds; `None` if a search failed.
    pub fn worst(&self) -> Option<u64> {
        self.seeds
            .iter()
            .copied()
            .collect::<Option<Vec<u64>>>()?
            .into_iter()
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_search_counts_as_longer_than_any_other() {
        let search = |seeds: &[Option<u64>]| Search {
            rule: Rule::ALL[0],
            seeds: seeds.to_vec(),
            by: None,
        };
        assert_eq!(search(&[Some(9), Some(1), Some(4)]).median(), Some(4));
        assert_eq!(search(&[None, Some(1), Some(4)]).median(), Some(4));
        assert_eq!(search(&[None, None, Some(4)]).median(), None);
        assert_eq!(search(&[None, Some(4)]).worst(), None);
    }
}
