//! `turnstile run`, the default command.

use std::io;
use std::ops::ControlFlow;

use clap::Args;
use turnstile::report::{Event, replay_of_play};
use turnstile::script::Options;
use turnstile::stage::Subject;
use turnstile::suite::{self, Outcome, Play};
use turnstile_scenarios::Entry;

use super::arguments::{
    FILTER_OPTIONS, JobsArguments, REPORTER_OPTIONS, RUNNER_OPTIONS, SERVER_OPTIONS, Shard, ShownArguments,
    WatchArguments,
};
use super::exit::{Exit, print_error};
use super::interruption::Interruption;
use super::last_failed::LastFailed;
use super::library::ScenarioArguments;
use super::live::{LiveArguments, Reports, run_live};
use super::report_files::ReportArguments;
use super::reporting::Reporting;
use super::seeds::{Plays, SeedsArguments, ServersArguments};
use super::watching::Watched;

/// Arguments of `turnstile run`.
#[derive(Args)]
pub(crate) struct RunArguments {
    #[command(flatten, next_help_heading = FILTER_OPTIONS)]
    scenarios: ScenarioArguments,
    #[command(flatten)]
    seed: SeedsArguments,
    /// Play one of N shards; I counts from 0
    #[arg(long, value_name = "I/N", default_value = "0/1", help_heading = FILTER_OPTIONS)]
    shard: Shard,
    /// Play only what failed when it was last played from this folder
    #[arg(long, help_heading = FILTER_OPTIONS, conflicts_with = "seed")]
    last_failed: bool,
    /// Stop at the first failure
    #[arg(long, help_heading = RUNNER_OPTIONS)]
    fail_fast: bool,
    /// Play again what changes in the scripts, until Ctrl-C
    #[arg(long, help_heading = RUNNER_OPTIONS, conflicts_with = "live")]
    watch: bool,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    jobs: JobsArguments,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    limits: WatchArguments,
    #[command(flatten, next_help_heading = REPORTER_OPTIONS)]
    shown: ShownArguments,
    #[command(flatten)]
    reports: ReportArguments,
    #[command(flatten, next_help_heading = SERVER_OPTIONS)]
    servers: ServersArguments,
    #[command(flatten)]
    live: LiveArguments,
}

impl RunArguments {
    /// The first filter that no scenario matches.
    pub(crate) fn unmatched_filter(&self) -> Option<String> {
        self.scenarios.unmatched_filter()
    }
}

/// Plays and judges scenarios.
pub(crate) fn run(arguments: &RunArguments) -> io::Result<Exit> {
    let library = match arguments.scenarios.load() {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let mut entries = match arguments.scenarios.select(&library) {
        Ok(entries) => entries,
        Err(exit) => return Ok(exit),
    };
    let checked = arguments.reports.check();
    let subjects = match checked.and_then(|()| arguments.servers.subjects()) {
        Ok(subjects) => subjects,
        Err(error) => {
            print_error(&error);
            return Ok(Exit::Usage);
        }
    };
    if arguments.live.live {
        if arguments.last_failed {
            let known = LastFailed::read();
            entries.retain(|entry| known.has(&entry.id));
        }
        let entries: Vec<&Entry> = arguments.shard.of(entries.into_iter()).collect();
        if entries.is_empty() {
            return Ok(nothing_to_play(arguments));
        }
        let reports = Reports {
            files: &arguments.reports,
            shown: &arguments.shown,
            fail_fast: arguments.fail_fast,
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
    let mut exit = play(arguments, &entries, &subjects, interruption)?;
    if arguments.watch && exit != Exit::Usage {
        let mut watched = Watched::of(&library);
        while let Some(changed) = watched.next_change(|| arguments.scenarios.load(), interruption) {
            // A filter may match nothing any more after a change.
            let Ok(entries) = arguments.scenarios.select(&changed.library) else {
                continue;
            };
            let entries: Vec<&Entry> = entries.into_iter().filter(|entry| changed.has(entry)).collect();
            if !entries.is_empty() {
                exit = play(arguments, &entries, &subjects, interruption)?;
            }
        }
    }
    Ok(if arguments.watch {
        interruption.exit(exit)
    } else {
        exit
    })
}

/// Plays and judges these scenarios in simulated worlds.
fn play(
    arguments: &RunArguments,
    entries: &[&Entry],
    subjects: &[Subject],
    interruption: Interruption,
) -> io::Result<Exit> {
    let watch = arguments.limits.watch(interruption);
    let plays = Plays {
        entries,
        seeds: arguments.seed.range(),
        subjects,
        watch: Some(watch),
    };
    if !arguments.last_failed {
        let count = arguments.shard.count(plays.count() as u64);
        return play_these(arguments, plays.iter(), count, interruption);
    }
    let known = LastFailed::read();
    let again = subjects.iter().flat_map(|&subject| {
        let plays = entries
            .iter()
            .flat_map(|entry| known.seeds(&entry.id).map(move |seed| (*entry, seed)));
        plays.map(move |(entry, seed)| Play {
            entry,
            options: Options {
                seed,
                subject,
                watch: Some(watch),
                ..Options::default()
            },
        })
    });
    let again: Vec<Play> = again.collect();
    let count = arguments.shard.count(again.len() as u64);
    let again = again.into_iter().take_while(|_| !watch.is_over());
    play_these(arguments, again, count, interruption)
}

/// Plays the arguments' shard of `plays`, which has `count` plays.
fn play_these<'a>(
    arguments: &RunArguments,
    plays: impl Iterator<Item = Play<'a>> + Send,
    count: u64,
    interruption: Interruption,
) -> io::Result<Exit> {
    if count == 0 {
        return Ok(nothing_to_play(arguments));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let with_seed = arguments.seed.are_several();
    let terminal = arguments.shown.terminal(arguments.reports.terminal());
    let files = arguments
        .reports
        .files(count, with_seed, arguments.shown.detail());
    let mut reporting = Reporting::start(count, terminal.with_seed(with_seed), files);
    let bar = reporting.bar();
    suite::play_until(
        arguments.shard.of(plays),
        arguments.jobs.count(),
        |count| bar.set_position(count as u64),
        |played| {
            if played.was_interrupted() {
                return ControlFlow::Continue(());
            }
            let replay = &replay_of_play(&played.play);
            reporting.report(&Event::Played {
                played: &played,
                replay,
            });
            match played.outcome() {
                Outcome::Failed(_) | Outcome::HarnessFailed(_) if arguments.fail_fast => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        },
    );
    reporting.finish(interruption)
}

/// Reports that no play is left. That is a mistake only if the shards are too many.
fn nothing_to_play(arguments: &RunArguments) -> Exit {
    if arguments.last_failed {
        anstream::eprintln!(
            "nothing to play: no selected scenario failed when it was last played from this folder"
        );
        return Exit::Passed;
    }
    print_error(&format!("shard {} contains none of the plays", arguments.shard));
    Exit::Usage
}
