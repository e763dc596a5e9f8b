//! Counts how many seeds it takes to detect a mutant.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use crate::stage::Subject;
use turnstile_mutants::Rule;

use crate::explore::{self, Playing};
use crate::watch::Watch;

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
    /// Searches `times` times, each time with up to `limit` different seeds.
    pub fn of(
        rule: Rule,
        times: u64,
        limit: u64,
        jobs: NonZeroUsize,
        watch: Watch,
        mut progress: impl FnMut(u64),
    ) -> Self {
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
            explore::explore(
                first..first + limit,
                jobs,
                &playing,
                |_| {},
                |explored| {
                    progress(1);
                    let Some(finding) = explored.failure().and_then(|failure| failure.findings.first())
                    else {
                        return ControlFlow::Continue(());
                    };
                    found = Some(explored.seed - first + 1);
                    search.by.get_or_insert_with(|| finding.rule.clone());
                    ControlFlow::Break(())
                },
            );
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
