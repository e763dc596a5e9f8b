//! The report in Markdown, for the summary of a CI job or a comment on a pull request.
//!
//! It is short whatever happens: both places limit its length, and people do not read more.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::event::{Document, Event, Reporter};
use super::finding::LabelledFinding;
use super::sequence::lines_up_to_finding;
use super::summary::Summary;
use super::{FailureDetail, stale_sentence};
use crate::standing::Standing;
use crate::suite::{Outcome, Played};

/// Most rows of the table of failures.
const ROWS: usize = 50;
/// Most failures with details.
const DETAILS: usize = 10;
/// Most characters of the text of a finding in a table.
const CELL: usize = 200;

/// Collects plays and writes them as one document at the end.
#[derive(Debug)]
pub struct MarkdownReport {
    detail: FailureDetail,
    with_seed: bool,
    summary: Summary,
    failures: Vec<Failure>,
    /// Plays that failed as a baseline expects, with what it says of them.
    expected: Vec<(String, String)>,
    /// The number of skipped scenarios by reason.
    skipped: BTreeMap<String, usize>,
    wall: Duration,
}

/// A play that failed, that passed unexpectedly, or in which the harness failed; or a stale entry of a baseline.
#[derive(Debug)]
struct Failure {
    name: String,
    title: String,
    findings: Vec<Found>,
    trace: Vec<String>,
    replay: String,
}

/// A finding, the error of the harness, or what a baseline says.
#[derive(Debug)]
struct Found {
    rule: String,
    place: String,
    text: String,
}

impl MarkdownReport {
    /// An empty report that will show what `detail` says of a failed play.
    pub fn new(detail: FailureDetail) -> Self {
        Self {
            detail,
            with_seed: false,
            summary: Summary::default(),
            failures: Vec::new(),
            expected: Vec::new(),
            skipped: BTreeMap::new(),
            wall: Duration::ZERO,
        }
    }

    /// Also names the seed of each play.
    pub fn with_seed(mut self, with_seed: bool) -> Self {
        self.with_seed = with_seed;
        self
    }

    fn add(&mut self, played: &Played, replay: &str) {
        let entry = played.play.entry;
        let name = match self.with_seed {
            true => format!("{} (seed {})", entry.id, played.play.options.seed),
            false => entry.id.clone(),
        };
        let about = played.standing.sentence();
        let (mut findings, trace) = match (played.outcome(), &played.standing) {
            (Outcome::Passed(_), Standing::UnexpectedPass(_)) => (Vec::new(), Vec::new()),
            (Outcome::Passed(_), _) => return,
            (Outcome::Failed(_), Standing::ExpectedFailure(_)) => {
                self.expected.push((name, about.unwrap_or_default()));
                return;
            }
            (Outcome::Failed(verdict), _) => {
                let findings = LabelledFinding::by_cause(verdict).into_iter();
                let findings = findings.map(|(_, finding)| Found::of(finding)).collect();
                let mut lines = lines_up_to_finding(verdict, self.detail.sequence_lines);
                lines.extend(verdict.tail(self.detail.trace_lines));
                (findings, lines)
            }
            (Outcome::HarnessFailed(error), _) => {
                let found = Found::without_place("harness error", error.to_string());
                (vec![found], Vec::new())
            }
        };
        findings.extend(about.map(|text| Found::without_place("baseline", text)));
        self.failures.push(Failure {
            name,
            title: entry.scenario.title.clone(),
            findings,
            trace,
            replay: replay.to_owned(),
        });
    }

    fn write_failures(&self, out: &mut dyn io::Write) -> io::Result<()> {
        if self.failures.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n| failed | rule | finding |\n|---|---|---|")?;
        for failure in self.failures.iter().take(ROWS) {
            let more = match failure.findings.len() {
                0 | 1 => String::new(),
                several => format!(" (and {} more)", several - 1),
            };
            let (rule, text) = match failure.findings.first() {
                Some(found) => (found.rule.as_str(), found.text.as_str()),
                None => ("", ""),
            };
            let text = cell(text);
            writeln!(out, "| `{}` | {} | {text}{more} |", failure.name, cell(rule))?;
        }
        let others = self.failures.len().saturating_sub(ROWS);
        if others > 0 {
            writeln!(out, "\n{others} more failed.")?;
        }
        for failure in self.failures.iter().take(DETAILS) {
            failure.write(out)?;
        }
        Ok(())
    }

    fn add_stale(&mut self, place: &str, subject: &str) {
        let text = format!("{}: remove the entry", stale_sentence(subject));
        self.failures.push(Failure {
            name: place.to_owned(),
            title: "a stale entry".to_owned(),
            findings: vec![Found::without_place("baseline", text)],
            trace: Vec::new(),
            replay: String::new(),
        });
    }

