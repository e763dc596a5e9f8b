//! `turnstile run`, the default command.

use std::io;

use clap::Args;
use turnstile::report::{Event, replay_of_play};
use turnstile::suite::{self, Play, Played};
use turnstile_scenarios::Library;

use super::arguments::{
    FILTER_OPTIONS, JobsArguments, REPORTER_OPTIONS, RUNNER_OPTIONS, ShownArguments, WatchArguments,
};
use super::baseline::{BaselineArguments, Expectations};
use super::exit::{Exit, print_error};
use super::interruption::Interruption;
use super::library::ScenarioArguments;
use super::live::{LiveArguments, Reports, run_live};
use super::report_files::ReportArguments;
use super::reporting::Reporting;
use super::seeds::{Plays, SeedsArguments};

/// Arguments of `turnstile run`.
#[derive(Args)]
pub(crate) struct RunArguments {
    #[command(flatten, next_help_heading = FILTER_OPTIONS)]
    scenarios: ScenarioArguments,
    #[command(flatten)]
    seed: SeedsArguments,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    jobs: JobsArguments,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    watch: WatchArguments,
    #[command(flatten, next_help_heading = REPORTER_OPTIONS)]
    shown: ShownArguments,
    #[command(flatten)]
    reports: ReportArguments,
    #[command(flatten)]
    baseline: BaselineArguments,
    #[command(flatten)]
    live: LiveArguments,
}

impl RunArguments {
    /// The filter, if no scenario matches it.
    pub(crate) fn unmatched_filter(&self) -> Option<&str> {
        let filter = self.scenarios.filter.as_deref()?;
        let matches_some = |library: Library| !library.matching(Some(filter)).is_empty();
        let is_matched = self.scenarios.library.load_quietly().is_some_and(matches_some);
        (!is_matched).then_some(filter)
    }
}

/// Plays and judges scenarios.
pub(crate) fn run(arguments: &RunArguments) -> io::Result<Exit> {
    let library = match arguments.scenarios.load() {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = match arguments.scenarios.select(&library) {
        Ok(entries) => entries,
        Err(exit) => return Ok(exit),
    };
    let checked = arguments.reports.check().and_then(|()| arguments.live.check());
    if let Err(error) = checked {
        print_error(&error);
        return Ok(Exit::Usage);
    }
    let is_known = |id: &str| library.entries().iter().any(|entry| entry.id == id);
    let is_complete = entries.len() == library.entries().len();
    let expectations = match arguments.baseline.expectations(is_known, is_complete) {
        Ok(expectations) => expectations,
        Err(error) => {
            print_error(&error);
            return Ok(Exit::Usage);
        }
    };
    if arguments.live.live {
        let reports = Reports {
            expectations: &expectations,
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
    let interruption = Interruption::listen();
    let seeds = arguments.seed.range();
    let plays = Plays {
        entries: &entries,
        seeds,
        watch: Some(arguments.watch.watch(interruption)),
    };
    let with_seed = seeds.end - seeds.start > 1;
    let terminal = arguments.shown.terminal(anstream::stdout()).with_seed(with_seed);
    let trace_lines = arguments.shown.trace_lines;
    let files = arguments.reports.files(plays.count(), with_seed, trace_lines);
    let mut reporting = Reporting::start(plays.count(), terminal, files, expectations.follow());
    let bar = reporting.bar();
    suite::play_all_by(
        plays.iter(),
        arguments.jobs.count(),
        |play| played(&expectations, play),
        |count| bar.set_position(count as u64),
        |played| {
            if played.was_interrupted() {
                return;
            }
            reporting.report(&Event::Played {
                played: &played,
                replay: &replay_of_play(&played.play),
            });
        },
    );
    reporting.finish(interruption)
}

/// Plays a scenario, as often as is expected.
fn played<'a>(expectations: &Expectations, play: Play<'a>) -> Played<'a> {
    expectations.judge(suite::play_timed(play), |plays| {
        // A further play of a scenario differs only with another seed.
        let mut again = play;
        again.options.seed = play.options.seed.wrapping_add(plays.into());
        Some(suite::play_timed(again))
    })
}
