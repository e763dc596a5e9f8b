//! `turnstile run`, which is also what is done if no command is given.

use std::io;
use std::num::NonZeroUsize;
use std::time::Instant;

use clap::Args;
use turnstile::report::{TerminalReporter, replay_of_play};
use turnstile::suite;

use super::exit::{Exit, exit_of, heard};
use super::library::{LibraryArguments, load, nothing_matches};
use super::live::{LiveArguments, Reports, run_live};
use super::progress::progress_bar;
use super::report_files::{ReportArguments, ReportFiles};
use super::seeds::{Seeds, plays_of};

/// What is played, and what is shown of it.
#[derive(Args)]
pub(crate) struct RunArguments {
    /// Only scenarios whose id contains this
    filter: Option<String>,
    /// The seed that every choice follows from, or a range of seeds such as 0..10 (10 not included)
    #[arg(long, default_value = "0", value_name = "SEED|A..B", conflicts_with = "live")]
    seed: Seeds,
    /// How many scenarios are played at once; as many as there are cores if left out
    #[arg(long, value_name = "N", conflicts_with = "target")]
    jobs: Option<NonZeroUsize>,
    /// How many last lines of the trace are shown where something did not hold
    #[arg(long, default_value_t = 12, value_name = "N")]
    trace_lines: usize,
    /// Show the digest of each trace
    #[arg(long)]
    digest: bool,
    #[command(flatten)]
    live: LiveArguments,
    #[command(flatten)]
    reports: ReportArguments,
    #[command(flatten)]
    library: LibraryArguments,
}

/// Plays scenarios and judges them.
pub(crate) fn run(arguments: &RunArguments) -> io::Result<Exit> {
    let library = match load(&arguments.library) {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = library.matching(arguments.filter.as_deref());
    if entries.is_empty() {
        return Ok(nothing_matches(arguments.filter.as_deref()));
    }
    if arguments.live.live {
        let reports = Reports {
            files: &arguments.reports,
            trace_lines: arguments.trace_lines,
            digest: arguments.digest,
        };
        return run_live(
            &arguments.live,
            &entries,
            arguments.jobs,
            &arguments.library,
            &reports,
        );
    }
    let seeds = &arguments.seed.0;
    let plays = plays_of(&entries, seeds);
    let bar = progress_bar(plays.len());
    let with_seed = seeds.end - seeds.start > 1;
    let mut reporter = TerminalReporter::new(anstream::stdout(), arguments.trace_lines)
        .with_seed(with_seed)
        .with_digest(arguments.digest);
    let mut files = ReportFiles::new(&arguments.reports, plays.len(), with_seed, arguments.trace_lines);
    let mut failure = None;
    #[expect(
        clippy::disallowed_methods,
        reason = "how long it takes here is for the person who waits"
    )]
    let start = Instant::now();
    let jobs = arguments.jobs.unwrap_or_else(suite::all_cores);
    suite::play_all(
        &plays,
        jobs,
        |count| bar.set_position(count as u64),
        |played| {
            let replay = replay_of_play(&played.play);
            files.add(&played, &replay);
            let told = bar.suspend(|| reporter.tell(&played, &replay));
            failure = failure.take().or(told.err());
        },
    );
    bar.finish_and_clear();
    // Whoever reads the lines may have gone; the files are there all the same.
    let are_written = files.write();
    let (summary, told) = reporter.finish(start.elapsed());
    heard(failure.map_or(told, Err))?;
    Ok(if are_written {
        exit_of(&summary)
    } else {
        Exit::Harness
    })
}
