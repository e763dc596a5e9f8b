//! The report on a terminal: a line for each play, findings in full with what led to them, all failures once more in
//! short, and a summary.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use turnstile_scenarios::{Entry, printable, shortened};

use super::event::{Event, Reporter};
use super::finding::LabelledFinding;
use super::sequence::lines_up_to_finding;
use super::style::{BAD, GOOD, QUIET, Status, WARNING, seconds, wall_time};
use super::summary::Summary;
use super::{name_of_play, stale_sentence};
use crate::script::Verdict;
use crate::standing::Standing;
use crate::suite::{Outcome, Play, Played};

/// The maximum length of a finding in the list at the end, in characters.
const FIRST_FINDING: usize = 200;

/// How much is written about each play.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Nothing about plays that passed or were skipped.
    Quiet,
    /// A line for each play.
    #[default]
    Normal,
    /// The title of each scenario too.
    Verbose,
}

/// What is written about a failed play.
#[derive(Debug, Clone, Copy, Default)]
pub struct FailureDetail {
    /// The maximum number of lines of the essential sequence up to the first finding.
    pub sequence_lines: usize,
    /// The number of last lines of the trace up to the first finding.
    pub trace_lines: usize,
}

/// Writes a report for people.
pub struct TerminalReporter<W> {
    out: W,
    detail: FailureDetail,
    verbosity: Verbosity,
    /// The failures in short, for the end.
    failures: Vec<String>,
    with_seed: bool,
    with_digest: bool,
    clock: String,
    summary: Summary,
}

impl<W: Write> TerminalReporter<W> {
    /// A reporter that writes to `out`.
    pub fn new(out: W, detail: FailureDetail) -> Self {
        Self {
            out,
            detail,
            verbosity: Verbosity::default(),
            failures: Vec::new(),
            with_seed: false,
            with_digest: false,
            clock: "virtual".to_owned(),
            summary: Summary::default(),
        }
    }

    /// Sets how much is written about each play.
    pub fn with_verbosity(mut self, verbosity: Verbosity) -> Self {
        self.verbosity = verbosity;
        self
    }

    /// Also names the seed of each play.
    pub fn with_seed(mut self, with_seed: bool) -> Self {
        self.with_seed = with_seed;
        self
    }

    /// Also shows the digest of each trace.
    pub fn with_digest(mut self, with_digest: bool) -> Self {
        self.with_digest = with_digest;
        self
    }

    /// Labels times as real time at a speed-up of `speed`, in place of virtual time.
    pub fn in_real_time(mut self, speed: u32) -> Self {
        self.clock = format!("at speed {speed}");
        self
    }

    /// Labels times with this word, in place of virtual time.
    pub fn with_clock(mut self, clock: &str) -> Self {
        clock.clone_into(&mut self.clock);
        self
    }

