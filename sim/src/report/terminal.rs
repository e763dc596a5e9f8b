//! The terminal: a line a play, findings in full, and a summary.

use std::io::{self, Write};
use std::time::Duration;

use turnstile_scenarios::Entry;

use super::event::{Event, Reporter};
use super::finding::ToldFinding;
use super::style::{BAD, GOOD, QUIET};
use super::summary::Summary;
use crate::script::Verdict;
use crate::suite::{Outcome, Play, Played};

/// Writes lines for people.
pub struct TerminalReporter<W> {
    out: W,
    trace_lines: usize,
    with_seed: bool,
    with_digest: bool,
    speed: Option<u32>,
    summary: Summary,
}

impl<W: Write> TerminalReporter<W> {
    /// A reporter that writes to `out`, and shows the last `trace_lines` lines of the trace of a play with findings.
    pub fn new(out: W, trace_lines: usize) -> Self {
        Self {
            out,
            trace_lines,
            with_seed: false,
            with_digest: false,
            speed: None,
            summary: Summary::default(),
        }
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

    /// Says that time was not simulated, but passed so many times as fast as the machine's.
    pub fn in_real_time(mut self, speed: u32) -> Self {
        self.speed = Some(speed);
        self
    }

    /// The plays so far, counted.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    fn skip(&mut self, entry: &Entry, reason: &str) -> io::Result<()> {
        writeln!(self.out, "{QUIET}skip  {:<52} {reason}{QUIET:#}", entry.id)
    }

    fn played(&mut self, played: &Played, replay: &str) -> io::Result<()> {
        let Play { entry, options } = played.play;
        let seed = if self.with_seed {
            format!(" (seed {})", options.seed)
        } else {
            String::new()
        };
        let name = format!("{}{seed}", entry.id);
        match played.outcome() {
            Outcome::Passed(verdict) => {
                let figures = self.figures(verdict, played.wall);
                writeln!(self.out, "{GOOD}held{GOOD:#}  {name:<52} {figures}")
            }
            Outcome::Failed(verdict) => {
                let figures = self.figures(verdict, played.wall);
                writeln!(self.out, "{BAD}BROKE{BAD:#} {name:<52} {figures}")?;
                self.tell_findings(verdict, replay)
            }
            Outcome::HarnessFailed(error) => {
                writeln!(
                    self.out,
                    "{BAD}ERROR{BAD:#} {name:<52} the harness failed: {error}"
                )?;
                self.tell_replay(replay)
            }
        }
    }

    /// How long a play took, by its own clock and by the machine's, and the digest of its trace if that is shown.
    fn figures(&self, verdict: &Verdict, wall: Duration) -> String {
        let wall = format!("{:.1} ms", wall.as_secs_f64() * 1000.0);
        let clock = match self.speed {
            None => "virtual".to_owned(),
            Some(speed) => format!("at speed {speed}"),
        };
        let played = verdict.played.as_secs_f64();
        let digest = if self.with_digest {
            format!("  {}", verdict.trace.digest())
        } else {
            String::new()
        };
        format!("{QUIET}{played:>9.3} s {clock}  {wall:>8}{QUIET:#}{digest}")
    }

    fn tell_findings(&mut self, verdict: &Verdict, replay: &str) -> io::Result<()> {
        for finding in ToldFinding::all(verdict) {
            let (rule, place) = (finding.rule, finding.place());
            writeln!(self.out, "    {BAD}{rule}{BAD:#} {place}")?;
            writeln!(self.out, "      {}", finding.text)?;
        }
        let tail = verdict.tail(self.trace_lines);
        if !tail.is_empty() {
            writeln!(self.out, "    the trace up to there:")?;
            for line in tail {
                writeln!(self.out, "      {QUIET}{line}{QUIET:#}")?;
            }
        }
        self.tell_replay(replay)
    }

    fn tell_replay(&mut self, replay: &str) -> io::Result<()> {
        writeln!(self.out, "    replay: {replay}")
    }

    fn tell_summary(&mut self, wall: Duration) -> io::Result<()> {
        let summary = self.summary;
        let style = if summary.broken + summary.failed == 0 {
            GOOD
        } else {
            BAD
        };
        writeln!(
            self.out,
            "{style}{summary}{style:#} in {:.2} s",
            wall.as_secs_f64()
        )?;
        let (played, elapsed) = (summary.played.as_secs_f64(), summary.elapsed.as_secs_f64());
        let seconds = match self.speed {
            None => "virtual seconds".to_owned(),
            Some(speed) => format!("seconds at speed {speed}"),
        };
        writeln!(
            self.out,
            "{QUIET}{played:.0} {seconds} of steps, {elapsed:.0} with the time to settle after them{QUIET:#}"
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
            Event::Finished { wall } => self.tell_summary(wall),
        }
    }
}
