//! Plays scenarios against one mutant until an oracle notices it.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use turnstile_judge::oracle::{Finding, ORACLES};
use turnstile_mutants::generic::Rewrite;

use super::baseline::Baseline;
use super::reviewed;
use crate::script::Options;
use crate::stage::Subject;
use crate::suite::{self, Outcome, Play};
use crate::watch::Watch;
use crate::workers;

/// Rules of the player itself, which judge every server: it panicked, or it does not come to rest.
const OF_PLAYER: &str = "server-";

/// What came out of the plays against one mutant.
#[derive(Debug)]
pub struct Trial {
    /// The mutant.
    pub rewrite: Rewrite,
    /// The oracles that noticed it in the last play.
    pub oracles: Vec<Notice>,
    /// The first failed step or expectation of each play.
    pub scripts: Vec<Notice>,
    /// Errors of the harness.
    pub errors: Vec<Notice>,
    /// The number of plays in which it can occur.
    pub possible: usize,
    /// The number of plays.
    pub played: usize,
    /// The number of plays whose trace differed from that of the unmodified server.
    pub differing: usize,
}

/// A finding or an error in a play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The scenario.
    pub scenario: String,
    /// The oracle, the place in the script, or `error`.
    pub rule: String,
    /// What happened.
    pub text: String,
}

/// How a mutant was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// By an oracle.
    Oracle,
    /// By steps or expectations of scripts only.
    Script,
    /// Not at all, although traces differed.
    Survived,
    /// No trace differed.
    NotProvoked,
    /// Not noticed by an oracle, and the harness failed.
    HarnessFailed,
}

impl Class {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oracle => "oracle",
            Self::Script => "script",
            Self::Survived => "survived",
            Self::NotProvoked => "not provoked",
            Self::HarnessFailed => "harness failed",
        }
    }
}

impl Trial {
    /// Plays scenarios against a mutant, at most `at_most`. `None` if it was interrupted.
    fn of(rewrite: Rewrite, baseline: &Baseline<'_>, at_most: usize, watch: Option<Watch>) -> Option<Self> {
        let subject = Subject::with_rewrite(rewrite.clone());
        let plays = baseline.plays_of(&rewrite);
        let mut trial = Self {
            oracles: Vec::new(),
            scripts: Vec::new(),
            errors: Vec::new(),
            possible: plays.len(),
            played: 0,
            differing: 0,
            rewrite,
        };
        for clean in plays.into_iter().take(at_most) {
            if watch.is_some_and(|watch| watch.is_over()) {
                return None;
            }
            let options = Options {
                subject,
                watch,
                ..clean.play.options
            };
            let played = suite::play_timed(Play {
                options,
                ..clean.play
            });
            if played.was_interrupted() {
                return None;
            }
            let scenario = &clean.play.entry.id;
            trial.played += 1;
            match played.outcome() {
                Outcome::HarnessFailed(error) => trial.errors.push(Notice {
                    scenario: scenario.clone(),
                    rule: "error".to_owned(),
                    text: error.to_string(),
                }),
                Outcome::Passed(verdict) | Outcome::Failed(verdict) => {
                    trial.take(scenario, &verdict.findings);
                    let differs = !verdict.findings.is_empty() || verdict.trace.digest() != clean.digest;
                    trial.differing += usize::from(differs);
                }
            }
            if !trial.oracles.is_empty() {
                break;
            }
        }
        Some(trial)
    }

    /// Takes the findings of one play.
    fn take(&mut self, scenario: &str, findings: &[Finding]) {
        let notice = |finding: &Finding| Notice {
            scenario: scenario.to_owned(),
            rule: finding.rule.clone(),
            text: finding.text.clone(),
        };
        let is_new =
            |notices: &[Notice], finding: &Finding| notices.iter().all(|notice| notice.rule != finding.rule);
        for finding in findings.iter().filter(|finding| is_by_oracle(finding)) {
            if is_new(&self.oracles, finding) {
                self.oracles.push(notice(finding));
            }
        }
        let by_script = findings.iter().find(|finding| !is_by_oracle(finding));
        self.scripts.extend(by_script.map(notice));
    }

    /// How it was noticed.
    pub fn class(&self) -> Class {
        if !self.oracles.is_empty() {
            Class::Oracle
        } else if !self.errors.is_empty() {
            Class::HarnessFailed
        } else if !self.scripts.is_empty() {
            Class::Script
        } else if self.differing > 0 {
            Class::Survived
        } else {
            Class::NotProvoked
        }
    }

    /// The reason why no oracle needs to notice it, if it was reviewed.
    pub fn review(&self) -> Option<&'static str> {
        reviewed::reason_for(&self.rewrite)
    }
}

/// Tries mutants on `jobs` threads, each with at most `at_most` plays, and yields the trials to `done` in order. `watch` limits
/// each play, and ends everything early.
pub fn try_all(
    rewrites: Vec<Rewrite>,
    baseline: &Baseline<'_>,
    at_most: usize,
    jobs: NonZeroUsize,
    watch: Option<Watch>,
    progress: impl FnMut(usize),
    mut done: impl FnMut(Trial),
) {
    workers::in_order(
        rewrites.into_iter(),
        jobs,
        |rewrite| Trial::of(rewrite, baseline, at_most, watch),
        progress,
        |trial| match trial {
            Some(trial) => {
                done(trial);
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        },
    );
}

fn is_by_oracle(finding: &Finding) -> bool {
    finding.rule.starts_with(OF_PLAYER) || ORACLES.iter().any(|oracle| oracle.name == finding.rule)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use turnstile_judge::oracle::Severity;

    use super::*;

    /// A trial of a mutant with these numbers of findings.
    pub fn trial(name: &str, oracles: usize, scripts: usize, differing: usize) -> Trial {
        let notices = |count| {
            let notice = |_| Notice {
                scenario: "suite/turn/warm".to_owned(),
                rule: "terminal-once".to_owned(),
                text: "it ended twice".to_owned(),
            };
            (0..count).map(notice).collect()
        };
        Trial {
            rewrite: name.parse().unwrap(),
            oracles: notices(oracles),
            scripts: notices(scripts),
            errors: Vec::new(),
            possible: 5,
            played: 5,
            differing,
        }
    }

    #[test]
    fn an_oracle_counts_before_scripts_and_differences() {
        let class =
            |oracles, scripts, differing| trial("drop:effect:deliver", oracles, scripts, differing).class();
        assert_eq!(class(1, 1, 1), Class::Oracle);
        assert_eq!(class(0, 1, 1), Class::Script);
        assert_eq!(class(0, 0, 1), Class::Survived);
        assert_eq!(class(0, 0, 0), Class::NotProvoked);
    }

    #[test]
    fn findings_of_scripts_are_kept_apart() {
        let finding = |rule: &str| Finding {
            rule: rule.to_owned(),
            protocol: Vec::new(),
            severity: Severity::Violation,
            at: Duration::ZERO,
            message: None,
            text: String::new(),
        };
        let mut trial = trial("drop:effect:deliver", 0, 0, 0);
        let rules = [
            "step at line 3",
            "expectation at line 9",
            "terminal-once",
            "server-panicked",
        ];
        trial.take("seed 1", &rules.map(finding));
        let rules = |notices: &[Notice]| {
            notices
                .iter()
                .map(|notice| notice.rule.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(rules(&trial.oracles), ["terminal-once", "server-panicked"]);
        assert_eq!(rules(&trial.scripts), ["step at line 3"]);
    }
}
