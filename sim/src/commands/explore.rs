//! `turnstile explore`.

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::Args;
use turnstile::explore::{self, Exploration, JunitOfSeeds, Outcome, Playing, Tally};
use turnstile::workers;

use super::exit::{Exit, complain, heard};
use super::interruption::Interruption;
use super::output_file::OutputFile;
use super::progress::bar;
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
    /// How many seeds are played at once; as many as there are cores if left out
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
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
    /// Show the digest of each trace
    #[arg(long)]
    digest: bool,
    /// How many last lines of the trace are shown where something did not hold
    #[arg(long, default_value_t = 12, value_name = "N")]
    trace_lines: usize,
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

/// Plays the scenarios of many seeds.
pub(crate) fn explore(arguments: &ExploreArguments) -> io::Result<Exit> {
    let sabotage = match arguments.server.sabotage() {
        Ok(sabotage) => sabotage,
        Err(error) => {
            complain(&error);
            return Ok(Exit::Usage);
        }
    };
    let range = match (&arguments.seeds, arguments.minutes) {
        (Some(seeds), _) => seeds.0.clone(),
        (None, Some(_)) => arguments.from..u64::MAX,
        (None, None) => 0..DEFAULT_SEEDS,
    };
    let interruption = Interruption::listen();
    #[expect(
        clippy::disallowed_methods,
        reason = "how long it takes here is for the person who waits"
    )]
    let start = Instant::now();
    let limit = arguments.minutes.map(|Minutes(limit)| limit);
    let is_over = || interruption.is_asked_for() || limit.is_some_and(|limit| start.elapsed() >= limit);
    let first = range.start.saturating_add(arguments.shard.index);
    let every = usize::try_from(arguments.shard.of).unwrap_or(usize::MAX);
    let seeds = (first..range.end).step_by(every);
    let length = range.end.saturating_sub(first).div_ceil(arguments.shard.of);
    let count = arguments.minutes.is_none().then_some(length);
    if length == 0 {
        complain(&format!(
            "shard {}/{} has none of these seeds",
            arguments.shard.index, arguments.shard.of
        ));
        return Ok(Exit::Usage);
    }
    let seeds = seeds.take_while(|_| !is_over());

    let template = match count {
        Some(_) => "{bar:30} {pos}/{len} seeds, {per_sec}, {msg}, {elapsed}",
        None => "{spinner} {pos} seeds, {per_sec}, {msg}, {elapsed}",
    };
    let bar = bar(count, template);
    let playing = Playing {
        sabotage,
        trace_lines: arguments.trace_lines,
        with_digest: arguments.digest,
    };
    let mut out = anstream::stdout();
    let mut tally = Tally::default();
    let flags = arguments.server.flags();
    let mut junit = JunitOfSeeds::new(flags.clone());
    let mut failure = None;
    explore::explore(
        seeds,
        arguments.jobs.unwrap_or_else(workers::all_cores),
        &playing,
        |played| bar.set_position(played as u64),
        |explored| {
            let is_new = tally.add(&explored);
            let hours = tally.elapsed().as_secs() / 3600;
            bar.set_message(format!("{hours} virtual hours, {} findings", tally.broken()));
            // Of many findings of one kind, one is told in full.
            let is_told = is_new || explored.outcome.is_err();
            let told = bar.suspend(|| {
                if let Ok(Outcome {
                    digest: Some(digest), ..
                }) = &explored.outcome
                {
                    writeln!(out, "seed {} {digest}", explored.seed)?;
                }
                if is_told {
                    explore::tell_seed(&mut out, &explored, &flags)?;
                }
                Ok(())
            });
            failure = failure.take().or(told.err());
            let is_enough = failure.is_some() || !explored.held() && !arguments.keep_going;
            if is_new {
                junit.add(explored);
            }
            if is_enough {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
    );
    bar.finish_and_clear();
    if interruption.is_asked_for() {
        anstream::eprintln!("interrupted: this is what came of it so far");
    }
    // A length of time is over when it is over.
    let stopped_early = match count {
        Some(count) => tally.played() < count,
        None => interruption.is_asked_for() || tally.broken() > 0 && !arguments.keep_going,
    };
    let exploration = tally.finish(flags, first, arguments.shard.of, stopped_early, start.elapsed());
    let told = explore::tell_exploration(&mut out, &exploration);
    let mut all_written = true;
    if let Some(file) = &arguments.json {
        all_written &= file.write("the JSON report", |out| write(&exploration, out));
    }
    if let Some(file) = &arguments.junit {
        all_written &= file.write("the JUnit report", |out| junit.write(&exploration, out));
    }
    heard(failure.map_or(told, Err))?;
    if !all_written {
        return Ok(Exit::Harness);
    }
    Ok(exit_of_exploration(&exploration))
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
