//! The JUnit report for CI systems: a test suite for each seam, a test case for each play.
//!
//! A play with findings is a failure that lists all of them. Warnings are properties of a case, whatever its status. A failure of the harness is an error, because it is not a
//! verdict on the server. Times are wall times of this machine.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use serde_json::Value;
use turnstile_scenarios::{Entry, Seam};

use super::event::{Document, Event, Reporter};
use super::finding::LabelledFinding;
use crate::standing::Standing;
use crate::suite::{Outcome, Played};

/// The name of the whole report.
pub(crate) const REPORT_NAME: &str = "turnstile";
/// The type of an error. The type of a failure is the violated rule.
const HARNESS_FAILURE: &str = "harness-failure";
/// The type of a failure where a baseline expects one and there is none.
const UNEXPECTED_PASS: &str = "unexpected-pass";
/// The name of the suite with stale entries of a baseline.
const BASELINE: &str = "baseline";

/// Collects plays and writes them as one document at the end.
#[derive(Debug)]
pub struct JunitReport {
    trace_lines: usize,
    with_seed: bool,
    suites: BTreeMap<Seam, TestSuite>,
    /// Entries of the baseline that no play has met.
    stale: Vec<TestCase>,
    suite_times: BTreeMap<Seam, Duration>,
}

impl JunitReport {
    /// An empty report that will show the last `trace_lines` lines of the trace of each failed play.
    pub fn new(trace_lines: usize) -> Self {
        Self {
            trace_lines,
            with_seed: false,
            suites: BTreeMap::new(),
            stale: Vec::new(),
            suite_times: BTreeMap::new(),
        }
    }

    /// Also names the seed of each play, to distinguish plays of the same scenario.
    pub fn with_seed(mut self, with_seed: bool) -> Self {
        self.with_seed = with_seed;
        self
    }

    fn add(&mut self, played: &Played, replay: &str) {
        let entry = played.play.entry;
        let seam = entry.scenario.seam;
        let name = if self.with_seed {
            format!("{} (seed {})", entry.id, played.play.options.seed)
        } else {
            entry.id.clone()
        };
        let mut case = TestCase::new(name, status(played, replay));
        case.set_classname(name_of(seam)).set_time(played.wall);
        case.add_property(("title", entry.scenario.title.as_str()));
        case.add_property(("replay", replay));
        if let Some(about) = played.standing.sentence() {
            case.add_property(("baseline", &*about));
        }
        for warning in played.verdict.iter().flat_map(LabelledFinding::warnings) {
            let text = format!("{}: {}", warning.headline(), warning.text);
            case.add_property(("warning", &*text));
        }
        if let Outcome::Failed(verdict) = played.outcome() {
            let tail = verdict.tail(self.trace_lines);
            if !tail.is_empty() {
                case.set_system_out(tail.join("\n"));
            }
        }
        let suite = self.suites.entry(seam);
        suite
            .or_insert_with(|| TestSuite::new(name_of(seam)))
            .add_test_case(case);
        *self.suite_times.entry(seam).or_default() += played.wall;
    }

    fn add_stale(&mut self, place: &str, subject: &str) {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let message = format!("{subject} failed nowhere, and is expected to fail: remove the entry");
        status.set_type(UNEXPECTED_PASS).set_message(message);
        let mut case = TestCase::new(place, status);
        case.set_classname(BASELINE);
        self.stale.push(case);
    }

    fn skip(&mut self, entry: &Entry, reason: &str) {
        let seam = entry.scenario.seam;
        let mut status = TestCaseStatus::skipped();
        status.set_message(reason);
        let mut case = TestCase::new(entry.id.clone(), status);
        case.set_classname(name_of(seam));
        case.add_property(("title", entry.scenario.title.as_str()));
        let suite = self.suites.entry(seam);
        suite
            .or_insert_with(|| TestSuite::new(name_of(seam)))
            .add_test_case(case);
        self.suite_times.entry(seam).or_default();
    }
}

impl Reporter for JunitReport {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        match *event {
            Event::Played { played, replay } => self.add(played, replay),
            Event::Skipped { entry, reason } => self.skip(entry, reason),
            Event::Stale { place, subject } => self.add_stale(place, subject),
            Event::Finished { .. } => {}
        }
        Ok(())
    }
}

