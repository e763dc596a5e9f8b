//! Which moments to look at: some that are far apart, and then those between which more probes begin to fail.

use std::collections::BTreeMap;

/// The number of moments to begin with.
pub(super) const COARSE: usize = 16;

/// The smallest rise that is no chance with some ten variations.
const CLEAR: f64 = 0.25;
/// The share from which on a failure is almost certain.
const CERTAIN: f64 = 0.75;

/// How many variations failed, and how many had an outcome.
pub(super) type Counts = (u32, u32);

/// A search for the jump over numbered moments: for the two that follow each other and between which the weight of the failing
/// probes rises most. Of equal rises, the last, or one between moments that are apart if the limit comes before a look between them.
#[derive(Debug)]
pub(super) struct Search {
    /// Moments to look at, the next one last.
    planned: Vec<usize>,
    /// The weight of the failing probes by moment.
    found: BTreeMap<usize, u32>,
    most: usize,
}

impl Search {
    /// A search over `count` moments that looks at no more than `most`.
    pub(super) fn over(count: usize, most: usize) -> Self {
        let mut planned: Vec<usize> = coarse(count, most).collect();
        planned.reverse();
        Self {
            planned,
            found: BTreeMap::new(),
            most,
        }
    }

    /// The moment to look at next; `None` if the search is over.
    pub(super) fn next(&mut self) -> Option<usize> {
        if self.found.len() >= self.most {
            return None;
        }
        self.planned.pop().or_else(|| {
            let (before, after) = self.jump()?;
            (after - before > 1).then_some(before + (after - before) / 2)
        })
    }

    /// Takes the result of a moment.
    pub(super) fn found(&mut self, index: usize, weight: u32) {
        self.found.insert(index, weight);
    }

    /// The moments before and after the largest rise. `None` if nothing rises. Between two moments that are apart there may be a
    /// larger one than between their weights, so of equal rises those are looked at first.
    pub(super) fn jump(&self) -> Option<(usize, usize)> {
        let found: Vec<(usize, u32)> = self
            .found
            .iter()
            .map(|(index, weight)| (*index, *weight))
            .collect();
        let rises = found.windows(2).filter_map(|pair| match pair {
            [(before, low), (after, high)] if high > low => Some((high - low, *before, *after)),
            _ => None,
        });
        let largest = rises.max_by_key(|(rise, before, after)| (*rise, after - before > 1, *after));
        largest.map(|(_, before, after)| (before, after))
    }
}

/// Up to [`COARSE`] of `count` moments, evenly, the first and the last among them, and no more than `most`.
pub(super) fn coarse(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let number = COARSE.min(count).min(most);
    let last = count.saturating_sub(1);
    (0..number).map(move |place| place * last / number.saturating_sub(1).max(1))
}

/// Whether a rise is beyond chance, and the failure almost certain from its end on.
pub(super) fn is_clear(found: &[(usize, Counts)], before: usize, after: usize) -> bool {
    let share_at = |moment: usize| {
        let counts = found.iter().find(|(index, _)| *index == moment);
        counts.map_or(0.0, |(_, counts)| share(*counts))
    };
    let is_certain = |(index, counts): &(usize, Counts)| *index < after || share(*counts) >= CERTAIN;
    share_at(after) - share_at(before) >= CLEAR && found.iter().all(is_certain)
}

fn share((failed, of): Counts) -> f64 {
    f64::from(failed) / f64::from(of.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches moments whose weights are given. Returns the jump and the number of moments looked at.
    fn searched(weights: &[u32], most: usize) -> (Option<(usize, usize)>, usize) {
        let mut search = Search::over(weights.len(), most);
        while let Some(index) = search.next() {
            search.found(index, weights[index]);
        }
        (search.jump(), search.found.len())
    }

    #[test]
    fn the_largest_rise_is_found_between_any_two_moments() {
        for place in 1..200 {
            let weights: Vec<u32> = (0..200)
                .map(|index| 2 * u32::from(index >= 77) + 3 * u32::from(index >= place))
                .collect();
            let (jump, looked_at) = searched(&weights, 40);
            assert_eq!(jump, Some((place - 1, place)));
            assert!(looked_at <= COARSE + 8, "{looked_at} moments");
        }
    }

    #[test]
    fn of_equal_rises_the_last_one_is_the_jump() {
        assert_eq!(searched(&[0, 1, 1, 2, 2], 10).0, Some((2, 3)));
        assert_eq!(searched(&[0, 3, 0, 2, 2], 10).0, Some((0, 1)));
    }

    #[test]
    fn without_a_rise_there_is_no_jump() {
        assert_eq!(searched(&[7; 500], 40), (None, COARSE));
        assert_eq!(searched(&[3, 2, 1], 40).0, None);
        assert_eq!(searched(&[], 12), (None, 0));
    }

    #[test]
    fn no_more_moments_are_looked_at_than_asked_for() {
        let weights: Vec<u32> = (0..100).collect();
        assert_eq!(searched(&weights, 18).1, 18);
        assert_eq!(searched(&weights, 2), (Some((0, 99)), 2));
    }

    #[test]
    fn a_small_rise_and_one_to_an_uncertain_failure_are_not_clear() {
        let clear = |failures: [u32; 3]| {
            let found = failures.map(|failed| (failed, 20));
            let found: Vec<(usize, Counts)> = found.into_iter().enumerate().collect();
            is_clear(&found, 0, 1)
        };
        assert!(clear([8, 16, 20]));
        assert!(!clear([15, 16, 20]));
        assert!(!clear([2, 12, 20]));
        assert!(!clear([2, 20, 10]));
    }
}
