//! `turnstile explore`.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use turnstile::explore::{self, Exploration, Explored, Outcome, Playing, SeedJunitReport, Tally};
use turnstile::report::{SeedReplay, Verbosity};
use turnstile::stage::Subject;

use super::arguments::{
    FILTER_OPTIONS, JobsArguments, Minutes, REPORTER_OPTIONS, RUNNER_OPTIONS, SERVER_OPTIONS, Shard,
    ShownArguments, WatchArguments,
};
use super::clock::{date_and_time, now};
use super::exit::{Exit, ignore_broken_pipe, print_error};
use super::explanations::ExplanationArguments;
use super::explore_live::{LiveSeed, explore_live};
use super::guided::{GuidedArguments, write_script};
use super::interruption::Interruption;
use super::live_seeds::{LiveSeedArguments, LiveSeeds};
use super::output_file::{OutputFile, check_distinct, terminal_beside};
use super::pages::PagesArguments;
use super::progress::bar;
use super::reporting::note_partial;
use super::seed_pages::write_pages;
use super::seeds::{Seeds, ServerArguments};

/// The default number of seeds.
const DEFAULT_SEEDS: u64 = 1000;

/// Arguments of `turnstile explore`.
#[derive(Args)]
pub(crate) struct ExploreArguments {
    /// Seeds to play, A included and B excluded [default: 0..1000]
    #[arg(long, value_name = "A..B", help_heading = FILTER_OPTIONS)]
    seeds: Option<Seeds>,
    /// Play seeds for N minutes
    #[arg(long, value_name = "N", conflicts_with = "seeds", help_heading = FILTER_OPTIONS)]
    minutes: Option<Minutes>,
    /// First seed for --minutes
    #[arg(
        long,
        help_heading = FILTER_OPTIONS,
        value_name = "SEED",
        default_value_t = 0,
        requires = "minutes",
        conflicts_with = "seeds"
    )]
    from: u64,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    jobs: JobsArguments,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    watch: WatchArguments,
    /// Play one of N shards; I counts from 0
    #[arg(long, value_name = "I/N", default_value = "0/1", help_heading = FILTER_OPTIONS)]
    shard: Shard,
    /// Continue after failures and group findings by kind
    #[arg(long)]
    keep_going: bool,
    /// Write the result as JSON, for `turnstile merge`; `-` is standard output
    #[arg(long, value_name = "FILE", help_heading = REPORTER_OPTIONS, value_parser = OutputFile::or_stdout())]
    json: Option<OutputFile>,
    /// Write a JUnit report: a case for each kind of finding, or one case if all seeds passed; `-` is standard output
    #[arg(long, value_name = "FILE", help_heading = REPORTER_OPTIONS, value_parser = OutputFile::or_stdout())]
    junit: Option<OutputFile>,
    #[command(flatten, next_help_heading = REPORTER_OPTIONS)]
    pages: PagesArguments,
    #[command(flatten)]
    explanations: ExplanationArguments,
    #[command(flatten, next_help_heading = REPORTER_OPTIONS)]
    shown: ShownArguments,
    #[command(flatten, next_help_heading = SERVER_OPTIONS)]
    server: ServerArguments,
    #[command(flatten)]
    guided: GuidedArguments,
    #[command(flatten)]
    live: LiveSeedArguments,
}

/// The seeds of an exploration.
struct Chosen {
    first: u64,
    end: u64,
    every: u64,
    /// The number of seeds; `None` if they are played until a time limit.
    count: Option<u64>,
}

impl ExploreArguments {
    /// The selected seeds; `None` if there are none.
    fn chosen(&self) -> Option<Chosen> {
        let range = match (&self.seeds, self.minutes) {
            (Some(seeds), _) => seeds.0.clone(),
            (None, Some(_)) => self.from..u64::MAX,
            (None, None) => 0..DEFAULT_SEEDS,
        };
        let Shard { index, of: every } = self.shard;
        let first = range.start.saturating_add(index);
        let length = self.shard.count(range.end.saturating_sub(range.start));
        (length > 0).then_some(Chosen {
            first,
            end: range.end,
            every,
            count: self.minutes.is_none().then_some(length),
        })
    }
}

/// Collects and prints results while seeds are played.
struct Exploring {
    bar: ProgressBar,
    out: Box<dyn io::Write>,
    verbosity: Verbosity,
    tally: Tally,
    junit: SeedJunitReport,
    replay: SeedReplay,
    /// Seeds that were not played live, by reason.
    skipped: BTreeMap<String, u64>,
    /// Whether all scripts of guided plays were written.
    are_scripts_written: bool,
    /// The number of live seeds that had not ended when the exploration did.
    cut: u64,
    /// The first error of standard output.
    error: Option<io::Error>,
}

