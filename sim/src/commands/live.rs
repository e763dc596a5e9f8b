//! `turnstile run --live`: plays scenarios in real time against a server in a separate process.

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use turnstile::live::{Live, LongScenarios, Outcome};
use turnstile::report::{Event, replay_in_real_time};
use turnstile::script::Options;
use turnstile::suite::{Play, Played};
use turnstile::workers;
use turnstile_fault::Capability;
use turnstile_scenarios::Entry;

use super::arguments::ShownArguments;
use super::baseline::Expectations;
use super::clock::now;
use super::exit::{Exit, print_error};
use super::interruption::Interruption;
use super::library::LibraryArguments;
use super::live_server::{given_for, own, patience, seed};
use super::report_files::ReportArguments;
use super::reporting::{Remembering, Reporting};
use super::target::{TargetArguments, quoted};

/// The default speed of a server that the harness starts: fast enough for most scenarios, and slow compared with the
/// delays of a busy machine.
const OWN_SPEED: u32 = 10;

/// Whether scenarios run in real time, and against which server.
#[derive(Args)]
#[command(next_help_heading = "Live target options")]
pub(crate) struct LiveArguments {
    /// Run in real time against a server process: the reference server, or a target
    ///
    /// Scenarios that need an unsupported capability are skipped, and without a test clock those that take longer than 20 s.
    #[arg(long, conflicts_with = "seed")]
    pub(crate) live: bool,
    /// Run scenarios that take longer than 20 s, up to one hour, in true time
    #[arg(long, requires = "live")]
    slow: bool,
    /// Go on with a play after a step that failed
    #[arg(long, requires = "live")]
    keep_playing: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// The reports of a run.
pub(crate) struct Reports<'a> {
    pub(crate) files: &'a ReportArguments,
    pub(crate) shown: &'a ShownArguments,
    pub(crate) fail_fast: bool,
    pub(crate) expectations: &'a Expectations,
    /// The longest wall time of a play, if it is given.
    pub(crate) play_timeout: Option<Duration>,
}

impl LiveArguments {
    /// Checks that no option is without effect.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.target.check(self.live)
    }

    /// The server under test, and the number of parallel plays; or the error in the arguments.
    fn live(
        &self,
        interruption: Interruption,
        jobs: Option<NonZeroUsize>,
    ) -> Result<(Live, NonZeroUsize), String> {
        let patience = patience(self.slow);
        match self.target.target()? {
            None => {
                let speed = self.target.speed().unwrap_or(OWN_SPEED);
                own(speed, patience, interruption, jobs, "")
            }
            Some(target) => given_for(target, patience, interruption, jobs),
        }
    }

    /// The flags that repeat the run, without secrets.
    fn flags(&self, library: &LibraryArguments) -> String {
        let folder = library.elsewhere().map(|folder| folder.display().to_string());
        let mut flags = folder.map_or_else(String::new, |folder| format!(" --scenarios {}", quoted(&folder)));
        flags.push_str(&self.target.flags());
        if self.slow {
            flags.push_str(" --slow");
        }
        flags
    }
}

