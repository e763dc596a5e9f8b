//! `turnstile selftest`.

use std::io;
use std::num::NonZeroUsize;
#[cfg(feature = "selftest")]
use std::time::Instant;

use clap::Args;
#[cfg(feature = "selftest")]
use turnstile::selftest::{self, Progress, Reason, ReasonSettings, Search, SearchSettings, Selftest};
#[cfg(feature = "selftest")]
use turnstile::why::Effort;
#[cfg(feature = "selftest")]
use turnstile_mutants::Rule;

use super::arguments::{FILTER_OPTIONS, JobsArguments, RUNNER_OPTIONS, WatchArguments};
use super::exit::{Exit, print_error};
#[cfg(feature = "selftest")]
use super::interruption::Interruption;
use super::library::ScenarioArguments;
#[cfg(feature = "selftest")]
use super::progress::progress_bar;
#[cfg(feature = "selftest")]
use super::reporting::note_partial;

/// The largest number of seeds of a search, and of searches.
const MOST_SEEDS: u64 = 1_000_000_000;
const MOST_SEARCHES: u64 = 1_000;

/// Arguments of `turnstile selftest`.
#[derive(Args)]
pub(crate) struct SelftestArguments {
    /// Select mutants whose rule contains NAME
    #[arg(long, value_name = "NAME", help_heading = FILTER_OPTIONS)]
    rule: Option<String>,
    /// Seed; determines network timings and ids
    #[arg(long, value_name = "SEED", default_value_t = 0, help_heading = FILTER_OPTIONS)]
    seed: u64,
    /// Stop a mutant after N scenarios have detected it, one of them by the oracle of its rule
    #[arg(long, default_value = "3", value_name = "N", help_heading = RUNNER_OPTIONS)]
    enough: NonZeroUsize,
    /// Play all scenarios against each mutant
    #[arg(long, conflicts_with = "enough", help_heading = RUNNER_OPTIONS)]
    all: bool,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    jobs: JobsArguments,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    watch: WatchArguments,
    /// Play up to N seeds instead of scenarios, and report how many it takes to detect each mutant
    #[arg(
        long,
        value_name = "N",
        help_heading = "Seed search options",
        value_parser = clap::value_parser!(u64).range(1..=MOST_SEEDS),
        conflicts_with_all = ["filters", "all"]
    )]
    seeds: Option<u64>,
    /// Number of searches, each with different seeds
    #[arg(
        long,
        help_heading = "Seed search options",
        value_name = "N",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=MOST_SEARCHES),
        requires = "seeds"
    )]
    times: u64,
    /// Compose scenarios as `turnstile explore --guided` does
    #[arg(long, help_heading = "Seed search options", requires = "seeds")]
    guided: bool,
    /// Explain the first of N seeds that detects each mutant as `turnstile why` does, and compare
    #[arg(
        long,
        value_name = "N",
        help_heading = "Seed search options",
        value_parser = clap::value_parser!(u64).range(1..=MOST_SEEDS),
        conflicts_with_all = ["filters", "all", "seeds"]
    )]
    why: Option<u64>,
    #[command(flatten, next_help_heading = FILTER_OPTIONS)]
    scenarios: ScenarioArguments,
}

/// Plays scenarios against mutants of the server.
#[cfg(not(feature = "selftest"))]
pub(crate) fn selftest(_: &SelftestArguments) -> io::Result<Exit> {
    print_error("this build has no mutants; build with `--features selftest`");
    Ok(Exit::Usage)
}

/// Plays scenarios against mutants of the server.
#[cfg(feature = "selftest")]
pub(crate) fn selftest(arguments: &SelftestArguments) -> io::Result<Exit> {
    let rules = selftest::rules_matching(arguments.rule.as_deref());
    if rules.is_empty() {
        let names: Vec<String> = selftest::rules_matching(None)
            .into_iter()
            .map(selftest::name_of)
            .collect();
        print_error(&format!(
            "no rule matches; expected a part of one of {}",
            names.join(", ")
        ));
        return Ok(Exit::Usage);
    }
    let jobs = arguments.jobs.simulated();
    let interruption = Interruption::listen();
    let watch = arguments.watch.watch(interruption);
    if let Some(limit) = arguments.seeds {
        let settings = SearchSettings {
            times: arguments.times,
            limit,
            guided: arguments.guided,
            jobs,
            watch,
        };
        let exit = search(&rules, settings)?;
        return Ok(interruption.exit(exit));
    }
    if let Some(limit) = arguments.why {
        let settings = ReasonSettings {
            limit,
            jobs,
            watch,
            effort: Effort {
                // Nothing looks at the curve.
                variations: 0,
                moments: Effort::MOMENTS,
                jobs,
            },
        };
        let exit = explain(&rules, settings)?;
        return Ok(interruption.exit(exit));
    }
    let library = match arguments.scenarios.load() {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = match arguments.scenarios.select(&library) {
        Ok(entries) => entries,
        Err(exit) => return Ok(exit),
    };
    let mut out = anstream::stdout();
    let mut summary = selftest::Summary::default();
    let bar = progress_bar(0);
    let advance = |progress: Progress| {
        bar.set_length(progress.at_most as u64);
        bar.set_position(progress.played as u64);
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "wall time is only shown, and no run depends on it"
    )]
    let start = Instant::now();
    let mut selftest = Selftest::new(entries, arguments.seed, jobs).with_watch(watch);
    let unclean = selftest.play_clean(advance);
    bar.suspend(|| selftest::write_clean(&mut out, &unclean, &mut summary))?;
    let is_enough = |trial: &selftest::Trial| {
        !arguments.all && trial.noticed.len() >= arguments.enough.get() && trial.is_caught_by_its_oracle()
    };
    let trials = selftest.try_rules(&rules, is_enough, advance);
    bar.finish_and_clear();
    interruption.begin_to_write();
    note_partial(interruption);
    selftest::write_trials(&mut out, &trials, &mut summary)?;
    summary.finish(&mut out, start.elapsed())?;
    Ok(
        interruption.exit(match (summary.failed, summary.unclean + summary.missed) {
            (0, 0) => Exit::Passed,
            (0, _) => Exit::Failed,
            _ => Exit::Harness,
        }),
    )
}

/// Explains a failure of each mutant, and reports how near that comes to its cause.
#[cfg(feature = "selftest")]
fn explain(rules: &[Rule], settings: ReasonSettings) -> io::Result<Exit> {
    let bar = progress_bar(rules.len());
    let reasons: Vec<Reason> = rules
        .iter()
        .take_while(|_| !settings.watch.is_over())
        .map(|rule| {
            let reason = Reason::of(*rule, settings);
            bar.inc(1);
            reason
        })
        .collect();
    bar.finish_and_clear();
    selftest::write_reasons(anstream::stdout(), &reasons, settings.limit)?;
    Ok(Exit::Passed)
}

/// Reports how many seeds it takes to detect each mutant.
#[cfg(feature = "selftest")]
fn search(rules: &[Rule], settings: SearchSettings) -> io::Result<Exit> {
    let bar = progress_bar(0);
    let searches: Vec<Search> = rules
        .iter()
        .take_while(|_| !settings.watch.is_over())
        .map(|rule| Search::of(*rule, settings, |played| bar.inc(played)))
        .collect();
    bar.finish_and_clear();
    selftest::write_searches(anstream::stdout(), &searches, settings.limit)?;
    let is_found = |search: &Search| search.found() == search.seeds.len();
    Ok(if searches.iter().all(is_found) {
        Exit::Passed
    } else {
        Exit::Failed
    })
}
