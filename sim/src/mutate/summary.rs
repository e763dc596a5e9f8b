//! Counts of mutants, and the part of them that oracles noticed.

use std::collections::BTreeMap;

use turnstile_mutants::generic::{Operation, Place};

use super::reviewed;
use super::trial::{Class, Trial};

/// Counts of mutants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Noticed by an oracle.
    pub oracle: usize,
    /// Noticed by scripts only.
    pub script: usize,
    /// Not noticed.
    pub survived: usize,
    /// Without a difference in any trace.
    pub not_provoked: usize,
    /// Not noticed by an oracle, and reviewed.
    pub reviewed: usize,
    /// The harness failed.
    pub failed: usize,
}

/// Counts by place and operation.
#[derive(Debug, Default)]
pub struct Summary {
    /// The counts.
    pub rows: BTreeMap<(Place, Operation), Counts>,
    /// Their sum.
    pub total: Counts,
}

impl Counts {
    fn add(&mut self, class: Class, is_reviewed: bool) {
        let count = match class {
            Class::Oracle => &mut self.oracle,
            Class::NotProvoked => &mut self.not_provoked,
            Class::HarnessFailed => &mut self.failed,
            Class::Script | Class::Survived if is_reviewed => &mut self.reviewed,
            Class::Script => &mut self.script,
            Class::Survived => &mut self.survived,
        };
        *count += 1;
    }

    /// All mutants.
    pub fn all(&self) -> usize {
        self.counted() + self.not_provoked + self.reviewed
    }

    /// Those that an oracle should notice.
    fn counted(&self) -> usize {
        self.oracle + self.script + self.survived + self.failed
    }

    /// The part of those that an oracle should notice, in percent; 100 without any.
    pub fn noticed(&self) -> f64 {
        match self.counted() {
            0 => 100.0,
            counted => self.oracle as f64 * 100.0 / counted as f64,
        }
    }
}

impl Summary {
    /// Counts the trials.
    pub fn of(trials: &[Trial]) -> Self {
        let mut summary = Self::default();
        for trial in trials {
            let (class, is_reviewed) = (trial.class(), trial.review().is_some());
            let row = (trial.rewrite.target.place, trial.rewrite.operation);
            summary.rows.entry(row).or_default().add(class, is_reviewed);
            summary.total.add(class, is_reviewed);
        }
        summary
    }
}

/// The reviewed names all of whose mutants in `trials`, at least one, were noticed by an oracle.
pub fn stale_reviews(trials: &[Trial]) -> Vec<&'static str> {
    let is_stale = |pattern: &&str| {
        let is_named = |trial: &&Trial| reviewed::matches(pattern, &trial.rewrite.to_string());
        let mut named = trials.iter().filter(is_named).peekable();
        named.peek().is_some() && named.all(|trial| trial.class() == Class::Oracle)
    };
    reviewed::patterns().filter(is_stale).collect()
}

#[cfg(test)]
mod tests {
    use super::super::trial::tests::trial;
    use super::*;

    #[test]
    fn mutants_that_make_no_difference_do_not_count() {
        let trials = [
            trial("drop:effect:deliver", 1, 0, 1),
            trial("drop:effect:enqueue", 0, 1, 1),
            trial("drop:effect:end-streams", 0, 0, 0),
            trial("swap:effect:deliver", 1, 0, 1),
        ];
        let summary = Summary::of(&trials);
        assert_eq!(summary.total.all(), 4);
        assert_eq!(summary.total.noticed().round(), 67.0);
        let dropped = summary.rows[&(Place::Effect, Operation::Drop)];
        assert_eq!(dropped.noticed(), 50.0);
    }
}
