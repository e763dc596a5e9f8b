//! Arguments that several commands share.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use turnstile::explore;
use turnstile::report::{FailureDetail, TerminalReporter, Verbosity};
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
/// The largest number of parallel plays of a core in the simulated world, where plays compute all the time. Many more would
/// only delay each other, and the results after Ctrl-C.
const MOST_JOBS_OF_A_CORE: NonZeroUsize = NonZeroUsize::new(8).expect("it is not zero");

/// The number of parties that are judged at a time for each core. Most of the time each of them waits.
const PARTIES_PER_CORE: NonZeroUsize = NonZeroUsize::new(4).expect("it is not zero");
/// The longest wall-clock time of a play in the simulated world.
const PLAY_TIMEOUT: Duration = Duration::from_secs(30);
/// The number of trace lines of a failure in a verbose report.
const TRACE_LINES: usize = 12;

/// The number of parallel plays.
#[derive(Args)]
pub(crate) struct JobsArguments {
    /// Number of parallel plays, up to 1024, and up to 8 a core in the simulated world [default:
    /// number of cores]
    #[arg(long, value_name = "N", value_parser = number_of_jobs)]
    pub(crate) jobs: Option<NonZeroUsize>,
}

impl JobsArguments {
    /// The given number, or the number of cores.
    pub(crate) fn count(&self) -> NonZeroUsize {
        self.jobs.unwrap_or_else(workers::all_cores)
    }

    /// The same for plays in the simulated world.
    pub(crate) fn simulated(&self) -> NonZeroUsize {
        self.count()
            .min(workers::all_cores().saturating_mul(MOST_JOBS_OF_A_CORE))
    }
}

/// How many processes of a party under test are judged at a time.
#[derive(Args)]
pub(crate) struct PartyJobsArguments {
    /// Number of parallel plays, up to 1024 [default: four for each core]
    #[arg(long, value_name = "N", value_parser = number_of_jobs)]
    jobs: Option<NonZeroUsize>,
}

impl PartyJobsArguments {
    /// The given number, or one for plays that wait most of the time.
    pub(crate) fn count(&self) -> NonZeroUsize {
        self.jobs
            .unwrap_or_else(|| workers::all_cores().saturating_mul(PARTIES_PER_CORE))
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

/// A duration that is given in minutes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Minutes(Duration);

impl FromStr for Minutes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let minutes: Option<f64> = text.parse().ok();
        let duration = minutes.and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
        duration
            .filter(|duration| !duration.is_zero())
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a positive number of minutes, such as 30 or 0.5"))
    }
}

impl Deref for Minutes {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

/// What the terminal report shows of each play.
#[derive(Args)]
pub(crate) struct ShownArguments {
    /// Show only failures and the summary
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// Show also titles, and the last trace lines of each failure
    #[arg(long, short)]
    verbose: bool,
    /// Maximum number of lines for what happened before a failure
    #[arg(long, default_value_t = 24, value_name = "N")]
    sequence_lines: usize,
    /// Number of last trace lines shown for each failure [default: 0, or 12 with --verbose]
    #[arg(long, value_name = "N")]
    trace_lines: Option<usize>,
    /// Show the digest of each trace
    #[arg(long)]
    pub(crate) digest: bool,
}

impl ShownArguments {
    /// A terminal reporter with these settings.
    pub(crate) fn terminal<W: io::Write>(&self, out: W) -> TerminalReporter<W> {
        TerminalReporter::new(out, self.detail())
            .with_verbosity(self.verbosity())
            .with_digest(self.digest)
    }

    /// What is shown of a failure.
    pub(crate) fn detail(&self) -> FailureDetail {
        FailureDetail {
            sequence_lines: self.sequence_lines,
            trace_lines: self
                .trace_lines
                .unwrap_or(if self.verbose { TRACE_LINES } else { 0 }),
        }
    }

    /// How much is shown of each play.
    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

/// Every `of`-th play or seed, starting with the `index`-th.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) index: u64,
    pub(crate) of: u64,
}

impl Shard {
    /// The parts of this shard.
    pub(crate) fn of<T>(self, all: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        let [index, every] =
            [self.index, self.of].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        all.skip(index).step_by(every)
    }

    /// The number of parts of this shard, of `count` in all.
    pub(crate) fn count(self, count: u64) -> u64 {
        count.saturating_sub(self.index).div_ceil(self.of)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((_, of)) if of > explore::MOST_SHARDS => {
                Err(format!("there are at most {} shards", explore::MOST_SHARDS))
            }
            Some((index, of)) if index < of => Ok(Self { index, of }),
            Some((index, of)) => Err(format!("there is no shard {index} of {of}: shards count from 0")),
            None => Err(format!("{text:?} is not a shard, such as 0/4")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_count_from_zero_and_share_the_whole() {
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, of: 3 }));
        for text in ["3/3", "1", "a/b", "0/0", "-1/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        let shards = [0, 1, 2].map(|index| Shard { index, of: 3 });
        let parts = shards.map(|shard| shard.of(0..8).collect::<Vec<_>>());
        assert_eq!(parts, [vec![0, 3, 6], vec![1, 4, 7], vec![2, 5]]);
        assert_eq!(shards.map(|shard| shard.count(8)), [3, 3, 2]);
    }
}