/// Plays and judges scenarios in real time.
pub(crate) fn run_live(
    arguments: &LiveArguments,
    entries: &[&Entry],
    jobs: Option<NonZeroUsize>,
    library: &LibraryArguments,
    reports: &Reports,
) -> io::Result<Exit> {
    let is_given = arguments.target.is_named();
    let interruption = Interruption::listen();
    let (mut live, jobs) = match arguments.live(interruption, jobs) {
        Ok(live) => live,
        Err(problem) => {
            print_error(&problem);
            return Ok(Exit::Usage);
        }
    };
    let flags = arguments.flags(library);
    live.play_timeout = reports.play_timeout.unwrap_or(live.play_timeout);
    live.keeps_playing = arguments.keep_playing;
    let (shown, files) = (reports.shown, reports.files);
    let terminal = shown.terminal(files.terminal()).in_real_time(live.setup.speed);
    let files = files.files(entries.len(), false, shown.detail());
    let expectations = reports.expectations.follow();
    let mut run = Run {
        reporting: Reporting::start(
            entries.len(),
            terminal,
            files,
            expectations,
            Remembering::Failures,
        ),
        reports,
        interruption,
        is_given,
        flags,
        finished: 0,
        is_stopped: false,
    };
    // A play that kills a server which other plays use is played alone.
    let is_alone = |entry: &&&Entry| is_given && entry.scenario.needs().contains(&Capability::Crash);
    let (alone, together): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(is_alone);
    let long = run.play(&live, &together, jobs);
    if live.long == LongScenarios::Postponed {
        // From here on, no other play uses the server.
        live.long = LongScenarios::OnTestClock;
        live.jumps_always = true;
    }
    for entries in [alone, long] {
        run.play(&live, &entries, NonZeroUsize::MIN);
    }
    run.reporting.finish(interruption)
}

/// A run in progress.
struct Run<'a, W> {
    reporting: Reporting<'a, W>,
    reports: &'a Reports<'a>,
    interruption: Interruption,
    is_given: bool,
    /// The flags that repeat it.
    flags: String,
    finished: usize,
    is_stopped: bool,
}

impl<W: io::Write> Run<'_, W> {
    /// Plays scenarios, and returns those that are postponed.
    fn play<'e>(&mut self, live: &Live, entries: &[&'e Entry], jobs: NonZeroUsize) -> Vec<&'e Entry> {
        let (expectations, interruption) = (self.reports.expectations, self.interruption);
        let (is_given, is_over) = (self.is_given, self.is_stopped);
        let (bar, finished) = (self.reporting.bar(), self.finished);
        let mut postponed = Vec::new();
        workers::in_order(
            entries
                .iter()
                .take_while(|_| !is_over && !interruption.is_asked_for()),
            jobs,
            |entry| {
                let play = || played(live, entry, seed(is_given));
                let first = play()?;
                // A scenario that was not skipped is not skipped when it is repeated.
                let again = |_| play().ok();
                Ok(expectations.judge(first, again))
            },
            |count| bar.set_position((finished + count) as u64),
            |outcome| {
                match outcome {
                    Err(NotPlayed::Postponed(entry)) => postponed.push(entry),
                    Err(NotPlayed::Skipped(entry, reason)) => {
                        let reason = &reason;
                        self.reporting.report(&Event::Skipped { entry, reason });
                    }
                    Ok(played) => self.report(&played),
                }
                if self.is_stopped {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            },
        );
        self.finished += entries.len() - postponed.len();
        postponed
    }

    fn report(&mut self, played: &Played<'_>) {
        self.is_stopped |= self.reports.fail_fast && played.is_red();
        if !played.was_interrupted() {
            self.reporting.report(&Event::Played {
                played,
                replay: &replay_in_real_time(&played.play.entry.id, &self.flags),
            });
        }
    }
}

/// A scenario that was not played.
enum NotPlayed<'a> {
    /// For this reason.
    Skipped(&'a Entry, String),
    /// It is played later.
    Postponed(&'a Entry),
}

/// Plays a scenario, or says why it is not played.
fn played<'a>(live: &Live, entry: &'a Entry, seed: u64) -> Result<Played<'a>, NotPlayed<'a>> {
    let begun = now();
    match live.play(&entry.scenario, seed) {
        Outcome::Skipped(reason) => Err(NotPlayed::Skipped(entry, reason.to_string())),
        Outcome::Postponed => Err(NotPlayed::Postponed(entry)),
        Outcome::Played(verdict) => {
            let options = Options::default();
            let verdict = verdict.map(|verdict| *verdict);
            Ok(Played::new(Play { entry, options }, verdict, begun.elapsed()))
        }
    }
}
