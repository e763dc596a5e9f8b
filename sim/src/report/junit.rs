//! The JUnit report for CI systems: a test suite for each seam, a test case for each play.
//!
//! A play with findings is a failure that lists all of them, each with the file and line of a failed step or expectation.
//! A failure of the harness is an error, because it is not a verdict on the server. Times are wall times of this machine.
//!
//! The report is valid against the schema of Jenkins' xUnit plugin (`junit-10.xsd`): a case has no properties and no
//! place, so that its title, warnings, replay command and sequence of events are its output.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use turnstile_scenarios::{Entry, Seam};

use super::event::{Document, Event, Reporter};
use super::finding::LabelledFinding;
use super::sequence::lines_up_to_finding;
use super::{FailureDetail, name_of_play, name_of_seam, stale_sentence};
use crate::script::Verdict;
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

/// The attribute of the root that quick-junit always writes and the schema does not allow. The suites have it too.
const SKIPPED_OF_ALL: &str = " skipped=\"";

/// Collects plays and writes them as one document at the end.
#[derive(Debug)]
pub struct JunitReport {
    detail: FailureDetail,
    start: Option<DateTime<Utc>>,
    with_seed: bool,
    suites: BTreeMap<Seam, TestSuite>,
    /// Entries of the baseline that no play has met.
    stale: Vec<TestCase>,
    suite_times: BTreeMap<Seam, Duration>,
}

impl JunitReport {
    /// An empty report that will show what `detail` says of each failed play.
    pub fn new(detail: FailureDetail) -> Self {
        Self {
            detail,
            start: None,
            with_seed: false,
            suites: BTreeMap::new(),
            stale: Vec::new(),
            suite_times: BTreeMap::new(),
        }
    }

    /// States when the run started.
    pub fn started_at(mut self, start: DateTime<Utc>) -> Self {
        self.start = Some(start);
        self
    }

    /// Also names the seed of each play, to distinguish plays of the same scenario.
    pub fn with_seed(mut self, with_seed: bool) -> Self {
        self.with_seed = with_seed;
        self
    }

    fn add(&mut self, played: &Played, replay: &str) {
        let entry = played.play.entry;
        let seam = entry.scenario.seam;
        let name = name_of_play(&played.play, self.with_seed);
        let mut case = TestCase::new(name, status(played, replay));
        case.set_classname(name_of_seam(seam)).set_time(played.wall);
        let mut out = vec![entry.scenario.title.clone(), replay_line(replay)];
        out.extend(played.standing.sentence());
        for warning in played.verdict.iter().flat_map(LabelledFinding::warnings) {
            out.push(format!("warning: {}: {}", warning.headline(), warning.text));
        }
        if let Outcome::Failed(verdict) = played.outcome() {
            out.push(String::new());
            out.extend(lines_up_to_finding(verdict, self.detail.sequence_lines));
            out.extend(verdict.tail(self.detail.trace_lines));
        }
        case.set_system_out(out.join("\n").trim_end());
        let suite = self.suites.entry(seam);
        suite
            .or_insert_with(|| TestSuite::new(name_of_seam(seam)))
            .add_test_case(case);
        *self.suite_times.entry(seam).or_default() += played.wall;
    }

    fn add_stale(&mut self, place: &str, subject: &str) {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let message = format!("{}: remove the entry", stale_sentence(subject));
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
        case.set_classname(name_of_seam(seam));
        case.set_system_out(entry.scenario.title.as_str());
        let suite = self.suites.entry(seam);
        suite
            .or_insert_with(|| TestSuite::new(name_of_seam(seam)))
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
            if let Some(start) = self.start {
                suite.set_timestamp(start);
            }
            report.add_test_suite(suite);
        }
        if !self.stale.is_empty() {
            let mut suite = TestSuite::new(BASELINE);
            suite.add_test_cases(self.stale);
            report.add_test_suite(suite);
        }
        write_valid(&report, out)
    }
}

