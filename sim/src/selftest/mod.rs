//! Mutation testing of the harness: plays scenarios against mutants of the server, each of which violates one rule.
//!
//! This module decides which scenarios are played and when a mutant counts as detected; `detection` states which oracle
//! and script must detect each mutant; `report` prints the result. The mutants are in the crate `turnstile-mutants`, which only a build with the feature `selftest` contains.

mod by_seeds;
mod detection;
mod reasons;
mod report;

use std::num::NonZeroUsize;

use turnstile_judge::oracle::{Finding, ORACLES};
use turnstile_mutants::Rule;
use turnstile_scenarios::{Entry, Surface};

pub use self::by_seeds::{Search, SearchSettings};
pub use self::detection::{mutant_named, oracle_of, script_of};
pub use self::reasons::{Nearness, NotMeasured, Reason, ReasonSettings, write_reasons};
pub use self::report::{Summary, write_clean, write_searches, write_trials};
use crate::script::Options;
use crate::stage::Subject;
pub use crate::stage::name_of;
use crate::suite::{self, Outcome, Play, Played};
use crate::watch::Watch;

/// The number of scenarios that each mutant plays before detected mutants are dropped. It is fixed so that the report does
/// not depend on the number of threads.
const ROUND: usize = 8;

/// The scenarios and settings of a self-test.
#[derive(Debug)]
pub struct Selftest<'a> {
    /// The scenarios, in order.
    entries: Vec<&'a Entry>,
    /// The seed of every play.
    seed: u64,
    /// The number of parallel plays.
    jobs: NonZeroUsize,
    /// The limits of each play.
    watch: Option<Watch>,
}

/// The result of one mutant.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The violated rule.
    pub rule: Rule,
    /// The scenarios that detected it, in order.
    pub noticed: Vec<Notice<'a>>,
    /// Plays in which the harness failed.
    pub failed: Vec<Played<'a>>,
    /// The number of plays.
    pub played: usize,
}

/// A scenario that detected a mutant.
#[derive(Debug)]
pub struct Notice<'a> {
    /// The scenario.
    pub entry: &'a Entry,
    /// The oracles and expectations that failed, each once, oracles first.
    pub by: Vec<String>,
}

/// Progress of the plays.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The number of finished plays.
    pub played: usize,
    /// The maximum number of plays. It is smaller if mutants are detected early.
    pub at_most: usize,
}

impl<'a> Selftest<'a> {
    /// Plays `entries` with `seed` on `jobs` threads. Scenarios on the legacy surface come last, because most of them detect
    /// the same mutants as their unified counterparts.
    pub fn new(mut entries: Vec<&'a Entry>, seed: u64, jobs: NonZeroUsize) -> Self {
        entries.sort_by_key(|entry| entry.scenario.api.first() == Surface::Legacy);
        Self {
            entries,
            seed,
            jobs,
            watch: None,
        }
    }

    /// Limits each play.
    #[must_use]
    pub fn with_watch(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Plays everything against the unmodified server and returns the plays that did not pass. Their scenarios are not
    /// played against mutants, because their findings would be meaningless.
    pub fn play_clean(&mut self, mut progress: impl FnMut(Progress)) -> Vec<Played<'a>> {
        let at_most = self.entries.len();
        let plays = self.entries.iter();
        let plays = plays.map(|&entry| self.play_of(entry, Subject::default()));
        let mut unclean = Vec::new();
        suite::play_all(
            plays.take_while(|_| !self.is_over()),
            self.jobs,
            |played| progress(Progress { played, at_most }),
            |played| {
                if !matches!(played.outcome(), Outcome::Passed(_)) && !played.was_interrupted() {
                    unclean.push(played);
                }
            },
        );
        self.entries
            .retain(|entry| unclean.iter().all(|played| played.play.entry.id != entry.id));
        unclean
    }