    /// Counts of the plays so far.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    fn skip(&mut self, entry: &Entry, reason: &str) -> io::Result<()> {
        if self.verbosity == Verbosity::Quiet {
            return Ok(());
        }
        let (status, wall) = (Status::Skip, wall_time(None));
        writeln!(
            self.out,
            "{status} {QUIET}{wall} {:<52} {reason}{QUIET:#}",
            printable(&entry.id)
        )
    }

    fn played(&mut self, played: &Played, replay: &str) -> io::Result<()> {
        let name = name_of_play(&played.play, self.with_seed);
        let name = printable(&name);
        let wall = wall_time(Some(played.wall));
        let status = Status::of(played);
        match played.outcome() {
            _ if self.verbosity == Verbosity::Quiet && !played.is_red() => Ok(()),
            Outcome::Passed(verdict) => {
                let figures = self.figures(verdict);
                writeln!(self.out, "{status} {wall} {name:<52} {figures}")?;
                self.write_title(&played.play)?;
                self.write_standing(&played.standing)?;
                if let Some(about) = played.standing.sentence().filter(|_| played.is_red()) {
                    self.remember(status, &name, 1, &about, replay);
                }
                self.write_warnings(verdict)?;
                self.write_unknown(verdict)
            }
            Outcome::Failed(verdict) if status == Status::ExpectedFailure => {
                let figures = self.figures(verdict);
                writeln!(self.out, "{status} {wall} {name:<52} {figures}")?;
                self.write_standing(&played.standing)?;
                self.write_headlines(verdict)
            }
            Outcome::Failed(verdict) => {
                let figures = self.figures(verdict);
                writeln!(self.out, "{status} {wall} {name:<52} {figures}")?;
                self.write_title(&played.play)?;
                self.write_standing(&played.standing)?;
                self.write_findings(verdict)?;
                let findings = LabelledFinding::folded(verdict).len();
                self.remember(status, &name, findings, &first_of(verdict), replay);
                self.write_warnings(verdict)?;
                self.write_unknown(verdict)?;
                self.write_replay(replay)
            }
            Outcome::HarnessFailed(error) => {
                let error = error.to_string();
                let error = printable(&error);
                writeln!(self.out, "{status} {wall} {name:<52} harness error: {error}")?;
                self.remember(status, &name, 1, &format!("harness error: {error}"), replay);
                self.write_replay(replay)
            }
        }
    }

    fn write_title(&mut self, play: &Play) -> io::Result<()> {
        if self.verbosity != Verbosity::Verbose {
            return Ok(());
        }
        writeln!(
            self.out,
            "    {QUIET}{}{QUIET:#}",
            printable(&play.entry.scenario.title)
        )
    }

    /// Keeps a failure for the list at the end.
    fn remember(&mut self, status: Status, name: &str, findings: usize, first: &str, replay: &str) {
        let more = match findings.saturating_sub(1) {
            0 => String::new(),
            1 => " (and 1 more finding)".to_owned(),
            more => format!(" (and {more} more findings)"),
        };
        let first = printable(first);
        let first = shortened(&first, FIRST_FINDING);
        let replay = printable(replay);
        self.failures.push(format!(
            "{status} {name}\n             {first}{more}\n             {QUIET}replay: {replay}{QUIET:#}"
        ));
    }

    /// Lists all failures again, unless the only play has just shown its own.
    fn write_failures(&mut self) -> io::Result<()> {
        if self.failures.is_empty() || self.summary.plays() == 1 {
            return Ok(());
        }
        writeln!(self.out, "\nfailures:")?;
        for failure in &self.failures {
            writeln!(self.out, "{failure}")?;
        }
        writeln!(self.out)
    }

    /// The time that passed in a play, and the digest of its trace if that is shown.
    fn figures(&self, verdict: &Verdict) -> String {
        let clock = &self.clock;
        let played = verdict.played.as_secs_f64();
        let digest = if self.with_digest {
            format!("  {}", verdict.trace.digest())
        } else {
            String::new()
        };
        format!("{QUIET}{played:>9.3} s {clock}{QUIET:#}{digest}")
    }

    fn write_warnings(&mut self, verdict: &Verdict) -> io::Result<()> {
        for warning in LabelledFinding::warnings(verdict) {
            writeln!(
                self.out,
                "    {WARNING}warning{WARNING:#}: {}",
                warning.headline()
            )?;
            writeln!(self.out, "      {}", warning.text)?;
        }
        Ok(())
    }

    /// The rules that were not judged, together by what they lack.
    fn write_unknown(&mut self, verdict: &Verdict) -> io::Result<()> {
        let mut reasons = BTreeMap::<&str, Vec<&str>>::new();
        for unknown in &verdict.unknown {
            reasons.entry(&unknown.reason).or_default().push(unknown.oracle);
        }
        for (reason, rules) in reasons {
            let rules = rules.join(", ");
            writeln!(self.out, "    {QUIET}unknown ({reason}): {rules}{QUIET:#}")?;
        }
        Ok(())
    }

    /// Says which entry of a baseline is about a play.
    fn write_standing(&mut self, standing: &Standing) -> io::Result<()> {
        let Some(sentence) = standing.sentence() else {
            return Ok(());
        };
        writeln!(self.out, "    {}", printable(&sentence))
    }

    /// Writes expected findings in short.
    fn write_headlines(&mut self, verdict: &Verdict) -> io::Result<()> {
        for (_, finding) in LabelledFinding::folded(verdict) {
            let (headline, text) = (finding.headline(), printable(&finding.text));
            writeln!(self.out, "      {QUIET}{headline}: {text}{QUIET:#}")?;
        }
        Ok(())
    }

    fn write_stale(&mut self, place: &str, subject: &str) -> io::Result<()> {
        let (status, wall) = (Status::UnexpectedPass, wall_time(None));
        let place = printable(place);
        writeln!(self.out, "{status} {wall} {place}")?;
        let sentence = stale_sentence(subject);
        writeln!(self.out, "    {}: remove the entry", printable(&sentence))
    }

    fn write_findings(&mut self, verdict: &Verdict) -> io::Result<()> {
        for (_, finding) in LabelledFinding::folded(verdict) {
            let (rule, place) = (&finding.rule, finding.place());
            writeln!(self.out, "    {BAD}{rule}{BAD:#}{} {place}", finding.violated())?;
            writeln!(self.out, "      {}", printable(&finding.text))?;
        }
        let sequence = lines_up_to_finding(verdict, self.detail.sequence_lines);
        if !sequence.is_empty() {
            writeln!(self.out, "    what happened up to the first finding:")?;
            for line in sequence {
                writeln!(self.out, "    {QUIET}{}{QUIET:#}", printable(&line))?;
            }
        }
        let tail = verdict.tail(self.detail.trace_lines);
        if !tail.is_empty() {
            writeln!(self.out, "    last lines of the trace up to the first finding:")?;
            for line in tail {
                writeln!(self.out, "      {QUIET}{}{QUIET:#}", printable(&line))?;
            }
        }
        Ok(())
    }

    fn write_replay(&mut self, replay: &str) -> io::Result<()> {
        writeln!(self.out, "    replay: {}", printable(replay))
    }

    fn write_summary(&mut self, wall: Duration) -> io::Result<()> {
        let summary = self.summary;
        let style = if summary.is_green() { GOOD } else { BAD };
        writeln!(self.out, "{style}{summary}{style:#} in {}", seconds(wall))?;
        let (played, elapsed) = (summary.played.as_secs_f64(), summary.elapsed.as_secs_f64());
        let clock = &self.clock;
        writeln!(
            self.out,
            "{QUIET}{played:.0} s {clock}, {elapsed:.0} s including settling{QUIET:#}"
        )?;
        self.out.flush()
    }
}

