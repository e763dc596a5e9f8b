//! Arguments that several commands share.

use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use turnstile::report::TerminalReporter;
use turnstile::watch::Watch;
use turnstile::workers;
use turnstile_scenarios::Lapse;

use super::interruption::Interruption;

/// Heading of options that select scenarios and seeds.
pub(crate) const FILTER_OPTIONS: &str = "Filter options";
/// Heading of options that control how scenarios run.
pub(crate) const RUNNER_OPTIONS: &str = "Runner options";
/// Heading of options that control reports.
pub(crate) const REPORTER_OPTIONS: &str = "Reporter options";
/// Heading of options that select the server.
pub(crate) const SERVER_OPTIONS: &str = "Server options";

/// The largest number of parallel plays. Each needs a thread or two.
const MOST_JOBS: usize = 1024;

/// The longest wall-clock time of a play in the simulated world.
const PLAY_TIMEOUT: Duration = Duration::from_secs(30);

/// The number of parallel plays.
#[derive(Args)]
pub(crate) struct JobsArguments {
    /// Number of parallel plays, up to 1024 [default: number of cores]
    #[arg(long, value_name = "N", value_parser = number_of_jobs)]
    pub(crate) jobs: Option<NonZeroUsize>,
}

impl JobsArguments {
    /// The given number, or the number of cores.
    pub(crate) fn count(&self) -> NonZeroUsize {
        self.jobs.unwrap_or_else(workers::all_cores)
    }
}

fn number_of_jobs(text: &str) -> Result<NonZeroUsize, String> {
    let number: Option<NonZeroUsize> = text.parse().ok();
    number
        .filter(|number| number.get() <= MOST_JOBS)
        .ok_or_else(|| format!("it is not a number from 1 to {MOST_JOBS}"))
}

/// The limit of each play in the simulated world.
#[derive(Args)]
pub(crate) struct WatchArguments {
    /// Longest wall-clock time of a play [default: 30s, or 60s in real time]
    ///
    /// In the simulated world: if the server runs without end then, the play fails with the finding `server-livelock`. After a few such plays no
    /// further one begins, because each keeps a core busy. In real time, the play no longer waits for what is pending.
    #[arg(long, value_name = "DURATION", value_parser = play_timeout)]
    pub(crate) play_timeout: Option<Duration>,
}

fn play_timeout(text: &str) -> Result<Duration, String> {
    let lapse: Lapse = text.parse().map_err(|error| format!("{error}"))?;
    if lapse.is_zero() {
        return Err("it must be longer than zero".to_owned());
    }
    Ok(*lapse)
}

impl WatchArguments {
    /// The limits of each play, which also ends at a signal.
    pub(crate) fn watch(&self, interruption: Interruption) -> Watch {
        Watch {
            limit: self.play_timeout.unwrap_or(PLAY_TIMEOUT),
            interruption: interruption.flag(),
        }
    }
}

/// Prints why the result is partial, if plays that did not end have kept others from beginning.
pub(crate) fn note_abandoned() {
    if Watch::has_too_many_abandoned() {
        anstream::eprintln!("too many plays did not end within --play-timeout: the others were not played");
    }
}

/// What the terminal report shows of each play.
#[derive(Args)]
pub(crate) struct ShownArguments {
    /// Number of trace lines shown for each failure
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub(crate) trace_lines: usize,
    /// Show the digest of each trace
    #[arg(long)]
    pub(crate) digest: bool,
}

impl ShownArguments {
    /// A terminal reporter with these settings.
    pub(crate) fn terminal<W: io::Write>(&self, out: W) -> TerminalReporter<W> {
        TerminalReporter::new(out, self.trace_lines).with_digest(self.digest)
    }
}
