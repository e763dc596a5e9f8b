//! The marks that many plays hit, by scenario.
//!
//! A scenario counts once, regardless of the number of seeds. Whether the coverage is sufficient is decided in `report`.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use turnstile_scenarios::Entry;

use super::{FaultGroup, Mark, collect};
use crate::suite::{self, Outcome, Play, Played};

/// The marks and outcomes of plays.
#[derive(Debug, Default)]
pub struct Survey {
    scenarios: BTreeMap<String, Surveyed>,
    pub(super) plays: usize,
    /// Plays with findings, by id and seed.
    pub(super) broken: BTreeSet<(String, u64)>,
    /// Plays in which the harness failed, by id and seed.
    pub(super) failed: BTreeSet<(String, u64)>,
}

/// One scenario.
#[derive(Debug, Default)]
struct Surveyed {
    faults: BTreeSet<FaultGroup>,
    hits: BTreeSet<Mark>,
}

impl Survey {
    /// Plays everything on `jobs` threads, with one collector per play. Calls `progress` with the number of finished plays.
    pub fn of<'a>(
        plays: impl Iterator<Item = Play<'a>> + Send,
        jobs: NonZeroUsize,
        progress: impl FnMut(usize),
    ) -> Self {
        let mut survey = Self::default();
        let play = |play| {
            let (played, hits) = collect(|| suite::play_timed(play));
            (!played.was_interrupted()).then_some((played, hits))
        };
        suite::play_all_by(plays, jobs, play, progress, |surveyed| {
            if let Some((played, hits)) = surveyed {
                survey.add(&played, hits);
            }
        });
        survey
    }

    /// Adds a finished play with the marks that it hit, as [`collect`] returns them.
    pub fn add(&mut self, played: &Played<'_>, hits: BTreeSet<Mark>) {
        let Entry { id, scenario, .. } = played.play.entry;
        self.plays += 1;
        let named = (id.clone(), played.play.options.seed);
        match played.outcome() {
            Outcome::Passed(_) => {}
            Outcome::Failed(_) => {
                self.broken.insert(named);
            }
            Outcome::HarnessFailed(_) => {
                self.failed.insert(named);
            }
        }
        let surveyed = self.scenarios.entry(id.clone()).or_insert_with(|| Surveyed {
            faults: FaultGroup::of(scenario),
            hits: BTreeSet::new(),
        });
        surveyed.hits.extend(hits);
    }

    /// The number of scenarios.
    pub fn scenarios(&self) -> usize {
        self.scenarios.len()
    }

    /// The number of scenarios that hit a mark.
    pub fn hitting(&self, mark: Mark) -> usize {
        self.count(|surveyed| surveyed.hits.contains(&mark))
    }

    /// The number of scenarios with a kind of fault; `None` counts scenarios without faults.
    pub fn with(&self, fault: Option<FaultGroup>) -> usize {
        self.count(|surveyed| surveyed.has(fault))
    }

    /// As [`Self::with`], for scenarios that hit a mark of a section of the protocol.
    pub fn with_in(&self, fault: Option<FaultGroup>, section: u8) -> usize {
        self.count(|surveyed| {
            surveyed.has(fault) && surveyed.hits.iter().any(|mark| mark.section() == section)
        })
    }

    fn count(&self, counts: impl Fn(&Surveyed) -> bool) -> usize {
        self.scenarios
            .values()
            .filter(|surveyed| counts(surveyed))
            .count()
    }
}

impl Surveyed {
    fn has(&self, fault: Option<FaultGroup>) -> bool {
        match fault {
            Some(fault) => self.faults.contains(&fault),
            None => self.faults.is_empty(),
        }
    }
}
