//! Which moments to look at: some that are far apart, and then those between which the failure becomes likelier.

use std::collections::BTreeMap;

/// The number of moments to begin with.
const COARSE: usize = 8;
/// The number of moments around a jump that is known.
const AROUND: usize = 14;
/// The smallest rise between two moments that is worth a look at those between.
const WORTH: f64 = 0.1;

/// The smallest rise that is no chance with some ten variations.
const CLEAR: f64 = 0.25;
/// The share from which on a failure is almost certain.
const CERTAIN: f64 = 0.75;

/// How many variations failed, and how many had an outcome.
pub(super) type Counts = (u32, u32);

/// A search over numbered moments.
#[derive(Debug)]
pub(super) struct Search {
    /// Moments to look at, the next one last.
    planned: Vec<usize>,
    found: BTreeMap<usize, Counts>,
    most: usize,
    /// Whether to look more closely where the failure becomes likelier.
    is_refined: bool,
}

impl Search {
    /// A search over `count` moments that looks at no more than `most`. If the jump is known to be before `onset`, it looks at
    /// the two moments there, and then coarsely at the others.
    pub(super) fn over(count: usize, most: usize, onset: Option<usize>) -> Self {
        let (wanted, most_others) = match onset {
            Some(_) => (AROUND, most.saturating_sub(2)),
            None => (COARSE, most),
        };
        let coarse = wanted.min(count).min(most_others);
        let last = count.saturating_sub(1);
        let mut planned: Vec<usize> = (0..coarse)
            .map(|number| number * last / coarse.saturating_sub(1).max(1))
            .collect();
        planned.dedup();
        planned.reverse();
        if let Some(onset) = onset {
            planned.retain(|moment| *moment != onset && *moment + 1 != onset);
            planned.extend([onset, onset - 1]);
        }
        Self {
            planned,
            found: BTreeMap::new(),
            most,
            is_refined: onset.is_none(),
        }
    }

    /// The moment to look at next; `None` if the search is over.
    pub(super) fn next(&mut self) -> Option<usize> {
        if self.found.len() >= self.most {
            return None;
        }
        let planned = self.planned.pop();
        planned.or_else(|| if self.is_refined { self.between() } else { None })
    }

    /// Takes the result of a moment.
    pub(super) fn found(&mut self, index: usize, failed: u32, of: u32) {
        self.found.insert(index, (failed, of));
    }

    /// The number of moments looked at.
    pub(super) fn looked_at(&self) -> usize {
        self.found.len()
    }

    /// The results by moment.
    pub(super) fn into_found(self) -> Vec<(usize, Counts)> {
        self.found.into_iter().collect()
    }

    /// The middle of the two moments of the jump if there are others between them, or else that of the two such moments with
    /// the largest rise.
    fn between(&self) -> Option<usize> {
        let found: Vec<(usize, Counts)> = self
            .found
            .iter()
            .map(|(index, counts)| (*index, *counts))
            .collect();
        let middle = |left: usize, right: usize| left + (right - left) / 2;
        let jump = jump(&found).filter(|(left, right)| right - left > 1);
        if let Some((left, right)) = jump {
            return Some(middle(left, right));
        }
        let gaps = found.windows(2).filter_map(|pair| {
            let [(left, low), (right, high)] = pair else {
                return None;
            };
            let rise = share(*high) - share(*low);
            (right - left > 1 && rise >= WORTH).then_some((rise, middle(*left, *right)))
        });
        // Of equal rises, the first.
        gaps.reduce(|best, other| if other.0 > best.0 { other } else { best })
            .map(|(_, middle)| middle)
    }
}

/// The first of `count` moments from which `fails` is true of all, unless it is true of all moments or not of the last one.
/// Asks about few of them: it looks back from the last one in growing strides, and then between the last two.
pub(super) fn onset(count: usize, mut fails: impl FnMut(usize) -> bool) -> Option<usize> {
    let last = count.checked_sub(1)?;
    if !fails(last) {
        return None;
    }
    let (mut high, mut stride) = (last, 1);
    let mut low = loop {
        let earlier = last.saturating_sub(stride).min(high.checked_sub(1)?);
        if !fails(earlier) {
            break earlier;
        }
        high = earlier;
        stride *= 2;
    };
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match fails(middle) {
            true => high = middle,
            false => low = middle,
        }
    }
    Some(high)
}

