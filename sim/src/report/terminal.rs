//! The terminal: a line a play, what did not hold in full, and a summary.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use turnstile_scenarios::{Entry, Surface};
use turnstile_world::WorldKind;

use super::finding::ToldFinding;
use super::style::{BAD, GOOD, QUIET};
use crate::script::Verdict;
use crate::suite::{Play, Played};

/// What came of everything, counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Plays in which all held.
    pub held: usize,
    /// Plays in which something did not.
    pub broken: usize,
    /// Plays in which the harness failed.
    pub failed: usize,
    /// Plays that there were not, because the server under test cannot be asked for what they need.
    pub skipped: usize,
    /// Virtual time of all plays, up to the last step of each.
    pub played: Duration,
    /// Virtual time of all plays, with the time in which each settles.
    pub elapsed: Duration,
}

/// Tells a terminal, or whatever stands for one.
pub struct TerminalReporter<W> {
    out: W,
    trace_lines: usize,
    with_seed: bool,
    with_digest: bool,
    speed: Option<u32>,
    summary: Summary,
}

impl<W: Write> TerminalReporter<W> {
    /// A reporter that writes to `out`, and shows as many last lines of a trace in which something did
    /// not hold.
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

    /// Tells of a play that there was not, and why not.
    ///
    /// # Errors
    ///
    /// As the writer fails.
    pub fn skip(&mut self, entry: &Entry, reason: &str) -> io::Result<()> {
        self.summary.skipped += 1;
        writeln!(self.out, "{QUIET}skip  {:<52} {reason}{QUIET:#}", entry.id)
    }

    /// Tells of one play, which `replay` plays again.
    ///
    /// # Errors
    ///
    /// As the writer fails.
    pub fn tell(&mut self, played: &Played, replay: &str) -> io::Result<()> {
        let Play { entry, options } = played.play;
        let seed = if self.with_seed {
            format!(" (seed {})", options.seed)
        } else {
            String::new()
        };
        let name = format!("{}{seed}", entry.id);
        let wall = format!("{:.1} ms", played.wall.as_secs_f64() * 1000.0);
        match &played.verdict {
            Ok(verdict) => {
                self.summary.played += verdict.played;
                self.summary.elapsed += verdict.elapsed;
                let clock = match self.speed {
                    None => "virtual".to_owned(),
                    Some(speed) => format!("at speed {speed}"),
                };
                let times = format!("{:>9.3} s {clock}  {wall:>8}", verdict.played.as_secs_f64());
                let digest = if self.with_digest {
                    format!("  {}", verdict.trace.digest())
                } else {
                    String::new()
                };
                if verdict.findings.is_empty() {
                    self.summary.held += 1;
                    writeln!(
                        self.out,
                        "{GOOD}held{GOOD:#}  {name:<52} {QUIET}{times}{QUIET:#}{digest}"
                    )
                } else {
                    self.summary.broken += 1;
                    writeln!(
                        self.out,
                        "{BAD}BROKE{BAD:#} {name:<52} {QUIET}{times}{QUIET:#}{digest}"
                    )?;
                    self.tell_findings(verdict, replay)
                }
            }
            Err(error) => {
                self.summary.failed += 1;
                writeln!(
                    self.out,
                    "{BAD}ERROR{BAD:#} {name:<52} the harness failed: {error}"
                )?;
                self.tell_replay(replay)
            }
        }
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

    /// Tells of all plays together. What came of them is known also if that fails, as the writer does.
    pub fn finish(mut self, wall: Duration) -> (Summary, io::Result<()>) {
        let told = self.tell_summary(wall);
        (self.summary, told)
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

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            held,
            broken,
            failed,
            skipped,
            ..
        } = self;
        write!(formatter, "{held} held")?;
        if *broken > 0 {
            write!(formatter, ", {broken} broke")?;
        }
        if *failed > 0 {
            write!(formatter, ", {failed} with a failure of the harness")?;
        }
        if *skipped > 0 {
            write!(formatter, ", {skipped} skipped")?;
        }
        Ok(())
    }
}

/// How this program was called, as it can be called again.
pub fn program() -> &'static str {
    match (std::env::var_os("CARGO"), cfg!(debug_assertions)) {
        (None, _) => "turnstile",
        (Some(_), false) => "cargo run --release --",
        (Some(_), true) => "cargo run --",
    }
}

/// The command that plays it again in the world in which it was played.
pub fn replay_of_play(play: &Play) -> String {
    let Play { entry, options } = play;
    let command = replay_command(&entry.path, options.seed, entry.scenario.api.first());
    match options.world {
        WorldKind::Events => command,
        #[cfg(feature = "witness")]
        WorldKind::Witness { .. } => command + " --world witness",
    }
}

/// The command that plays a scenario again in real time, in the words in which this program was called, with the
/// same `flags`.
pub fn replay_in_real_time(id: &str, flags: &str) -> String {
    // An id has its surface in brackets, which a shell would read otherwise.
    format!("{} run --live{flags} '{id}'", program())
}

/// The command that plays the scenario of a seed again with `flags`, in the words in which this program was called.
pub fn replay_of_seed(seed: u64, flags: &str) -> String {
    format!("{} replay {seed}{flags}", program())
}

/// The command that plays a file again, in the words in which this program was called.
pub fn replay_command(file: &Path, seed: u64, surface: Surface) -> String {
    if file.as_os_str().is_empty() {
        return replay_of_seed(seed, "");
    }
    let surface = match surface {
        Surface::Unified => String::new(),
        Surface::Legacy => format!(" --api {surface}"),
    };
    format!("{} replay {} --seed {seed}{surface}", program(), file.display())
}
