//! `turnstile coverage`.

use std::io::{self, BufWriter, Write as _};

use clap::Args;
use turnstile::coverage::{self, Report, Survey};
use turnstile::stage::Subject;
use turnstile::suite;

use super::arguments::{FILTER_OPTIONS, REPORTER_OPTIONS, RUNNER_OPTIONS, WatchArguments};
use super::exit::Exit;
use super::interruption::Interruption;
use super::library::ScenarioArguments;
use super::progress::progress_bar;
use super::reporting::note_partial;
use super::seeds::{Plays, SeedsArguments};

/// Arguments of `turnstile coverage`.
#[derive(Args)]
pub(crate) struct CoverageArguments {
    #[command(flatten, next_help_heading = FILTER_OPTIONS)]
    seed: SeedsArguments,
    /// Print the report as JSON
    #[arg(long, help_heading = REPORTER_OPTIONS)]
    json: bool,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    watch: WatchArguments,
    #[command(flatten, next_help_heading = FILTER_OPTIONS)]
    scenarios: ScenarioArguments,
}

/// Plays scenarios and reports which parts of the protocol they cover.
pub(crate) fn coverage(arguments: &CoverageArguments) -> io::Result<Exit> {
    let library = match arguments.scenarios.load() {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = match arguments.scenarios.select(&library) {
        Ok(entries) => entries,
        Err(exit) => return Ok(exit),
    };
    let interruption = Interruption::listen();
    let plays = Plays {
        entries: &entries,
        seeds: arguments.seed.range(),
        subjects: &[Subject::default()],
        watch: Some(arguments.watch.watch(interruption)),
    };
    let bar = progress_bar(plays.count());
    let survey = Survey::of(plays.iter(), suite::all_cores(), |count| {
        bar.set_position(count as u64);
    });
    bar.finish_and_clear();
    interruption.begin_to_write();
    note_partial(interruption);
    let report = Report::of(&survey);
    let mut out = BufWriter::new(anstream::stdout());
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
        out.flush()?;
    } else {
        coverage::write_text(&report, &mut out)?;
    }
    Ok(interruption.exit(if !report.failed.is_empty() {
        Exit::Harness
    } else if report.is_complete() && report.broken.is_empty() {
        Exit::Passed
    } else {
        Exit::Failed
    }))
}
