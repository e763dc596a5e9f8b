//! `turnstile explore`.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use turnstile::explore::{self, Exploration, Explored, JunitOfSeeds, Outcome, Playing, Tally};

use super::arguments::{JobsArguments, ShownArguments};
use super::exit::{Exit, complain, heard};
use super::interruption::Interruption;
use super::output_file::OutputFile;
use super::progress::bar;
use super::reporting::now;
use super::seeds::{Seeds, ServerArguments};

/// How many seeds are played if nothing is said.
const DEFAULT_SEEDS: u64 = 1000;

/// Which seeds are played, and what is told.
#[derive(Args)]
pub(crate) struct ExploreArguments {
    /// The seeds, such as 0..1000 (1000 not included), which is what is played if nothing is said
    #[arg(long, value_name = "A..B")]
    seeds: Option<Seeds>,
    /// Play from the first seed on for so many minutes
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    minutes: Option<Minutes>,
    /// The first seed, with --minutes
    #[arg(
        long,
        value_name = "SEED",
        default_value_t = 0,
        requires = "minutes",
        conflicts_with = "seeds"
    )]
    from: u64,
    #[command(flatten)]
    jobs: JobsArguments,
    /// Play only every N-th seed, beginning with the I-th: shards 0/3, 1/3 and 2/3 are the whole together
    #[arg(long, value_name = "I/N", default_value = "0/1")]
    shard: Shard,
    /// Go on when something did not hold, and tell what is found by its kind
    #[arg(long)]
    keep_going: bool,
    /// Write what came of it to a file, which `turnstile merge` can put together with others
    #[arg(long, value_name = "FILE")]
    json: Option<OutputFile>,
    /// Write a JUnit report for a CI system: a case for each kind of finding, or one for all seeds if all held
    #[arg(long, value_name = "FILE")]
    junit: Option<OutputFile>,
    #[command(flatten)]
    shown: ShownArguments,
    #[command(flatten)]
    server: ServerArguments,
}

/// How long, in minutes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Minutes(Duration);

impl FromStr for Minutes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let minutes: Option<f64> = text.parse().ok();
        let duration = minutes.and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
        duration
            .filter(|duration| !duration.is_zero())
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a number of minutes above 0, such as 30 or 0.5"))
    }
}

/// Every `of`-th seed, from the `index`-th on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u64,
    of: u64,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((index, of)) if index < of => Ok(Self { index, of }),
            Some((index, of)) => Err(format!(
                "there is no shard {index} of {of}: they are counted from 0"
            )),
            None => Err(format!("{text:?} is not a shard, such as 0/4")),
        }
    }
}

/// The seeds of an exploration.
struct Chosen {
    first: u64,
    end: u64,
    every: u64,
    /// How many there are; none if they are played until the time is over.
    count: Option<u64>,
}

impl ExploreArguments {
    /// The seeds that they name; `None` if that is no seed.
    fn chosen(&self) -> Option<Chosen> {
        let range = match (&self.seeds, self.minutes) {
            (Some(seeds), _) => seeds.0.clone(),
            (None, Some(_)) => self.from..u64::MAX,
            (None, None) => 0..DEFAULT_SEEDS,
        };
        let Shard { index, of: every } = self.shard;
        let first = range.start.saturating_add(index);
        let length = range.end.saturating_sub(first).div_ceil(every);
        (length > 0).then_some(Chosen {
            first,
            end: range.end,
            every,
            count: self.minutes.is_none().then_some(length),
        })
    }
}

/// What is collected and printed while seeds are played.
struct Exploring {
    bar: ProgressBar,
    tally: Tally,
    junit: JunitOfSeeds,
    /// The flags that play a seed again on the same server.
    flags: String,
    /// The first error of the terminal.
    error: Option<io::Error>,
}

