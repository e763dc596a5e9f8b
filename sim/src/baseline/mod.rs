//! Expected failures of a server: what a reviewed file says of each play.
//!
//! An unexpected failure and an unexpected pass are both red. A failure is expected only if entries of the file cover all
//! of its findings. Failures of the harness are never expected. `file` reads the file, `update` changes it.

pub mod file;
mod update;

use std::collections::BTreeSet;

use turnstile_judge::oracle::Finding;

pub use self::file::{Baseline, Expected};
pub use self::update::Update;
use crate::standing::{Listing, Standing};
use crate::suite::Played;

impl Baseline {
    /// Says what it expects of a play. A play that an entry calls flaky is repeated with `again` until it passes; the
    /// argument is the number of plays before, and `None` ends the repetition. Returns the last play.
    pub fn judge<'a>(
        &self,
        first: Played<'a>,
        mut again: impl FnMut(u32) -> Option<Played<'a>>,
    ) -> Played<'a> {
        let mut played = first;
        let mut plays = 1;
        while plays < self.most_plays(&played)
            && let Some(next) = again(plays)
        {
            played = next;
            plays += 1;
        }
        played.standing = self.standing(&played, plays);
        played
    }

    /// How often a play with these findings is played.
    fn most_plays(&self, played: &Played) -> u32 {
        let covering = self.covering(played).unwrap_or_default();
        let repeats = covering.iter().map(|index| self.entries()[*index].plays());
        repeats.max().unwrap_or(1)
    }

    fn standing(&self, played: &Played, plays: u32) -> Standing {
        let Ok(verdict) = &played.verdict else {
            return Standing::Unlisted;
        };
        let listing = |entry: &Expected| Listing {
            reason: entry.reason.clone(),
            place: self.place(entry),
            plays,
        };
        let id = &played.play.entry.id;
        if verdict.findings.is_empty() {
            return match self.of_scenario(id).next().map(|index| &self.entries()[index]) {
                None => Standing::Unlisted,
                Some(entry) if entry.flaky => Standing::FlakyPass(listing(entry)),
                Some(entry) => Standing::UnexpectedPass(listing(entry)),
            };
        }
        let Some(covering) = self.covering(played) else {
            return Standing::Unlisted;
        };
        let entries = covering.iter().map(|index| &self.entries()[*index]);
        // A flaky entry says more about this play than a steady one.
        let entry = entries.max_by_key(|entry| entry.flaky);
        match entry {
            None => Standing::Unlisted,
            Some(entry) if entry.flaky && entry.scenario.is_some() => {
                Standing::FailedEachTime(listing(entry))
            }
            Some(entry) => Standing::ExpectedFailure(listing(entry)),
        }
    }

    /// The entries that cover the findings of a play; `None` if there are no findings or one is not covered.
    fn covering(&self, played: &Played) -> Option<BTreeSet<usize>> {
        let findings = &played.verdict.as_ref().ok()?.findings;
        if findings.is_empty() {
            return None;
        }
        let id = &played.play.entry.id;
        let mut covering = BTreeSet::new();
        for finding in findings {
            covering.insert(self.covers(id, finding).next()?);
        }
        Some(covering)
    }

    /// The indices of the entries that name a scenario.
    fn of_scenario<'a>(&'a self, id: &'a str) -> impl Iterator<Item = usize> + 'a {
        let entries = self.entries().iter().enumerate();
        entries
            .filter(move |(_, entry)| entry.scenario.as_deref() == Some(id))
            .map(|(index, _)| index)
    }

    /// The indices of the entries that cover a finding of a scenario.
    fn covers<'a>(&'a self, id: &'a str, finding: &'a Finding) -> impl Iterator<Item = usize> + 'a {
        let entries = self.entries().iter().enumerate();
        entries
            .filter(move |(_, entry)| entry.covers(id, finding))
            .map(|(index, _)| index)
    }
}

/// Collects which entries of a baseline a run has met.
#[derive(Debug)]
pub struct Review<'a> {
    baseline: &'a Baseline,
    /// Entries whose scenario was played.
    asked: BTreeSet<usize>,
    /// Entries that covered a finding, or whose scenario passed and is reported as such.
    met: BTreeSet<usize>,
}

impl<'a> Review<'a> {
    /// A review without plays.
    pub fn new(baseline: &'a Baseline) -> Self {
        Self {
            baseline,
            asked: BTreeSet::new(),
            met: BTreeSet::new(),
        }
    }

    /// Takes a play.
    pub fn add(&mut self, played: &Played) {
        let Ok(verdict) = &played.verdict else { return };
        let id = &played.play.entry.id;
        for index in self.baseline.of_scenario(id) {
            self.asked.insert(index);
            if verdict.findings.is_empty() {
                self.met.insert(index);
            }
        }
        for finding in &verdict.findings {
            self.met.extend(self.baseline.covers(id, finding));
        }
    }

    /// The entries that no play has met, although one could. Entries of rules alone are among them only after a run of
    /// all scenarios.
    pub fn stale(&self, is_complete: bool) -> Vec<&'a Expected> {
        let entries = self.baseline.entries().iter().enumerate();
        entries
            .filter(|(index, _)| self.is_stale(*index, is_complete))
            .map(|(_, entry)| entry)
            .collect()
    }

    fn is_stale(&self, index: usize, is_complete: bool) -> bool {
        let entry = &self.baseline.entries()[index];
        let could_be = self.asked.contains(&index) || is_complete && entry.scenario.is_none();
        could_be && !entry.flaky && !self.met.contains(&index)
    }
}

#[cfg(test)]
mod tests;