impl Document for JunitReport {
    fn name(&self) -> &'static str {
        "JUnit report"
    }

    /// Suites come in the order of the seams, test cases in the order in which they were added.
    fn write(self: Box<Self>, out: &mut dyn io::Write) -> io::Result<()> {
        let mut report = Report::new(REPORT_NAME);
        report.set_time(self.suite_times.values().sum());
        for (seam, mut suite) in self.suites {
            suite.set_time(self.suite_times[&seam]);
            report.add_test_suite(suite);
        }
        if !self.stale.is_empty() {
            let mut suite = TestSuite::new(BASELINE);
            suite.add_test_cases(self.stale);
            report.add_test_suite(suite);
        }
        report
            .serialize(out)
            .map_err(|error: SerializeError| io::Error::other(error))
    }
}

/// A seam as scripts write it.
fn name_of(seam: Seam) -> String {
    let written = serde_json::to_value(seam).ok();
    let word = written.as_ref().and_then(Value::as_str);
    word.expect("a seam is written as a word").to_owned()
}

fn status(played: &Played, replay: &str) -> TestCaseStatus {
    let about = played.standing.sentence().unwrap_or_default();
    match played.outcome() {
        Outcome::Passed(_) if matches!(played.standing, Standing::UnexpectedPass(_)) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(UNEXPECTED_PASS).set_message(about);
            status
        }
        Outcome::Passed(_) => TestCaseStatus::success(),
        // As other runners report it; readers do not count it as a failure.
        Outcome::Failed(verdict) if matches!(played.standing, Standing::ExpectedFailure(_)) => {
            let findings: Vec<_> = LabelledFinding::all(verdict).collect();
            let mut status = TestCaseStatus::skipped();
            status.set_type("expected-failure").set_message(about);
            status.set_description(listed(&findings));
            status
        }
        Outcome::Failed(verdict) => {
            let findings: Vec<_> = LabelledFinding::all(verdict).collect();
            failure(&findings, &replay_line(replay))
        }
        Outcome::HarnessFailed(error) => harness_failure(error, replay),
    }
}

/// The status of a case in which the harness failed.
pub(crate) fn harness_failure(error: &impl Display, replay: &str) -> TestCaseStatus {
    let message = format!("harness error: {error}");
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status
        .set_type(HARNESS_FAILURE)
        .set_message(message.clone())
        .set_description(format!("{message}\n\n{}", replay_line(replay)));
    status
}

/// One failure for all findings, because a test case has only one. The first finding is its message; `more` follows the
/// list of findings.
pub(crate) fn failure(findings: &[LabelledFinding], more: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    if let Some(finding) = findings.first() {
        let message = format!("{}: {}", finding.headline(), finding.text);
        status.set_type(&*finding.rule).set_message(message);
    }
    status.set_description(format!("{}\n{more}", listed(findings)));
    status
}

/// All findings, each with its text on a line below.
fn listed(findings: &[LabelledFinding]) -> String {
    let lines = findings
        .iter()
        .map(|finding| format!("{}\n  {}\n", finding.headline(), finding.text));
    lines.collect()
}