impl Exploring {
    /// Takes a seed that was played. Of many findings of one kind, one is printed in full.
    fn take(&mut self, explored: Explored, keep_going: bool) -> ControlFlow<()> {
        let is_new = self.tally.add(&explored);
        let hours = self.tally.elapsed().as_secs() / 3600;
        let findings = self.tally.broken();
        self.bar
            .set_message(format!("{hours} virtual hours, {findings} findings"));
        let is_printed = is_new || explored.outcome.is_err();
        let printed = self.bar.suspend(|| print(&explored, is_printed, &self.flags));
        self.error = self.error.take().or(printed.err());
        let is_enough = self.error.is_some() || !explored.held() && !keep_going;
        if is_new {
            self.junit.add(explored);
        }
        if is_enough {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Prints the digest of a seed if it has one, and the findings if `is_in_full`.
fn print(explored: &Explored, is_in_full: bool, flags: &str) -> io::Result<()> {
    let mut out = anstream::stdout();
    if let Ok(Outcome {
        digest: Some(digest), ..
    }) = &explored.outcome
    {
        writeln!(out, "seed {} {digest}", explored.seed)?;
    }
    if is_in_full {
        explore::tell_seed(&mut out, explored, flags)?;
    }
    Ok(())
}

/// Plays the scenarios of many seeds.
pub(crate) fn explore(arguments: &ExploreArguments) -> io::Result<Exit> {
    let subject = match arguments.server.subject() {
        Ok(subject) => subject,
        Err(error) => {
            complain(&error);
            return Ok(Exit::Usage);
        }
    };
    let Some(chosen) = arguments.chosen() else {
        let Shard { index, of } = arguments.shard;
        complain(&format!("shard {index}/{of} has none of these seeds"));
        return Ok(Exit::Usage);
    };
    let interruption = Interruption::listen();
    let start = now();
    let limit = arguments.minutes.map(|Minutes(limit)| limit);
    let is_over = || interruption.is_asked_for() || limit.is_some_and(|limit| start.elapsed() >= limit);
    let every = usize::try_from(chosen.every).unwrap_or(usize::MAX);
    let seeds = (chosen.first..chosen.end).step_by(every);
    let template = match chosen.count {
        Some(_) => "{bar:30} {pos}/{len} seeds, {per_sec}, {msg}, {elapsed}",
        None => "{spinner} {pos} seeds, {per_sec}, {msg}, {elapsed}",
    };
    let bar = bar(chosen.count, template);
    let playing = Playing {
        subject,
        trace_lines: arguments.shown.trace_lines,
        with_digest: arguments.shown.digest,
    };
    let flags = arguments.server.flags();
    let mut exploring = Exploring {
        bar: bar.clone(),
        tally: Tally::default(),
        junit: JunitOfSeeds::new(flags.clone()),
        flags,
        error: None,
    };
    explore::explore(
        seeds.take_while(|_| !is_over()),
        arguments.jobs.count(),
        &playing,
        |played| bar.set_position(played as u64),
        |explored| exploring.take(explored, arguments.keep_going),
    );
    bar.finish_and_clear();
    if interruption.is_asked_for() {
        Interruption::note();
    }
    let Exploring {
        tally,
        junit,
        flags,
        error,
        ..
    } = exploring;
    // A length of time is over when it is over.
    let stopped_early = match chosen.count {
        Some(count) => tally.played() < count,
        None => interruption.is_asked_for() || tally.broken() > 0 && !arguments.keep_going,
    };
    let exploration = tally.finish(flags, chosen.first, chosen.every, stopped_early, start.elapsed());
    let told = explore::tell_exploration(&mut anstream::stdout(), &exploration);
    let are_written = write_files(arguments, &exploration, &junit);
    heard(error.map_or(told, Err))?;
    if !are_written {
        return Ok(Exit::Harness);
    }
    Ok(exit_of_exploration(&exploration))
}

/// Writes the files that were asked for. Whether all could be.
fn write_files(arguments: &ExploreArguments, exploration: &Exploration, junit: &JunitOfSeeds) -> bool {
    let mut all = true;
    if let Some(file) = &arguments.json {
        all &= file.write("the JSON report", |out| write(exploration, out));
    }
    if let Some(file) = &arguments.junit {
        all &= file.write("the JUnit report", |out| junit.write(exploration, out));
    }
    all
}

/// How a program ends that tells of an exploration.
pub(crate) fn exit_of_exploration(exploration: &Exploration) -> Exit {
    if !exploration.harness_failures.is_empty() {
        Exit::Harness
    } else if exploration.clusters.is_empty() {
        Exit::Held
    } else {
        Exit::Broke
    }
}

/// Writes a result as `turnstile merge` reads it.
pub(crate) fn write(exploration: &Exploration, out: &mut impl io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, exploration)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_one_of_several_counted_from_zero_and_time_is_never_negative() {
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, of: 3 }));
        for text in ["-1", "0", "nan", "soon", "1e300"] {
            assert!(text.parse::<Minutes>().is_err(), "{text}");
        }
        for text in ["3/3", "1", "a/b", "0/0", "-1/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
