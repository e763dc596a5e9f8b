//! What many plays came by, kept by scenario.
//!
//! A scenario counts once, with however many seeds it was played. Whether what was found is enough is not
//! said here.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use turnstile_scenarios::Entry;

use super::{FaultGroup, Mark, collect};
use crate::suite::{self, Outcome, Play};

/// What came of the plays.
#[derive(Debug, Default)]
pub struct Survey {
    scenarios: BTreeMap<String, Surveyed>,
    pub(super) plays: usize,
    /// The plays in which something did not hold, by id and seed.
    pub(super) broken: BTreeSet<(String, u64)>,
    /// The plays in which the harness failed, by id and seed.
    pub(super) failed: BTreeSet<(String, u64)>,
}

/// One scenario.
#[derive(Debug, Default)]
struct Surveyed {
    faults: BTreeSet<FaultGroup>,
    reached: BTreeSet<Mark>,
}

/// What came of one play.
enum Ended {
    Held,
    Broke,
    Failed,
}

impl Survey {
    /// Plays everything on `jobs` threads, each play with a collector of its own, and tells `progress` how
    /// many are done as soon as one is.
    pub fn of(plays: &[Play], jobs: NonZeroUsize, progress: impl FnMut(usize)) -> Self {
        let mut survey = Self::default();
        let play = |play| {
            let (played, reached) = collect(|| suite::play_timed(play));
            let ended = match played.outcome() {
                Outcome::Passed(_) => Ended::Held,
                Outcome::Failed(_) => Ended::Broke,
                Outcome::HarnessFailed(_) => Ended::Failed,
            };
            (play, ended, reached)
        };
        suite::play_all_by(plays, jobs, play, progress, |(play, ended, reached)| {
            survey.add(&play, &ended, reached);
        });
        survey
    }

    fn add(&mut self, play: &Play, ended: &Ended, reached: BTreeSet<Mark>) {
        let Entry { id, scenario, .. } = play.entry;
        self.plays += 1;
        let named = (id.clone(), play.options.seed);
        match ended {
            Ended::Held => {}
            Ended::Broke => {
                self.broken.insert(named);
            }
            Ended::Failed => {
                self.failed.insert(named);
            }
        }
        let surveyed = self.scenarios.entry(id.clone()).or_insert_with(|| Surveyed {
            faults: FaultGroup::of(scenario),
            reached: BTreeSet::new(),
        });
        surveyed.reached.extend(reached);
    }

    /// How many scenarios were played.
    pub fn scenarios(&self) -> usize {
        self.scenarios.len()
    }

    /// How many scenarios came by a mark.
    pub fn reaching(&self, mark: Mark) -> usize {
        self.count(|surveyed| surveyed.reached.contains(&mark))
    }

    /// How many scenarios have a kind of fault in them; without one, how many have none at all.
    pub fn with(&self, fault: Option<FaultGroup>) -> usize {
        self.count(|surveyed| surveyed.has(fault))
    }

    /// As [`Self::with`], those only that came by any mark of a section of the protocol.
    pub fn with_in(&self, fault: Option<FaultGroup>, section: u8) -> usize {
        self.count(|surveyed| {
            surveyed.has(fault) && surveyed.reached.iter().any(|mark| mark.section() == section)
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