impl Exploring {
    /// Handles the result of a seed. Of each kind of finding, only the first is printed in full.
    fn take(&mut self, explored: Explored, keep_going: bool) -> ControlFlow<()> {
        if explored.was_interrupted() {
            return ControlFlow::Break(());
        }
        let is_new = self.tally.add(&explored);
        let hours = self.tally.elapsed().as_secs() / 3600;
        let failed = self.tally.failed();
        self.bar
            .set_message(format!("{hours} virtual hours, {failed} failed"));
        let is_printed = is_new && self.verbosity != Verbosity::Quiet || explored.outcome.is_err();
        if is_new || explored.outcome.is_err() {
            self.are_scripts_written &= write_script(&self.replay, explored.seed, explored.script.as_deref());
        }
        let (out, replay) = (&mut self.out, &self.replay);
        let printed = self.bar.suspend(|| print(out, &explored, is_printed, replay));
        self.error = self.error.take().or(printed.err());
        let is_enough = self.error.is_some() || !explored.passed() && !keep_going;
        if is_new {
            self.junit.add(explored);
        }
        if is_enough {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Handles the result of a live seed.
    fn take_live(&mut self, played: LiveSeed, keep_going: bool) -> ControlFlow<()> {
        match played {
            LiveSeed::Played(explored) => return self.take(*explored, keep_going),
            LiveSeed::Cut => self.cut += 1,
            LiveSeed::Skipped(reason) => *self.skipped.entry(reason.in_general()).or_default() += 1,
        }
        ControlFlow::Continue(())
    }
}

/// Prints the digest of a seed if it has one, and the findings if `is_in_full`.
fn print(
    mut out: &mut dyn io::Write,
    explored: &Explored,
    is_in_full: bool,
    replay: &SeedReplay,
) -> io::Result<()> {
    if let Ok(Outcome {
        digest: Some(digest), ..
    }) = &explored.outcome
    {
        writeln!(out, "seed {} {digest}", explored.seed)?;
    }
    if is_in_full {
        explore::write_seed(&mut out, explored, replay)?;
    }
    Ok(())
}

/// The server, the seeds, and with `--live` the live server; or the error in the arguments.
fn asked_for(
    arguments: &ExploreArguments,
    interruption: Interruption,
) -> Result<(Subject, Chosen, Option<LiveSeeds>), String> {
    let outputs = [
        ("--json", arguments.json.as_ref()),
        ("--junit", arguments.junit.as_ref()),
    ];
    check_distinct(&outputs)?;
    arguments.pages.check()?;
    let subject = arguments.server.subject()?;
    let chosen = arguments.chosen();
    let chosen = chosen.ok_or_else(|| format!("shard {} contains none of the seeds", arguments.shard))?;
    let mutant = arguments.server.flags();
    let jobs = arguments.jobs.jobs;
    let live = arguments.live.seeds(interruption, jobs, subject, &mutant)?;
    Ok((subject, chosen, live))
}

/// Plays the scenarios of many seeds.
pub(crate) fn explore(arguments: &ExploreArguments) -> io::Result<Exit> {
    let interruption = Interruption::listen();
    let (subject, chosen, live) = match asked_for(arguments, interruption) {
        Ok(asked_for) => asked_for,
        Err(error) => {
            print_error(&error);
            return Ok(Exit::Usage);
        }
    };
    let start = now();
    let end = arguments.minutes.and_then(|limit| start.checked_add(*limit));
    let is_over = || end.is_some_and(|end| end <= now());
    let every = usize::try_from(chosen.every).unwrap_or(usize::MAX);
    let seeds = (chosen.first..chosen.end).step_by(every);
    let template = match chosen.count {
        Some(_) => "{bar:30} {pos}/{len} plays, {per_sec}, {msg}, {elapsed}",
        None => "{spinner} {pos} plays, {per_sec}, {msg}, {elapsed}",
    };
    let bar = bar(chosen.count, template);
    let playing = Playing {
        subject,
        detail: arguments.shown.detail(),
        with_digest: arguments.shown.digest,
        watch: Some(arguments.watch.watch(interruption)),
    };
    let flags = arguments.server.flags() + &arguments.live.flags();
    let (replay, server) = match &live {
        Some(_) => (SeedReplay::live(flags.clone()), format!(" --live{flags}")),
        None if arguments.guided.guided => (arguments.guided.replay(flags.clone()), flags),
        None => (SeedReplay::simulated(flags.clone()), flags),
    };
    let mut exploring = Exploring {
        bar: bar.clone(),
        out: terminal_beside(&[arguments.json.as_ref(), arguments.junit.as_ref()]),
        verbosity: arguments.shown.verbosity(),
        tally: Tally::default(),
        junit: SeedJunitReport::new(replay.clone(), date_and_time()),
        replay,
        skipped: BTreeMap::new(),
        are_scripts_written: true,
        cut: 0,
        error: None,
    };
    let seeds = seeds.take_while(|_| !is_over());
    let keeps_going = arguments.keep_going;
    let jobs = arguments.jobs.simulated();
    let progress = |played| bar.set_position(played as u64);
    let done = |explored| exploring.take(explored, keeps_going);
    match live {
        Some(live) => {
            let live = live.until(end);
            explore_live(seeds, &live, playing.detail, progress, |played| {
                exploring.take_live(played, keeps_going)
            });
        }
        None if arguments.guided.guided => explore::explore_guided(seeds, jobs, &playing, progress, done),
        None => explore::explore(seeds, jobs, &playing, progress, done),
    }
    bar.finish_and_clear();
    interruption.begin_to_write();
    note_partial(interruption);
    conclude(
        arguments,
        &chosen,
        exploring,
        &playing,
        server,
        start.elapsed(),
        interruption,
    )
}

/// Writes the result and the requested files.
fn conclude(
    arguments: &ExploreArguments,
    chosen: &Chosen,
    exploring: Exploring,
    playing: &Playing,
    server: String,
    wall: Duration,
    interruption: Interruption,
) -> io::Result<Exit> {
    let Exploring {
        mut out,
        tally,
        mut junit,
        skipped,
        are_scripts_written,
        cut,
        error,
        ..
    } = exploring;
    // With a time limit, every end but an interruption or a failure is the regular one.
    let stopped_early = match chosen.count {
        Some(count) => tally.played() + skipped.values().sum::<u64>() < count,
        None => interruption.is_asked_for() || tally.failed() > 0 && !arguments.keep_going,
    };
    let exploration = Exploration {
        guided: arguments.guided.guided,
        ..tally.finish(server, chosen.first, chosen.every, stopped_early, wall)
    };
    // Before the summary, because the reader of standard output may have stopped reading.
    let are_written = write_files(arguments, &exploration, &mut junit, playing, interruption);
    let written = explore::write_exploration(&mut out, &exploration);
    let written = written.and_then(|()| write_not_played(&mut out, &skipped, cut));
    ignore_broken_pipe(error.map_or(written, Err))?;
    if !are_written || !are_scripts_written {
        return Ok(Exit::Harness);
    }
    Ok(interruption.exit(exit_of_exploration(&exploration)))
}

/// Writes how many seeds were skipped or cut.
fn write_not_played(out: &mut dyn io::Write, skipped: &BTreeMap<String, u64>, cut: u64) -> io::Result<()> {
    for (reason, count) in skipped {
        writeln!(out, "{count} seeds were skipped: {reason}")?;
    }
    if cut > 0 {
        writeln!(out, "{cut} seeds were cut at the end, and do not count")?;
    }
    out.flush()
}

/// Writes the requested files. Returns whether all were written.
fn write_files(
    arguments: &ExploreArguments,
    exploration: &Exploration,
    junit: &mut SeedJunitReport,
    playing: &Playing,
    interruption: Interruption,
) -> bool {
    let mut all = true;
    if let Some(file) = &arguments.json {
        all &= file.write("the JSON report", |out| write(exploration, out));
    }
    if let Some(file) = &arguments.junit {
        all &= file.write("the JUnit report", |out| junit.write(exploration, out));
    }
    let (played, unit, passed) = (exploration.played, exploration.unit(), exploration.passed);
    let name = format!("{played} {unit}, {passed} passed");
    if let Some(pages) = arguments.pages.pages(&name, false) {
        let jobs = arguments.jobs.simulated();
        let explainer = arguments.explanations.explainer(jobs, interruption);
        all &= write_pages(pages, exploration, playing, junit, explainer);
    }
    all
}

/// The exit status for an exploration.
pub(crate) fn exit_of_exploration(exploration: &Exploration) -> Exit {
    if !exploration.harness_failures.is_empty() {
        Exit::Harness
    } else if exploration.clusters.is_empty() {
        Exit::Passed
    } else {
        Exit::Failed
    }
}

/// Writes a result in the format that `turnstile merge` reads.
pub(crate) fn write(exploration: &Exploration, mut out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, exploration)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_positive() {
        for text in ["-1", "0", "nan", "soon", "1e300"] {
            assert!(text.parse::<Minutes>().is_err(), "{text}");
        }
    }
}
