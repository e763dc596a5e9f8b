//! `turnstile mutate`.

use std::io;
#[cfg(feature = "selftest")]
use std::io::Write as _;

use clap::Args;
#[cfg(feature = "selftest")]
use turnstile::explore;
#[cfg(feature = "selftest")]
use turnstile::mutate::{self, Baseline, Settings, Summary, Trial};
#[cfg(feature = "selftest")]
use turnstile::report::write_unclean;
#[cfg(feature = "selftest")]
use turnstile::script::Options;
#[cfg(feature = "selftest")]
use turnstile::suite::Play;
#[cfg(feature = "selftest")]
use turnstile_scenarios::Entry;

use super::arguments::{FILTER_OPTIONS, JobsArguments, REPORTER_OPTIONS, RUNNER_OPTIONS, WatchArguments};
use super::exit::{Exit, print_error};
#[cfg(feature = "selftest")]
use super::interruption::Interruption;
use super::library::ScenarioArguments;
use super::output_file::OutputFile;
#[cfg(feature = "selftest")]
use super::progress::bar;
#[cfg(feature = "selftest")]
use super::reporting::note_partial;

/// The largest number of seeds.
const MOST_SEEDS: u64 = 100_000;

/// Arguments of `turnstile mutate`.
#[derive(Args)]
pub(crate) struct MutateArguments {
    /// Number of mutants
    #[arg(long, value_name = "N", default_value_t = 200, help_heading = FILTER_OPTIONS)]
    count: usize,
    /// Seed of the choice of mutants
    #[arg(long, value_name = "SEED", default_value_t = 0, help_heading = FILTER_OPTIONS)]
    start: u64,
    /// Choose only mutants whose name contains TEXT
    #[arg(long, value_name = "TEXT", help_heading = FILTER_OPTIONS)]
    only: Option<String>,
    /// Seed of every scenario; determines network timings and ids
    #[arg(long, value_name = "SEED", default_value_t = 0, help_heading = FILTER_OPTIONS)]
    seed: u64,
    /// Play the scenarios of N seeds as well
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=MOST_SEEDS), help_heading = RUNNER_OPTIONS)]
    seeds: u64,
    /// Maximum number of plays for each mutant, the shortest first [default: all]
    #[arg(long, value_name = "N", help_heading = RUNNER_OPTIONS)]
    at_most: Option<usize>,
    /// Exit with status 1 if oracles notice less than PERCENT of the mutants
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100), help_heading = RUNNER_OPTIONS)]
    min_noticed: u8,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    jobs: JobsArguments,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    watch: WatchArguments,
    /// Write all mutants with what noticed them to FILE
    #[arg(long, value_name = "FILE", help_heading = REPORTER_OPTIONS)]
    json: Option<OutputFile>,
    #[command(flatten, next_help_heading = FILTER_OPTIONS)]
    scenarios: ScenarioArguments,
}

/// Plays scenarios against generic mutants of the server.
#[cfg(not(feature = "selftest"))]
pub(crate) fn mutate(_: &MutateArguments) -> io::Result<Exit> {
    print_error("this build has no mutants; build with `--features selftest`");
    Ok(Exit::Usage)
}

/// Plays scenarios against generic mutants of the server.
#[cfg(feature = "selftest")]
pub(crate) fn mutate(arguments: &MutateArguments) -> io::Result<Exit> {
    let library = match arguments.scenarios.load() {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = match arguments.scenarios.select(&library) {
        Ok(entries) => entries,
        Err(exit) => return Ok(exit),
    };
    let generated: Vec<(Entry, u64)> = (0..arguments.seeds).map(generated).collect();
    let play = |entry, seed| Play {
        entry,
        options: Options {
            seed,
            ..Options::default()
        },
    };
    let groups = [
        entries
            .iter()
            .map(|&entry| play(entry, arguments.seed))
            .collect::<Vec<_>>(),
        generated.iter().map(|(entry, seed)| play(entry, *seed)).collect(),
    ];
    let jobs = arguments.jobs.simulated();
    let interruption = Interruption::listen();
    let watch = arguments.watch.watch(interruption);
    let progress = |length: usize, what: &str| {
        bar(
            Some(length as u64),
            &format!("{{bar:30}} {{pos}}/{{len}} {what}, {{elapsed}}"),
        )
    };
    let plays = groups.iter().map(Vec::len).sum();
    let playing = progress(plays, "played against the unmodified server");
    let baseline = Baseline::take(&groups, jobs, Some(watch), |played| {
        playing.set_position(played as u64);
    });
    playing.finish_and_clear();
    let mut out = anstream::stdout();
    write_unclean(&mut out, baseline.unclean())?;
    let is_wanted = |name: String| arguments.only.as_ref().is_none_or(|part| name.contains(part));
    let possible: Vec<_> = baseline
        .possible()
        .filter(|rewrite| is_wanted(rewrite.to_string()))
        .collect();
    if possible.is_empty() {
        print_error("no mutant is possible in these scenarios");
        return Ok(Exit::Usage);
    }
    let drawn = mutate::draw(possible.iter().copied(), arguments.count, arguments.start);
    writeln!(
        out,
        "{} of {} possible mutants, {plays} scenarios",
        drawn.len(),
        possible.len()
    )?;
    let bar = progress(drawn.len(), "mutants tried");
    let mut trials = Vec::new();
    mutate::try_all(
        drawn,
        &baseline,
        arguments.at_most.unwrap_or(usize::MAX),
        jobs,
        Some(watch),
        |tried| bar.set_position(tried as u64),
        |trial| trials.push(trial),
    );
    bar.finish_and_clear();
    interruption.begin_to_write();
    note_partial(interruption);
    let exit = report(arguments, &trials, !baseline.unclean().is_empty())?;
    Ok(interruption.exit(exit))
}

/// The scenario of a seed.
#[cfg(feature = "selftest")]
fn generated(seed: u64) -> (Entry, u64) {
    let entry = Entry {
        id: format!("seed {seed}"),
        path: std::path::PathBuf::new(),
        scenario: explore::scenario(seed),
        text: None,
    };
    (entry, seed)
}

/// Writes the reports. The harness has failed if the unmodified server did not pass.
#[cfg(feature = "selftest")]
fn report(arguments: &MutateArguments, trials: &[Trial], is_unclean: bool) -> io::Result<Exit> {
    let mut out = anstream::stdout();
    let summary = Summary::of(trials);
    mutate::write_survivors(&mut out, trials)?;
    mutate::write_table(&mut out, &summary)?;
    let stale = mutate::stale_reviews(trials);
    for name in &stale {
        print_error(&format!(
            "an oracle notices {name}: remove it from the reviewed mutants"
        ));
    }
    let settings = Settings {
        count: arguments.count,
        start: arguments.start,
        seeds: arguments.seeds,
    };
    let is_written = arguments
        .json
        .as_ref()
        .is_none_or(|file| file.write("the report", |out| mutate::write_json(out, settings, trials)));
    let is_enough = summary.total.noticed() >= f64::from(arguments.min_noticed);
    Ok(if !is_written || summary.total.failed > 0 {
        Exit::Harness
    } else if is_unclean || !stale.is_empty() || !is_enough {
        Exit::Failed
    } else {
        Exit::Passed
    })
}