    fn write_expected(&self, out: &mut dyn io::Write) -> io::Result<()> {
        if self.expected.is_empty() {
            return Ok(());
        }
        begin_details(out, &format!("{} failed as expected", self.expected.len()))?;
        writeln!(out, "| scenario | baseline |\n|---|---|")?;
        for (name, about) in self.expected.iter().take(ROWS) {
            writeln!(out, "| `{name}` | {} |", cell(about))?;
        }
        writeln!(out, "\n</details>")
    }

    fn write_skipped(&self, out: &mut dyn io::Write) -> io::Result<()> {
        if self.skipped.is_empty() {
            return Ok(());
        }
        begin_details(out, &format!("{} skipped", self.summary.skipped))?;
        writeln!(out, "| scenarios | reason |\n|---|---|")?;
        let mut reasons: Vec<_> = self.skipped.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in reasons {
            writeln!(out, "| {count} | {} |", cell(reason))?;
        }
        writeln!(out, "\n</details>")
    }
}

impl Reporter for MarkdownReport {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        match *event {
            Event::Played { played, replay } => self.add(played, replay),
            Event::Skipped { reason, .. } => {
                *self.skipped.entry(without_number(reason)).or_default() += 1;
            }
            Event::Stale { place, subject } => self.add_stale(place, subject),
            Event::Finished { wall } => self.wall = wall,
        }
        self.summary.report(event)
    }
}

impl Document for MarkdownReport {
    fn name(&self) -> &'static str {
        "Markdown report"
    }

    fn write(self: Box<Self>, out: &mut dyn io::Write) -> io::Result<()> {
        let status = match (self.summary.errors, self.summary.is_green()) {
            (_, true) => "PASS",
            (0, false) => "FAIL",
            _ => "ERROR",
        };
        writeln!(out, "### Turnstile: {status}\n")?;
        let summary = anstream::adapter::strip_str(&self.summary.to_string()).to_string();
        writeln!(out, "{summary} in {:.1} s", self.wall.as_secs_f64())?;
        self.write_failures(out)?;
        self.write_expected(out)?;
        self.write_skipped(out)
    }
}

impl Found {
    fn without_place(rule: &str, text: String) -> Self {
        Self {
            rule: rule.to_owned(),
            place: String::new(),
            text,
        }
    }

    fn of(finding: LabelledFinding) -> Self {
        Self {
            rule: format!("{}{}", finding.rule, finding.violated()),
            place: format!(" {}", finding.place()),
            text: finding.text,
        }
    }
}

impl Failure {
    fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let title = format!("<code>{}</code>: {}", html(&self.name), html(&self.title));
        begin_details(out, &title)?;
        for Found { rule, place, text } in &self.findings {
            writeln!(out, "- **{}**{}: {}", html(rule), html(place), line(text))?;
        }
        if !self.trace.is_empty() {
            // The lines begin with a time or with spaces, so none ends the block.
            writeln!(out, "\n~~~text")?;
            for record in &self.trace {
                writeln!(out, "{record}")?;
            }
            writeln!(out, "~~~")?;
        }
        if !self.replay.is_empty() {
            writeln!(out, "\nReplay: `{}`", self.replay)?;
        }
        writeln!(out, "\n</details>")
    }
}