    /// Plays everything against the mutant of each of `rules`, until `is_enough` returns true for it.
    pub fn try_rules(
        &self,
        rules: &[Rule],
        is_enough: impl Fn(&Trial<'a>) -> bool,
        mut progress: impl FnMut(Progress),
    ) -> Vec<Trial<'a>> {
        let mut trials: Vec<Trial> = rules.iter().map(|&rule| Trial::new(rule)).collect();
        let mut done = 0;
        for (round, entries) in self.entries.chunks(ROUND).enumerate() {
            let mut open: Vec<&mut Trial> = trials.iter_mut().filter(|trial| !is_enough(trial)).collect();
            if open.is_empty() || self.is_over() {
                break;
            }
            let plays: Vec<Play> = open
                .iter()
                .flat_map(|trial| {
                    let subject = Subject::from(trial.rule);
                    entries.iter().map(move |&entry| self.play_of(entry, subject))
                })
                .collect();
            let at_most = done + open.len() * (self.entries.len() - round * ROUND);
            let mut taken = 0;
            suite::play_all(
                plays.iter().copied().take_while(|_| !self.is_over()),
                self.jobs,
                |played| {
                    let played = done + played;
                    progress(Progress { played, at_most });
                },
                |played| {
                    let trial = &mut open[taken / entries.len()];
                    taken += 1;
                    // Plays after the last necessary one are ignored, so that counts do not depend on the round.
                    if !is_enough(trial) && !played.was_interrupted() {
                        trial.take(played);
                    }
                },
            );
            done += plays.len();
        }
        trials
    }

    fn play_of(&self, entry: &'a Entry, subject: Subject) -> Play<'a> {
        let options = Options {
            seed: self.seed,
            subject,
            watch: self.watch,
            ..Options::default()
        };
        Play { entry, options }
    }

    /// Whether no further play should begin.
    fn is_over(&self) -> bool {
        self.watch.is_some_and(|watch| watch.is_over())
    }
}

impl<'a> Trial<'a> {
    fn new(rule: Rule) -> Self {
        Self {
            rule,
            noticed: Vec::new(),
            failed: Vec::new(),
            played: 0,
        }
    }

    fn take(&mut self, played: Played<'a>) {
        self.played += 1;
        match played.outcome() {
            Outcome::Passed(_) => {}
            Outcome::Failed(verdict) => self.noticed.push(Notice {
                entry: played.play.entry,
                by: who_noticed(&verdict.findings),
            }),
            Outcome::HarnessFailed(_) => self.failed.push(played),
        }
    }

    /// Whether a scenario detected it.
    pub fn is_caught(&self) -> bool {
        !self.noticed.is_empty()
    }

    /// Whether the oracle of its rule detected it.
    pub fn is_caught_by_its_oracle(&self) -> bool {
        let oracle = oracle_of(self.rule);
        self.noticed.iter().any(|notice| notice.is_by(oracle))
    }
}

impl Notice<'_> {
    /// Whether an oracle failed.
    pub fn is_by_an_oracle(&self) -> bool {
        self.by.iter().any(|name| is_oracle(name))
    }

    fn is_by(&self, oracle: &str) -> bool {
        self.by.iter().any(|name| name == oracle)
    }
}

fn who_noticed(findings: &[Finding]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for finding in findings {
        if !names.contains(&finding.rule) {
            names.push(finding.rule.clone());
        }
    }
    names.sort_by_key(|name| !is_oracle(name));
    names
}

fn is_oracle(name: &str) -> bool {
    ORACLES.iter().any(|oracle| oracle.name == name)
}

/// Rules whose names contain `filter`; `None` selects all.
pub fn rules_matching(filter: Option<&str>) -> Vec<Rule> {
    let mut rules = Rule::ALL.to_vec();
    if let Some(filter) = filter {
        rules.retain(|rule| name_of(*rule).contains(filter));
    }
    rules
}

#[cfg(test)]
mod tests {
    use turnstile_judge::oracle::Severity;

    use super::*;

    #[test]
    fn a_rule_is_found_by_a_part_of_its_name() {
        assert_eq!(name_of(Rule::StaleFenceIsRefused), "stale-fence-is-refused");
        assert_eq!(rules_matching(Some("stale-fence")), [Rule::StaleFenceIsRefused]);
        assert_eq!(rules_matching(None), Rule::ALL);
    }

    #[test]
    fn failed_rules_are_listed_once_and_oracles_first() {
        let finding = |rule: &str| Finding {
            rule: rule.to_owned(),
            protocol: Vec::new(),
            at: std::time::Duration::ZERO,
            message: None,
            text: String::new(),
            severity: Severity::Violation,
        };
        let found = ["expectation at line 9", "terminal-once", "terminal-once"].map(finding);
        assert_eq!(who_noticed(&found), ["terminal-once", "expectation at line 9"]);
    }
}