/// The line with the command that replays a run.
pub(crate) fn replay_line(replay: &str) -> String {
    format!("replay: {replay}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::played::{add, entry, failed, listing, played, standing, warned};

    fn written(report: JunitReport) -> String {
        let mut out = Vec::new();
        let written = Box::new(report).write(&mut out);
        written.expect("memory can be written to");
        String::from_utf8(out).expect("XML is UTF-8")
    }

    #[test]
    fn each_play_is_a_case_and_a_failure_has_its_replay_command_and_the_end_of_the_trace() {
        let good = entry(
            "- start: { as: first, say: echo:one }\n- await: { callback: first }",
            "",
        );
        let bad = entry(
            "- start: { as: first, say: echo:one }\n- await: { message: first, is: completed }",
            "- message: { of: first, is: failed }\n- callbacks: 7",
        );
        let mut report = JunitReport::new(2);
        add(&mut report, played(&good, 0), "turnstile replay good.yaml");
        add(&mut report, played(&bad, 0), "turnstile replay bad.yaml");
        add(&mut report, failed(&good), "turnstile replay good.yaml");
        insta::assert_snapshot!(written(report), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="turnstile" tests="3" skipped="0" failures="1" errors="1" time="0.036">
            <testsuite name="turn" tests="3" skipped="0" errors="1" failures="1" time="0.036">
                <testcase name="suite/turn/some" classname="turn" time="0.012">
                    <properties>
                        <property name="title" value="a turn &amp; its &lt;end&gt;"/>
                        <property name="replay" value="turnstile replay good.yaml"/>
                    </properties>
                </testcase>
                <testcase name="suite/turn/some" classname="turn" time="0.012">
                    <properties>
                        <property name="title" value="a turn &amp; its &lt;end&gt;"/>
                        <property name="replay" value="turnstile replay bad.yaml"/>
                    </properties>
                    <failure message="expectation at line 9 at 1.028742 s, message `first`: `first` ended with status &quot;completed&quot;, not &quot;failed&quot;" type="expectation at line 9">expectation at line 9 at 1.028742 s, message `first`
          `first` ended with status &quot;completed&quot;, not &quot;failed&quot;
        expectation at line 10 at 1801.034326 s
          1 different callbacks were delivered, not 7

        replay: turnstile replay bad.yaml</failure>
                    <system-out>    1.028742  script    -- everything is healed and started, and left alone
            1.028742  world     == {&quot;event&quot;:&quot;ended&quot;,&quot;place&quot;:&quot;every-link&quot;}</system-out>
                </testcase>
                <testcase name="suite/turn/some" classname="turn" time="0.012">
                    <properties>
                        <property name="title" value="a turn &amp; its &lt;end&gt;"/>
                        <property name="replay" value="turnstile replay good.yaml"/>
                    </properties>
                    <error message="harness error: the harness&apos;s own gateway does not come to rest" type="harness-failure">harness error: the harness&apos;s own gateway does not come to rest

        replay: turnstile replay good.yaml</error>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn an_expected_failure_is_skipped_and_an_unexpected_pass_is_a_failure() {
        let good = entry("- start: { as: first, say: idle }", "");
        let bad = entry("- start: { as: first, say: idle }", "- callbacks: 7");
        let mut report = JunitReport::new(0);
        let expected = standing(played(&bad, 0), Standing::ExpectedFailure(listing()));
        add(&mut report, expected, "again");
        let passes = standing(played(&good, 0), Standing::UnexpectedPass(listing()));
        add(&mut report, passes, "again");
        let (place, subject) = ("known.toml:9", "`fifo`");
        let stale = report.report(&Event::Stale { place, subject });
        stale.expect("nothing is written yet");
        let text = written(report);
        assert!(
            text.contains("<skipped message=\"expected by known.toml:4: a known bug\""),
            "{text}"
        );
        assert!(text.contains("type=\"unexpected-pass\""), "{text}");
        let report = Report::deserialize_from_str(&text).expect("it is JUnit's XML");
        assert_eq!((report.tests, report.failures, report.errors), (3, 2, 0));
        assert_eq!(report.test_suites[1].test_cases[0].name.as_str(), "known.toml:9");
    }

    #[test]
    fn a_warning_is_a_property_of_a_case_that_passes() {
        let good = entry("- start: { as: first, say: idle }", "");
        let mut report = JunitReport::new(0);
        add(&mut report, warned(&good, 0), "again");
        let report = Report::deserialize_from_str(&written(report)).expect("it is JUnit's XML");
        assert_eq!((report.tests, report.failures, report.errors), (1, 0, 0));
        let properties = &report.test_suites[0].test_cases[0].properties;
        let warning = properties
            .iter()
            .find(|property| property.name.as_str() == "warning");
        let text = warning.map(|warning| warning.value.as_str());
        let expected = "some-rule at 2.000000 s: it came at 2.100000 s, 0.100000 s too late";
        assert_eq!(text, Some(expected));
    }

    #[test]
    fn plays_of_one_scenario_have_distinct_names_and_the_counts_can_be_read_back() {
        let good = entry("- start: { as: first, say: idle }", "");
        let bad = entry("- start: { as: first, say: idle }", "- callbacks: 7");
        let mut report = JunitReport::new(0).with_seed(true);
        for seed in 0..2 {
            add(&mut report, played(&good, seed), "again");
        }
        add(&mut report, played(&bad, 2), "again");
        add(&mut report, failed(&good), "again");
        let report = Report::deserialize_from_str(&written(report)).expect("it is JUnit's XML");
        assert_eq!((report.tests, report.failures, report.errors), (4, 1, 1));
        let names: Vec<&str> = report.test_suites[0]
            .test_cases
            .iter()
            .map(|case| case.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "suite/turn/some (seed 0)",
                "suite/turn/some (seed 1)",
                "suite/turn/some (seed 2)",
                "suite/turn/some (seed 0)"
            ]
        );
        assert!(
            report.test_suites[0].test_cases[2].system_out.is_none(),
            "no lines were asked for"
        );
    }
}
