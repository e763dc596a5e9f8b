//! `turnstile run`, which is also what is done if no command is given.

use std::io;

use clap::Args;
use turnstile::report::{Event, replay_of_play};
use turnstile::suite;

use super::arguments::{JobsArguments, ShownArguments};
use super::exit::Exit;
use super::library::ScenarioArguments;
use super::live::{LiveArguments, Reports, run_live};
use super::report_files::ReportArguments;
use super::reporting::Reporting;
use super::seeds::{SeedsArguments, plays_of};

/// What is played, and what is shown of it.
#[derive(Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    scenarios: ScenarioArguments,
    #[command(flatten)]
    seed: SeedsArguments,
    #[command(flatten)]
    jobs: JobsArguments,
    #[command(flatten)]
    shown: ShownArguments,
    #[command(flatten)]
    reports: ReportArguments,
    // It comes last: all arguments after it would be listed under its heading.
    #[command(flatten)]
    live: LiveArguments,
}

/// Plays scenarios and judges them.
pub(crate) fn run(arguments: &RunArguments) -> io::Result<Exit> {
    let library = match arguments.scenarios.load() {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = match arguments.scenarios.select(&library) {
        Ok(entries) => entries,
        Err(exit) => return Ok(exit),
    };
    if arguments.live.live {
        let reports = Reports {
            files: &arguments.reports,
            shown: &arguments.shown,
        };
        let jobs = arguments.jobs.jobs;
        return run_live(
            &arguments.live,
            &entries,
            jobs,
            &arguments.scenarios.library,
            &reports,
        );
    }
    let seeds = arguments.seed.range();
    let plays = plays_of(&entries, seeds);
    let with_seed = seeds.end - seeds.start > 1;
    let terminal = arguments.shown.terminal(anstream::stdout()).with_seed(with_seed);
    let trace_lines = arguments.shown.trace_lines;
    let files = arguments.reports.files(plays.len(), with_seed, trace_lines);
    let mut reporting = Reporting::start(plays.len(), terminal, files);
    let bar = reporting.bar();
    suite::play_all(
        &plays,
        arguments.jobs.count(),
        |count| bar.set_position(count as u64),
        |played| {
            reporting.report(&Event::Played {
                played: &played,
                replay: &replay_of_play(&played.play),
            });
        },
    );
    reporting.finish(None)
}
