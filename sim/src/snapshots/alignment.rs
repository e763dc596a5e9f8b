//! Matches the elements of two lists so that the description of their differences is as short as possible.

/// An element of one list or of both, by its index in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// In both lists.
    Kept(usize, usize),
    /// Only in the first list.
    Gone(usize),
    /// Only in the second list.
    New(usize),
}

/// The costs of edits.
pub(super) trait Costs {
    /// The cost of changing one element into another; `None` if they cannot match.
    fn change(&self, before: usize, after: usize) -> Option<usize>;
    /// The cost of removing an element.
    fn removal(&self, before: usize) -> usize;
    /// The cost of adding an element.
    fn insertion(&self, after: usize) -> usize;
}

/// The cheapest sequence of edits from one list to another. Of two with the same cost, the one that keeps more elements.
pub(super) fn align(before: usize, after: usize, costs: &impl Costs) -> Vec<Element> {
    // For each pair of positions: the remaining cost and the next edit.
    let mut left = vec![vec![(0, None); after + 1]; before + 1];
    for one in (0..=before).rev() {
        for other in (0..=after).rev() {
            let kept = || {
                let cost = costs.change(one, other)?;
                Some((cost + left[one + 1][other + 1].0, Element::Kept(one, other)))
            };
            let gone = || (costs.removal(one) + left[one + 1][other].0, Element::Gone(one));
            let new = || {
                (
                    costs.insertion(other) + left[one][other + 1].0,
                    Element::New(other),
                )
            };
            let ways = match (one < before, other < after) {
                (true, true) => [kept(), Some(gone()), Some(new())],
                (true, false) => [Some(gone()), None, None],
                (false, true) => [Some(new()), None, None],
                (false, false) => continue,
            };
            // The first of the cheapest edits.
            let cheapest = ways.into_iter().flatten().min_by_key(|(cost, _)| *cost);
            left[one][other] = cheapest.map_or((0, None), |(cost, step)| (cost, Some(step)));
        }
    }
    let (mut one, mut other) = (0, 0);
    std::iter::from_fn(|| {
        let step = left[one][other].1?;
        match step {
            Element::Kept(..) => (one, other) = (one + 1, other + 1),
            Element::Gone(_) => one += 1,
            Element::New(_) => other += 1,
        }
        Some(step)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Letters<'a>(&'a [u8], &'a [u8]);

    impl Costs for Letters<'_> {
        fn change(&self, before: usize, after: usize) -> Option<usize> {
            (self.0[before].eq_ignore_ascii_case(&self.1[after]))
                .then_some(usize::from(self.0[before] != self.1[after]))
        }

        fn removal(&self, _: usize) -> usize {
            1
        }

        fn insertion(&self, _: usize) -> usize {
            1
        }
    }

    #[test]
    fn what_is_in_both_lists_is_found_around_what_came_and_went() {
        use Element::{Gone, Kept, New};
        let aligned = |one: &str, other: &str| {
            align(one.len(), other.len(), &Letters(one.as_bytes(), other.as_bytes()))
        };
        assert_eq!(
            aligned("abcd", "xbDe"),
            [Gone(0), New(0), Kept(1, 1), Gone(2), Kept(3, 2), New(3)]
        );
        assert_eq!(aligned("", "a"), [New(0)]);
        assert_eq!(aligned("aa", "a"), [Kept(0, 0), Gone(1)]);
    }
}
