//! `turnstile run`, the default command.

use std::io;
use std::ops::ControlFlow;

use clap::Args;
use turnstile::report::{Event, replay_of_play};
use turnstile::script::Options;
use turnstile::stage::Subject;
use turnstile::suite::{self, Play, Played};
use turnstile::watch::Watch;
use turnstile::workers;
use turnstile_scenarios::{Entry, Library};

use super::arguments::{
    FILTER_OPTIONS, JobsArguments, REPORTER_OPTIONS, RUNNER_OPTIONS, SERVER_OPTIONS, Shard, ShownArguments,
    WatchArguments,
};
use super::baseline::{BaselineArguments, Expectations};
use super::exit::{Exit, print_error};
use super::explanations::ExplanationArguments;
use super::interruption::Interruption;
use super::last_failed::LastFailed;
use super::library::ScenarioArguments;
use super::live::{LiveArguments, Reports, run_live};
use super::report_files::ReportArguments;
use super::reporting::{Remembering, Reporting};
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
    #[command(flatten)]
    explanations: ExplanationArguments,
    #[command(flatten, next_help_heading = SERVER_OPTIONS)]
    servers: ServersArguments,
    #[command(flatten)]
    baseline: BaselineArguments,
    #[command(flatten)]
    live: LiveArguments,
}

impl RunArguments {
    /// The first filter that no scenario matches.
    pub(crate) fn unmatched_filter(&self) -> Option<String> {
        self.scenarios.unmatched_filter()
    }

    /// What is expected of the plays of `selected` of a library's scenarios.
    fn expectations(&self, library: &Library, selected: usize) -> Result<Expectations, String> {
        if !self.baseline.has_file() {
            return self.baseline.expectations(|_| true, false);
        }
        // An entry may be about a scenario of the folder although only a file is played.
        let mut known = library.clone();
        known.extend(self.scenarios.library.load().unwrap_or_default());
        let is_partial = self.last_failed || self.fail_fast || self.shard.of > 1;
        let is_known = |id: &str| known.entries().iter().any(|entry| entry.id == id);
        self.baseline
            .expectations(is_known, !is_partial && selected == known.entries().len())
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
    let checked = arguments.reports.check().and_then(|()| arguments.live.check());
    let prepared = checked.and_then(|()| {
        let subjects = arguments.servers.subjects()?;
        Ok((subjects, arguments.expectations(&library, entries.len())?))
    });
    let (subjects, expectations) = match prepared {
        Ok(prepared) => prepared,
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
            expectations: &expectations,
            play_timeout: arguments.limits.play_timeout,
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
    let runner = Runner {
        arguments,
        subjects: &subjects,
        expectations: &expectations,
        interruption,
    };
    let mut exit = runner.play(&entries)?;
    if arguments.watch && exit != Exit::Usage {
        let mut watched = Watched::of(&library);
        while let Some(changed) = watched.next_change(|| arguments.scenarios.load(), interruption) {
            // A filter may match nothing any more after a change.
            let Ok(entries) = arguments.scenarios.select(&changed.library) else {
                continue;
            };
            let entries: Vec<&Entry> = entries.into_iter().filter(|entry| changed.has(entry)).collect();
            if !entries.is_empty() {
                exit = runner.play(&entries)?;
            }
        }
    }
    Ok(if arguments.watch {
        interruption.exit(exit)
    } else {
        exit
    })
}

/// Plays in simulated worlds.
struct Runner<'a> {
    arguments: &'a RunArguments,
    subjects: &'a [Subject],
    expectations: &'a Expectations,
    interruption: Interruption,
}

impl Runner<'_> {
    /// Plays and judges these scenarios.
    fn play(&self, entries: &[&Entry]) -> io::Result<Exit> {
        let shard = self.arguments.shard;
        let watch = self.arguments.limits.watch(self.interruption);
        let plays = Plays {
            entries,
            seeds: self.arguments.seed.range(),
            subjects: self.subjects,
            watch: Some(watch),
        };
        if !self.arguments.last_failed {
            let count = shard.count(plays.count() as u64);
            return self.play_these(plays.iter(), count);
        }
        let again = self.failed_before(entries, watch);
        let count = shard.count(again.len() as u64);
        self.play_these(again.into_iter().take_while(|_| !watch.is_over()), count)
    }

    /// The plays of these scenarios that failed when they were last played.
    fn failed_before<'e>(&self, entries: &[&'e Entry], watch: Watch) -> Vec<Play<'e>> {
        let known = LastFailed::read();
        let mut plays = Vec::new();
        for &subject in self.subjects {
            for &entry in entries {
                plays.extend(known.seeds(&entry.id).map(|seed| Play {
                    entry,
                    options: Options {
                        seed,
                        subject,
                        watch: Some(watch),
                        ..Options::default()
                    },
                }));
            }
        }
        plays
    }

    /// Plays the arguments' shard of `plays`, which has `count` plays.
    fn play_these<'e>(&self, plays: impl Iterator<Item = Play<'e>> + Send, count: u64) -> io::Result<Exit> {
        let arguments = self.arguments;
        if count == 0 {
            return Ok(nothing_to_play(arguments));
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let with_seed = arguments.seed.are_several();
        let terminal = arguments.shown.terminal(arguments.reports.terminal());
        let files = arguments
            .reports
            .files(count, with_seed, arguments.shown.detail());
        let terminal = terminal.with_seed(with_seed);
        let mut reporting = Reporting::start(
            count,
            terminal,
            files,
            self.expectations.follow(),
            Remembering::Failures,
        );
        let bar = reporting.bar();
        let jobs = arguments.jobs.simulated();
        let mut explainer = arguments.explanations.explainer(jobs, self.interruption);
        workers::in_order(
            arguments.shard.of(plays),
            jobs,
            |play| played(self.expectations, play),
            |count| bar.set_position(count as u64),
            |mut played| {
                if played.was_interrupted() {
                    return ControlFlow::Continue(());
                }
                explainer.explain(&mut played);
                reporting.report(&Event::Played {
                    played: &played,
                    replay: &replay_of_play(&played.play),
                });
                if arguments.fail_fast && played.is_red() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        );
        reporting.finish(self.interruption)
    }
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

/// Plays a scenario, as often as is expected.
fn played<'a>(expectations: &Expectations, play: Play<'a>) -> Played<'a> {
    expectations.judge(suite::play_timed(play), |plays| {
        // A further play of a scenario differs only with another seed.
        let mut again = play;
        again.options.seed = play.options.seed.wrapping_add(plays.into());
        Some(suite::play_timed(again))
    })
}
