//! `turnstile selftest`.

use std::io;
use std::num::{NonZeroU64, NonZeroUsize};
#[cfg(feature = "selftest")]
use std::time::Instant;

use clap::Args;
#[cfg(feature = "selftest")]
use turnstile::selftest::{self, Progress, Search, Selftest};
#[cfg(feature = "selftest")]
use turnstile_mutants::Rule;

use super::arguments::JobsArguments;
use super::exit::{Exit, complain};
use super::library::ScenarioArguments;
#[cfg(feature = "selftest")]
use super::progress::progress_bar;

/// Which servers play what.
#[derive(Args)]
pub(crate) struct SelftestArguments {
    /// Only servers that break a rule whose name contains this
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// The seed that every choice follows from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A server plays no more once so many scenarios noticed, and the oracle of its rule
    #[arg(long, default_value = "3", value_name = "N")]
    enough: NonZeroUsize,
    /// Play all scenarios against each server, however many noticed
    #[arg(long, conflicts_with = "enough")]
    all: bool,
    #[command(flatten)]
    jobs: JobsArguments,
    /// Instead of scenarios, play up to so many seeds against each server, and say how many it took
    #[arg(long, value_name = "N", conflicts_with_all = ["filter", "all"])]
    seeds: Option<u64>,
    /// How many times, each with other seeds
    #[arg(long, value_name = "N", default_value = "5", requires = "seeds")]
    times: NonZeroU64,
    #[command(flatten)]
    scenarios: ScenarioArguments,
}

/// Plays scenarios against servers that break one rule each.
#[cfg(not(feature = "selftest"))]
pub(crate) fn selftest(_: &SelftestArguments) -> io::Result<Exit> {
    complain("no server can be broken in this build: build it with `--features selftest`");
    Ok(Exit::Usage)
}

/// Plays scenarios against servers that break one rule each.
#[cfg(feature = "selftest")]
pub(crate) fn selftest(arguments: &SelftestArguments) -> io::Result<Exit> {
    let rules = selftest::rules_matching(arguments.rule.as_deref());
    if rules.is_empty() {
        let names: Vec<String> = selftest::rules_matching(None)
            .into_iter()
            .map(selftest::name_of)
            .collect();
        complain(&format!("no rule has that name; there are {}", names.join(", ")));
        return Ok(Exit::Usage);
    }
    let jobs = arguments.jobs.count();
    if let Some(limit) = arguments.seeds {
        return search(&rules, arguments.times.get(), limit, jobs);
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
        reason = "how long it takes here is for the person who waits"
    )]
    let start = Instant::now();
    let mut selftest = Selftest::new(entries, arguments.seed, jobs);
    let unclean = selftest.play_clean(advance);
    bar.suspend(|| selftest::tell_clean(&mut out, &unclean, &mut summary))?;
    let is_enough = |trial: &selftest::Trial| {
        !arguments.all && trial.noticed.len() >= arguments.enough.get() && trial.is_caught_by_its_oracle()
    };
    let trials = selftest.try_rules(&rules, is_enough, advance);
    bar.finish_and_clear();
    selftest::tell_trials(&mut out, &trials, &mut summary)?;
    summary.finish(&mut out, start.elapsed())?;
    Ok(match (summary.failed, summary.unclean + summary.missed) {
        (0, 0) => Exit::Held,
        (0, _) => Exit::Broke,
        _ => Exit::Harness,
    })
}

/// Says how many seeds it takes until each broken server is found.
#[cfg(feature = "selftest")]
fn search(rules: &[Rule], times: u64, limit: u64, jobs: NonZeroUsize) -> io::Result<Exit> {
    let bar = progress_bar(0);
    let searches: Vec<Search> = rules
        .iter()
        .map(|rule| Search::of(*rule, times, limit, jobs, |played| bar.inc(played)))
        .collect();
    bar.finish_and_clear();
    selftest::tell_searches(anstream::stdout(), &searches, limit)?;
    let is_found = |search: &Search| search.found() == search.seeds.len();
    Ok(if searches.iter().all(is_found) {
        Exit::Held
    } else {
        Exit::Broke
    })
}