impl<W: Write> Reporter for TerminalReporter<W> {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        self.summary.report(event)?;
        match *event {
            Event::Played { played, replay } => self.played(played, replay),
            Event::Skipped { entry, reason } => self.skip(entry, reason),
            Event::Stale { place, subject } => self.write_stale(place, subject),
            Event::Finished { wall } => {
                self.write_failures()?;
                self.write_summary(wall)
            }
        }
    }
}

/// The finding of a verdict that names the cause best, in one line.
fn first_of(verdict: &Verdict) -> String {
    let first = LabelledFinding::by_cause(verdict).into_iter().next();
    first.map_or(String::new(), |(_, first)| {
        format!("{}{}: {}", first.rule, first.violated(), first.text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::played::{add, entry, listing, played, standing, warned};

    #[test]
    fn what_a_baseline_expects_is_shown_with_its_reason() {
        let good = entry("- start: { as: first, say: idle }", "");
        let bad = entry("- start: { as: first, say: idle }", "- callbacks: 7");
        let mut reporter = TerminalReporter::new(Vec::new(), FailureDetail::default());
        let expected = standing(played(&bad, 0), Standing::ExpectedFailure(listing()));
        add(&mut reporter, expected, "again");
        let passes = standing(played(&good, 0), Standing::UnexpectedPass(listing()));
        add(&mut reporter, passes, "again");
        let (place, subject) = ("known.toml:9", "`fifo`");
        let stale = reporter.report(&Event::Stale { place, subject });
        stale.expect("memory can be written to");
        let text = anstream::adapter::strip_bytes(&reporter.out).into_vec();
        let text = String::from_utf8(text).expect("the report is UTF-8");
        for line in [
            "       XFAIL [",
            "    expected by known.toml:4: a known bug\n      expectation at line 8 at ",
            "       XPASS [",
            "    known.toml:4 expects a failure (a known bug): remove the entry, or set `flaky = true`\n",
            "    `fifo` failed nowhere, and is expected to fail: remove the entry\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(!text.contains("replay:"), "{text}");
        assert_eq!(
            reporter.summary().to_string(),
            "0 passed, 0 failed, 1 failed as expected, 2 passed unexpectedly, 0 skipped"
        );
    }

    #[test]
    fn a_warning_is_shown_below_a_play_that_passes_and_is_counted() {
        let good = entry("- start: { as: first, say: idle }", "");
        let mut reporter = TerminalReporter::new(Vec::new(), FailureDetail::default());
        add(&mut reporter, warned(&good, 0), "again");
        let text = anstream::adapter::strip_bytes(&reporter.out).into_vec();
        let text = String::from_utf8(text).expect("the report is UTF-8");
        assert!(text.contains("PASS"), "{text}");
        assert!(
            text.contains(
                "    warning: some-rule at 2.000000 s\n      it came at 2.100000 s, 0.100000 s too late"
            ),
            "{text}"
        );
        assert_eq!(
            reporter.summary().to_string(),
            "1 passed, 0 failed, 0 skipped, 1 warning"
        );
    }
}