fn begin_details(out: &mut dyn io::Write, title: &str) -> io::Result<()> {
    writeln!(out, "\n<details><summary>{title}</summary>\n")
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A reason without its first number, which differs between scenarios: how long they take.
fn without_number(reason: &str) -> String {
    let Some(start) = reason.find(|letter: char| letter.is_ascii_digit()) else {
        return reason.to_owned();
    };
    let rest = reason[start..].trim_start_matches(|letter: char| letter.is_ascii_digit());
    format!("{}…{rest}", &reason[..start])
}

/// A text on one line.
fn line(text: &str) -> String {
    html(text).replace('\n', "<br>")
}

/// A text as a cell of a table, shortened.
fn cell(text: &str) -> String {
    let short: String = text.chars().take(CELL).collect();
    let end = if short.len() < text.len() { "…" } else { "" };
    format!("{}{end}", line(&short).replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::played::{add, entry, failed, listing, played, standing};

    const ONE_LINE: FailureDetail = FailureDetail {
        sequence_lines: 0,
        trace_lines: 1,
    };

    fn written(report: MarkdownReport) -> String {
        let mut out = Vec::new();
        Box::new(report)
            .write(&mut out)
            .expect("memory can be written to");
        String::from_utf8(out).expect("Markdown is UTF-8")
    }

    #[test]
    fn a_failure_is_a_row_with_details_and_skips_are_counted_by_reason() {
        let good = entry("- start: { as: first, say: echo:one }", "");
        let bad = entry(
            "- start: { as: first, say: echo:one }\n- await: { message: first, is: completed }",
            "- message: { of: first, is: failed }\n- callbacks: 7",
        );
        let mut report = MarkdownReport::new(ONE_LINE);
        add(&mut report, played(&good, 0), "turnstile replay good.yaml");
        add(&mut report, played(&bad, 0), "turnstile replay bad.yaml");
        for reason in [
            "needs a | b",
            "takes 30 s, not 20 s",
            "needs a | b",
            "takes 9 s, not 20 s",
            "needs a | b",
        ] {
            let skipped = Event::Skipped { entry: &good, reason };
            report.report(&skipped).expect("nothing is written yet");
        }
        let wall = Duration::from_millis(1500);
        report
            .report(&Event::Finished { wall })
            .expect("nothing is written yet");
        insta::assert_snapshot!(written(report), @r#"
        ### Turnstile: FAIL

        1 passed, 1 failed, 5 skipped in 1.5 s

        | failed | rule | finding |
        |---|---|---|
        | `suite/turn/some` | expectation at line 9 | `first` ended with status "completed", not "failed" (and 1 more) |

        <details><summary><code>suite/turn/some</code>: a turn &amp; its &lt;end&gt;</summary>

        - **expectation at line 9** at 1.028742 s, message `first`: `first` ended with status "completed", not "failed"
        - **expectation at line 10** at 1801.034326 s: 1 different callbacks were delivered, not 7

        ~~~text
            1.028742  world     == {"event":"ended","place":"every-link"}
        ~~~

        Replay: `turnstile replay bad.yaml`

        </details>

        <details><summary>5 skipped</summary>

        | scenarios | reason |
        |---|---|
        | 3 | needs a \| b |
        | 2 | takes … s, not 20 s |

        </details>
        "#);
    }

    #[test]
    fn a_baseline_moves_expected_failures_out_of_the_table_and_adds_unexpected_passes() {
        let good = entry("- start: { as: first, say: idle }", "");
        let bad = entry("- start: { as: first, say: idle }", "- callbacks: 7");
        let mut report = MarkdownReport::new(FailureDetail::default());
        let expected = Standing::ExpectedFailure(listing());
        add(&mut report, standing(played(&bad, 0), expected), "again");
        let green = "### Turnstile: PASS\n\n0 passed, 0 failed, 1 failed as expected, 0 skipped in 0.0 s\n\n<details>";
        let mut out = Vec::new();
        report.write_expected(&mut out).expect("memory can be written to");
        let table = String::from_utf8(out).expect("Markdown is UTF-8");
        assert!(
            table.contains("| `suite/turn/some` | expected by known.toml:4: a known bug |"),
            "{table}"
        );
        let unexpected = Standing::UnexpectedPass(listing());
        let mut red = MarkdownReport::new(FailureDetail::default());
        add(&mut red, standing(played(&good, 0), unexpected), "again");
        let stale = Event::Stale {
            place: "known.toml:9",
            subject: "the rule R8.3",
        };
        red.report(&stale).expect("nothing is written yet");
        let (report, red) = (written(report), written(red));
        assert!(report.starts_with(green), "{report}");
        for row in [
            "### Turnstile: FAIL\n",
            "| `suite/turn/some` | baseline | known.toml:4 expects a failure (a known bug): remove the entry",
            "| `known.toml:9` | baseline | the rule R8.3 failed nowhere",
        ] {
            assert!(red.contains(row), "{row} is not in:\n{red}");
        }
    }

    #[test]
    fn a_pass_is_one_line_and_an_error_of_the_harness_is_no_verdict() {
        let good = entry("- start: { as: first, say: idle }", "");
        let mut report = MarkdownReport::new(ONE_LINE);
        add(&mut report, played(&good, 0), "again");
        assert_eq!(
            written(report),
            "### Turnstile: PASS\n\n1 passed, 0 failed, 0 skipped in 0.0 s\n"
        );
        let mut report = MarkdownReport::new(ONE_LINE).with_seed(true);
        add(&mut report, failed(&good), "again");
        let text = written(report);
        assert!(text.starts_with("### Turnstile: ERROR\n"), "{text}");
        assert!(
            text.contains("\n| `suite/turn/some (seed 0)` | harness error | the harness's own gateway"),
            "{text}"
        );
    }

    #[test]
    fn a_report_of_many_failures_stays_short() {
        let bad = entry("- start: { as: first, say: idle }", "- callbacks: 7");
        let mut report = MarkdownReport::new(ONE_LINE);
        for seed in 0..60 {
            add(&mut report, played(&bad, seed), "again");
        }
        let text = written(report);
        assert!(text.contains("\n10 more failed.\n"), "{text}");
        assert_eq!(text.matches("<details>").count(), DETAILS);
    }
}