/// The moments before and after the jump: the place that best divides the moments into those before, which share one
/// probability of failure, and those after, which share a higher one. Of equally good places, the last. `None` if nothing
/// rises.
pub(super) fn jump(found: &[(usize, Counts)]) -> Option<(usize, usize)> {
    let sum = |counts: &[(usize, Counts)]| {
        counts.iter().fold((0, 0), |(failed, of), (_, counts)| {
            (failed + counts.0, of + counts.1)
        })
    };
    let places = (1..found.len()).filter_map(|place| {
        let (before, after) = found.split_at(place);
        let (low, high) = (sum(before), sum(after));
        let rises = share(high) > share(low) && share(after[0].1) > share(before[place - 1].1);
        rises.then(|| {
            (
                likelihood(low) + likelihood(high),
                (before[place - 1].0, after[0].0),
            )
        })
    });
    places
        .reduce(|best, other| if other.0 >= best.0 { other } else { best })
        .map(|(_, moments)| moments)
}

/// The logarithm of the likelihood of these counts with the probability that explains them best.
fn likelihood((failed, of): Counts) -> f64 {
    let part = |count: u32| match count {
        0 => 0.0,
        _ => f64::from(count) * (f64::from(count) / f64::from(of)).ln(),
    };
    part(failed) + part(of - failed)
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

    /// Searches moments whose failures are given, out of 10 each.
    fn searched(failures: &[u32], most: usize) -> Vec<(usize, Counts)> {
        let mut search = Search::over(failures.len(), most, None);
        while let Some(index) = search.next() {
            search.found(index, failures[index], 10);
        }
        search.into_found()
    }

    #[test]
    fn a_step_of_the_curve_is_found_between_any_two_moments() {
        for place in 1..200 {
            let failures: Vec<u32> = (0..200).map(|index| if index < place { 1 } else { 10 }).collect();
            let found = searched(&failures, 30);
            assert_eq!(jump(&found), Some((place - 1, place)));
        }
    }

    #[test]
    fn the_onset_is_found_with_few_questions() {
        for onset_at in 1..200 {
            let mut asked = 0;
            let found = onset(200, |moment| {
                asked += 1;
                moment >= onset_at
            });
            assert_eq!(found, Some(onset_at));
            assert!(asked <= 18, "{asked} questions");
        }
        assert_eq!(onset(200, |_| true), None);
        assert_eq!(onset(200, |_| false), None);
        assert_eq!(onset(0, |_| true), None);
    }

    #[test]
    fn the_moments_of_the_onset_are_looked_at_first() {
        let mut search = Search::over(100, 40, Some(7));
        let mut looked_at = Vec::new();
        while let Some(index) = search.next() {
            looked_at.push(index);
            search.found(index, 10, 10);
        }
        assert_eq!(looked_at[..3], [6, 7, 0]);
        assert!(looked_at.len() <= AROUND + 2, "{looked_at:?}");
    }

    #[test]
    fn a_flat_curve_has_no_jump_and_is_looked_at_coarsely() {
        let found = searched(&[10; 500], 40);
        assert_eq!(found.len(), COARSE);
        assert_eq!(jump(&found), None);
    }

    #[test]
    fn no_more_moments_are_looked_at_than_asked_for() {
        let failures: Vec<u32> = (0..100).map(|index| index / 10).collect();
        assert_eq!(searched(&failures, 12).len(), 12);
        assert_eq!(searched(&failures[..1], 12), [(0, (0, 10))]);
        assert_eq!(searched(&[], 12), []);
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

    #[test]
    fn of_equally_good_places_the_last_one_is_the_jump() {
        let found = [(0, (0, 10)), (1, (5, 10)), (2, (5, 10)), (3, (10, 10))];
        assert_eq!(jump(&found), Some((2, 3)));
    }

    #[test]
    fn one_moment_by_chance_is_no_jump() {
        let failures = [2, 9, 2, 3, 2, 8, 9, 10, 10];
        let found: Vec<(usize, Counts)> = failures
            .into_iter()
            .map(|failed| (failed, 10))
            .enumerate()
            .collect();
        assert_eq!(jump(&found), Some((4, 5)));
    }
}