/// Writes a report without the attribute that the schema does not allow.
///
/// # Errors
///
/// If the writer fails.
pub(crate) fn write_valid(report: &Report, mut out: impl io::Write) -> io::Result<()> {
    let text = report
        .to_string()
        .map_err(|error: SerializeError| io::Error::other(error))?;
    let excess = text.find(SKIPPED_OF_ALL).and_then(|start| {
        let end = text[start + SKIPPED_OF_ALL.len()..].find('"')?;
        Some((start, start + SKIPPED_OF_ALL.len() + end + 1))
    });
    let (start, end) = excess.unwrap_or_default();
    out.write_all(&text.as_bytes()[..start])?;
    out.write_all(&text.as_bytes()[end..])
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
            let findings = findings_of(verdict);
            let mut status = TestCaseStatus::skipped();
            status.set_type("expected-failure").set_message(about);
            status.set_description(listed(&findings, &played.play.entry.path));
            status
        }
        Outcome::Failed(verdict) => {
            let findings = findings_of(verdict);
            failure(&findings, &played.play.entry.path, &replay_line(replay))
        }
        Outcome::HarnessFailed(error) => harness_failure(error, replay),
    }
}

/// The findings of a verdict, the one that names the cause first.
fn findings_of(verdict: &Verdict) -> Vec<LabelledFinding> {
    let findings = LabelledFinding::by_cause(verdict).into_iter();
    findings.map(|(_, finding)| finding).collect()
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
/// list of findings. A finding of a script has its place in `file`, unless that is empty.
pub(crate) fn failure(findings: &[LabelledFinding], file: &Path, more: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    if let Some(finding) = findings.first() {
        let message = format!("{}: {}", finding.headline(), finding.text);
        status.set_type(&*finding.rule).set_message(message);
    }
    status.set_description(format!("{}\n{more}", listed(findings, file)));
    status
}

/// All findings, each with its text on a line below, and the place of a finding of a script.
fn listed(findings: &[LabelledFinding], file: &Path) -> String {
    let place = |finding: &LabelledFinding| {
        let line = finding.line().filter(|_| !file.as_os_str().is_empty())?;
        Some(format!("  {}:{line}\n", file.display()))
    };
    let lines = findings.iter().map(|finding| {
        let place = place(finding).unwrap_or_default();
        format!("{}\n  {}\n{place}", finding.headline(), finding.text)
    });
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
        let mut report = JunitReport::new(FailureDetail {
            sequence_lines: 0,
            trace_lines: 2,
        });
        add(&mut report, played(&good, 0), "turnstile replay good.yaml");
        add(&mut report, played(&bad, 0), "turnstile replay bad.yaml");
        add(&mut report, failed(&good), "turnstile replay good.yaml");
        insta::assert_snapshot!(written(report), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="turnstile" tests="3" failures="1" errors="1" time="0.036">
            <testsuite name="turn" tests="3" skipped="0" errors="1" failures="1" time="0.036">
                <testcase name="suite/turn/some" classname="turn" time="0.012">
                    <system-out>a turn &amp; its &lt;end&gt;
        replay: turnstile replay good.yaml</system-out>
                </testcase>
                <testcase name="suite/turn/some" classname="turn" time="0.012">
                    <failure message="expectation at line 9 at 1.028742 s, message `first`: `first` ended with status &quot;completed&quot;, not &quot;failed&quot;" type="expectation at line 9">expectation at line 9 at 1.028742 s, message `first`
          `first` ended with status &quot;completed&quot;, not &quot;failed&quot;
          suite/turn/some.yaml:9
        expectation at line 10 at 1801.034326 s
          1 different callbacks were delivered, not 7
          suite/turn/some.yaml:10

        replay: turnstile replay bad.yaml</failure>
                    <system-out>a turn &amp; its &lt;end&gt;
        replay: turnstile replay bad.yaml

            1.028742  script    -- everything is healed and started, and left alone
            1.028742  world     == {&quot;event&quot;:&quot;ended&quot;,&quot;place&quot;:&quot;every-link&quot;}</system-out>
                </testcase>
                <testcase name="suite/turn/some" classname="turn" time="0.012">
                    <error message="harness error: the harness&apos;s own gateway does not come to rest" type="harness-failure">harness error: the harness&apos;s own gateway does not come to rest

        replay: turnstile replay good.yaml</error>
                    <system-out>a turn &amp; its &lt;end&gt;
        replay: turnstile replay good.yaml</system-out>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn an_expected_failure_is_skipped_and_an_unexpected_pass_is_a_failure() {
        let good = entry("- start: { as: first, say: idle }", "");
        let bad = entry("- start: { as: first, say: idle }", "- callbacks: 7");
        let mut report = JunitReport::new(FailureDetail::default());
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
    fn a_warning_is_output_of_a_case_that_passes() {
        let good = entry("- start: { as: first, say: idle }", "");
        let mut report = JunitReport::new(FailureDetail::default());
        add(&mut report, warned(&good, 0), "again");
        let report = Report::deserialize_from_str(&written(report)).expect("it is JUnit's XML");
        assert_eq!((report.tests, report.failures, report.errors), (1, 0, 0));
        let out = report.test_suites[0].test_cases[0].system_out.as_ref();
        let expected = "a turn & its <end>\nreplay: again\n\
                        warning: some-rule at 2.000000 s: it came at 2.100000 s, 0.100000 s too late";
        assert_eq!(out.map(quick_junit::XmlString::as_str), Some(expected));
    }

    /// The attributes and children that `junit-10.xsd` of Jenkins' xUnit plugin allows.
    const ALLOWED: [(&str, &[&str], &[&str]); 7] = [
        (
            "testsuites",
            &["name", "time", "tests", "failures", "errors"],
            &["testsuite"],
        ),
        (
            "testsuite",
            &[
                "name",
                "tests",
                "failures",
                "errors",
                "time",
                "skipped",
                "timestamp",
            ],
            &["properties", "testcase"],
        ),
        (
            "testcase",
            &["name", "time", "classname"],
            &["skipped", "error", "failure", "system-out"],
        ),
        ("failure", &["type", "message"], &[]),
        ("error", &["type", "message"], &[]),
        ("skipped", &["type", "message"], &[]),
        ("system-out", &[], &[]),
    ];

    /// The elements of a document with their parents and attributes. Enough for what quick-junit writes.
    fn elements(xml: &str) -> Vec<(String, String, Vec<String>)> {
        let mut open: Vec<String> = Vec::new();
        let mut found = Vec::new();
        for part in xml.split('<').skip(1).filter(|part| !part.starts_with('?')) {
            let (tag, _) = part.split_once('>').expect("a tag ends");
            if tag.starts_with('/') {
                open.pop();
                continue;
            }
            let name = tag.split([' ', '/']).next().unwrap_or_default().to_owned();
            let quoted: Vec<&str> = tag.split('"').step_by(2).collect();
            let attributes = quoted.iter().filter_map(|part| part.trim().strip_suffix('='));
            let attributes = attributes.filter_map(|part| part.split(' ').next_back());
            let parent = open.last().cloned().unwrap_or_default();
            found.push((name.clone(), parent, attributes.map(str::to_owned).collect()));
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        found
    }

    #[test]
    fn the_report_has_only_what_the_schema_of_jenkins_allows() {
        let good = entry("- start: { as: first, say: idle }", "");
        let bad = entry("- start: { as: first, say: idle }", "- callbacks: 7");
        let mut report = JunitReport::new(FailureDetail::default()).started_at(DateTime::UNIX_EPOCH);
        add(&mut report, played(&good, 0), "again");
        add(&mut report, played(&bad, 0), "again");
        add(&mut report, failed(&good), "again");
        report.skip(&good, "it needs something");
        let xml = written(report);
        let elements = elements(&xml);
        assert_eq!(elements.iter().filter(|(name, ..)| name == "testcase").count(), 4);
        for (name, parent, attributes) in &elements {
            let (_, allowed, _) = ALLOWED.iter().find(|(known, ..)| known == name).expect(name);
            for attribute in attributes {
                assert!(allowed.contains(&attribute.as_str()), "{name} has {attribute}");
            }
            if let Some((.., children)) = ALLOWED.iter().find(|(known, ..)| known == parent) {
                assert!(children.contains(&name.as_str()), "{parent} has {name}");
            }
        }
        assert!(xml.contains("timestamp=\"1970-01-01T00:00:00"), "{xml}");
        assert!(xml.contains("suite/turn/some.yaml:8"), "{xml}");
    }

    #[test]
    fn plays_of_one_scenario_have_distinct_names_and_the_counts_can_be_read_back() {
        let good = entry("- start: { as: first, say: idle }", "");
        let bad = entry("- start: { as: first, say: idle }", "- callbacks: 7");
        let mut report = JunitReport::new(FailureDetail::default()).with_seed(true);
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
    }
}
