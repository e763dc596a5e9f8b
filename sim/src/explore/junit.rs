//! The JUnit report of many seeds for CI systems: one test suite, in which each kind of finding is a test case.
//!
//! One case for each seed would give thousands that pass. Instead, each kind of finding is one failed case with the
//! details of its first seed. If all seeds passed, they are one case that passes.

use std::io;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use quick_junit::{Report, TestCase, TestCaseStatus, TestSuite};
use turnstile_scenarios::Scenario;

use super::cluster::Cluster;
use super::result::{Exploration, Part};
use super::run::{Explored, LivePlay};
use super::terminal::{in_simulation, named_seeds};
use crate::report::SeedReplay;
use crate::report::junit::{REPORT_NAME, failure, harness_failure, replay_line, write_valid};

/// The name of the test suite, and the class of its cases.
const SUITE_NAME: &str = "seeds";

/// Collects the first seed of each kind of finding until all seeds are played.
#[derive(Debug)]
pub struct SeedJunitReport {
    firsts: Vec<Explored>,
    replay: SeedReplay,
    start: DateTime<Utc>,
}

impl SeedJunitReport {
    /// An empty report of seeds that are replayed so, of a run that began at `start`.
    pub fn new(replay: SeedReplay, start: DateTime<Utc>) -> Self {
        Self {
            firsts: Vec::new(),
            replay,
            start,
        }
    }

    /// Adds the first seed of a kind of finding.
    pub fn add(&mut self, explored: Explored) {
        self.firsts.push(explored);
    }

    /// The command that plays a seed again.
    pub fn replay(&self, seed: u64) -> String {
        self.replay.of(seed)
    }

    /// Takes a live play.
    pub fn take_live(&mut self, seed: u64) -> Option<LivePlay> {
        let first = self.firsts.iter_mut().find(|explored| explored.seed == seed)?;
        let failure = first.outcome.as_mut().ok()?.failure.as_mut()?;
        failure.live.take().map(|live| *live)
    }

    /// The script of a guided play; `None` if its number determines the play.
    pub fn script(&self, number: u64) -> Option<&Scenario> {
        let first = self.firsts.iter().find(|explored| explored.seed == number)?;
        first.script.as_deref()
    }

    /// Writes the report of all seeds.
    ///
    /// # Errors
    ///
    /// If the writer fails.
    pub fn write(&self, exploration: &Exploration, out: impl io::Write) -> io::Result<()> {
        let wall = Duration::try_from_secs_f64(exploration.wall_s()).unwrap_or_default();
        let mut suite = TestSuite::new(SUITE_NAME);
        suite.set_time(wall).set_timestamp(self.start);
        for (name, value) in figures(exploration) {
            suite.add_property((name, value.as_str()));
        }
        let clusters = exploration.clusters.iter();
        let mut cases: Vec<TestCase> = clusters
            .map(|cluster| self.case_of(cluster, exploration))
            .collect();
        cases.extend(exploration.harness_failures.iter().map(|failed| {
            let replay = self.replay.of(failed.seed);
            let name = exploration.name_of(failed.seed);
            TestCase::new(name, harness_failure(&failed.error, &replay))
        }));
        if cases.is_empty() {
            let mut all = TestCase::new(name_of_all(exploration), TestCaseStatus::success());
            all.set_time(wall);
            cases.push(all);
        }
        for mut case in cases {
            case.set_classname(SUITE_NAME);
            suite.add_test_case(case);
        }
        let mut report = Report::new(REPORT_NAME);
        report.set_time(wall).add_test_suite(suite);
        write_valid(&report, out)
    }

    fn case_of(&self, cluster: &Cluster, exploration: &Exploration) -> TestCase {
        let first = cluster.seeds.first().copied().unwrap_or_default();
        let replay = self.replay.of(first);
        let explored = self.firsts.iter().find(|explored| explored.seed == first);
        let failed = explored.and_then(Explored::failure);
        let findings = failed.map_or(&[][..], |failed| &failed.findings);
        let found_in = format!(
            "in {} of {} {}: {}",
            cluster.count,
            exploration.played,
            exploration.unit(),
            named_seeds(cluster)
        );
        let status = failure(
            findings,
            Path::new(""),
            &format!("{found_in}\n\n{}", replay_line(&replay)),
        );
        let mut case = TestCase::new(format!("{}: {}", cluster.rule, cluster.circumstances()), status);
        if let Some(failed) = failed {
            let lines = failed.sequence.iter().chain(&failed.tail);
            let simulated = failed.in_simulation.map(in_simulation);
            let lines: Vec<&str> = lines.map(String::as_str).chain(simulated).collect();
            case.set_system_out(lines.join("\n"));
        }
        case
    }
}

/// Figures that a CI system can plot over time.
fn figures(exploration: &Exploration) -> Vec<(&'static str, String)> {
    let stopped_early = exploration.is_stopped_early();
    vec![
        ("version", exploration.version.clone()),
        ("seeds", name_of_all(exploration)),
        ("seeds_played", exploration.played.to_string()),
        ("seeds_passed", exploration.passed.to_string()),
        ("stopped_early", stopped_early.to_string()),
        ("virtual_s", format!("{:.3}", exploration.virtual_s)),
        ("wall_s", format!("{:.3}", exploration.wall_s())),
    ]
}

/// The ranges of seeds, in words.
fn name_of_all(exploration: &Exploration) -> String {
    let part = |part: &Part| match part.every {
        1 => format!("{}..{}", part.from, part.to),
        every => format!("{}..{} by {every}", part.from, part.to),
    };
    let parts: Vec<String> = exploration.parts.iter().map(part).collect();
    format!("{} {}", exploration.unit(), parts.join(", "))
}
