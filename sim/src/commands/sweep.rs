//! `turnstile sweep`.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use turnstile::report::{Event, FailureDetail, Reporter as _, TerminalReporter, program};
use turnstile::script::{HarnessError, Options, SweepFault, TimedFault};
use turnstile::suite::{Play, Played};
use turnstile::sweep::{self as sweeping, Counted, PairStrip, Strip, Sweeping};
use turnstile::watch::Watch;
use turnstile_scenarios::{Entry, Lapse, Surface, printable};

use super::arguments::{
    FILTER_OPTIONS, JobsArguments, Minutes, RUNNER_OPTIONS, SERVER_OPTIONS, Shard, WatchArguments,
};
use super::clock::now;
use super::exit::{Exit, exit_of, ignore_broken_pipe, print_error, usage_error};
use super::interruption::Interruption;
use super::library::{LibraryArguments, ScenarioArguments};
use super::progress::progress_bar;
use super::reporting::note_partial;
use super::seeds::{ServerArguments, Source};

/// Arguments of `turnstile sweep`.
#[derive(Args)]
pub(crate) struct SweepArguments {
    /// Paths of scripts, or filters of scenarios such as `suite/turn/*`
    #[arg(required = true, value_name = "FILE|FILTER")]
    scripts: Vec<String>,
    #[command(flatten, next_help_heading = FILTER_OPTIONS)]
    library: LibraryArguments,
    #[arg(long, value_name = "KIND", help_heading = FILTER_OPTIONS, help = fault_help())]
    fault: Option<Fault>,
    /// Play once with the fault at this time, and print the trace
    #[arg(long, help_heading = FILTER_OPTIONS, value_name = "DURATION", requires = "fault")]
    at: Option<Lapse>,
    /// Sweep only this second fault, with --pairs or --then-at
    #[arg(long, help_heading = FILTER_OPTIONS, value_name = "KIND", requires = "second")]
    then: Option<Fault>,
    /// The time of the second fault, with --at
    #[arg(long, help_heading = FILTER_OPTIONS, value_name = "DURATION", requires_all = ["then", "at"], group = "second")]
    then_at: Option<Lapse>,
    /// Seed; determines network timings and ids
    #[arg(long, value_name = "SEED", default_value_t = 0, help_heading = FILTER_OPTIONS)]
    seed: u64,
    /// API surface, unified or legacy [default: the first in its `api`]
    #[arg(long, help_heading = FILTER_OPTIONS, value_name = "SURFACE")]
    api: Option<Surface>,
    /// Sweep one of N shards of the scripts; I counts from 0
    #[arg(long, value_name = "I/N", default_value = "0/1", help_heading = FILTER_OPTIONS)]
    shard: Shard,
    /// Add a second fault of each kind at each moment after the first
    #[arg(long, help_heading = RUNNER_OPTIONS, conflicts_with = "at", group = "second")]
    pairs: bool,
    /// Play also moments that are like others
    ///
    /// By default, of the moments at which the wire shows the same state, the first and the last are played.
    #[arg(long, help_heading = RUNNER_OPTIONS, conflicts_with = "at")]
    all_moments: bool,
    /// Begin no play after N minutes
    #[arg(long, value_name = "N", help_heading = RUNNER_OPTIONS, conflicts_with = "at")]
    minutes: Option<Minutes>,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    jobs: JobsArguments,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    watch: WatchArguments,
    #[command(flatten, next_help_heading = SERVER_OPTIONS)]
    server: ServerArguments,
}

impl SweepArguments {
    /// The scripts of this shard, each on one surface with its seed.
    fn entries(&self) -> Result<Vec<Entry>, Exit> {
        let (files, filters): (Vec<&String>, Vec<&String>) =
            self.scripts.iter().partition(|name| is_file(Path::new(name)));
        let mut entries = Vec::new();
        for file in files {
            let source = Source::File(file.into());
            let found = source.entry(Some(self.seed), self.api);
            entries.push(found.map_err(|error| usage_error(&error))?.0);
        }
        if !filters.is_empty() {
            let selected = ScenarioArguments {
                filters: filters.into_iter().cloned().collect(),
                library: self.library.clone(),
            };
            let library = selected.load()?;
            for entry in selected.select(&library)? {
                let surface = self.api.unwrap_or(entry.scenario.api.first());
                entries.extend(entry.scenario.on(surface).map(|scenario| Entry {
                    scenario,
                    ..entry.clone()
                }));
            }
        }
        let entries: Vec<Entry> = self.shard.of(entries.into_iter()).collect();
        match entries.is_empty() {
            true => Err(usage_error(
                "no script is selected on this surface and in this shard",
            )),
            false => Ok(entries),
        }
    }

    /// The part of a command that repeats a play of a script, up to the faults.
    fn replay(&self, entry: &Entry) -> String {
        let surface = match entry.scenario.api.first() {
            Surface::Unified => String::new(),
            Surface::Legacy => format!(" --api {}", Surface::Legacy),
        };
        let (program, file, seed) = (program(), entry.path.display(), self.seed);
        format!(
            "{program} sweep {file} --seed {seed}{surface}{}",
            self.server.flags()
        )
    }
}

/// Whether an argument names a script and not a filter.
fn is_file(path: &Path) -> bool {
    let is_script = path
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    is_script || path.exists() && !path.is_dir()
}

/// The help of `--fault`.
fn fault_help() -> String {
    let names: Vec<&str> = SweepFault::ALL.iter().map(|kind| kind.name).collect();
    let [others @ .., last] = &names[..] else {
        return String::new();
    };
    format!("Sweep only this fault: {} or {last}", others.join(", "))
}

/// A [`SweepFault`] by its name.
#[derive(Debug, Clone, Copy)]
struct Fault(&'static SweepFault);

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = SweepFault::ALL.iter().find(|kind| kind.name == text);
        kind.map(Self).ok_or_else(|| {
            let names: Vec<&str> = SweepFault::ALL.iter().map(|kind| kind.name).collect();
            format!("unknown fault {text:?}; expected one of {}", names.join(", "))
        })
    }
}

/// Plays scripts with one fault, or with two, at every moment.
pub(crate) fn sweep(arguments: &SweepArguments) -> io::Result<Exit> {
    let entries = match arguments.entries() {
        Ok(entries) => entries,
        Err(exit) => return Ok(exit),
    };
    let subject = match arguments.server.subject() {
        Ok(subject) => subject,
        Err(error) => return Ok(usage_error(&error)),
    };
    let interruption = Interruption::listen();
    let watch = arguments.watch.watch(interruption);
    let options = Options {
        seed: arguments.seed,
        subject,
        watch: Some(watch),
        ..Options::default()
    };
    if let (Some(at), Some(Fault(kind))) = (arguments.at, arguments.fault) {
        let [entry] = &entries[..] else {
            return Ok(usage_error("--at requires a single script"));
        };
        let second = arguments.then.zip(arguments.then_at);
        let second = second.map(|(Fault(kind), at)| TimedFault { at: *at, kind });
        let faults = [Some(TimedFault { at: *at, kind }), second];
        let exit = replay(entry, options, faults, &arguments.replay(entry))?;
        return Ok(interruption.exit(exit));
    }
    let kinds_of = |chosen: Option<Fault>| -> Vec<&'static SweepFault> {
        match chosen {
            Some(Fault(kind)) => vec![kind],
            None => SweepFault::ALL.iter().collect(),
        }
    };
    let (kinds, then) = (
        kinds_of(arguments.fault),
        kinds_of(arguments.then.or(arguments.fault)),
    );
    let end = arguments.minutes.and_then(|limit| now().checked_add(*limit));
    let sweeping = Sweeping {
        options,
        kinds: &kinds,
        then: &then,
        jobs: arguments.jobs.simulated(),
        has_all_moments: arguments.all_moments,
        is_over: &|| watch.is_over() || end.is_some_and(|end| end <= now()),
    };
    let (exit, swept) = sweep_all(arguments, &entries, &sweeping, interruption)?;
    if swept < entries.len() && !watch.is_over() {
        let count = entries.len();
        anstream::eprintln!("the time is over: {swept} of {count} scripts were swept completely");
    }
    Ok(interruption.exit(exit))
}

/// Sweeps scripts one after another, prints the results, and returns the number of scripts that were swept completely.
fn sweep_all(
    arguments: &SweepArguments,
    entries: &[Entry],
    sweeping: &Sweeping,
    interruption: Interruption,
) -> io::Result<(Exit, usize)> {
    let mut out = BufWriter::new(anstream::stdout());
    let (mut counted, mut swept) = (Counted::default(), 0);
    for (place, entry) in entries.iter().enumerate() {
        if place > 0 && (sweeping.is_over)() {
            break;
        }
        if entries.len() > 1 {
            writeln!(out, "{}", entry.id)?;
        }
        match sweep_one(arguments, entry, sweeping) {
            Ok((results, is_complete)) => {
                counted += write(arguments, entry, &results, &mut out)?;
                swept += usize::from(is_complete);
            }
            Err(error) => {
                out.flush()?;
                let id = &entry.id;
                print_error(&format!("{id}: harness error without an injected fault: {error}"));
                return Ok((Exit::Harness, swept));
            }
        }
        out.flush()?;
    }
    interruption.begin_to_write();
    note_partial(interruption);
    sweeping::write_summary(&mut out, counted)?;
    let exit = match (counted.errors, counted.passed == counted.played) {
        _ if Watch::has_too_many_abandoned() => Exit::Harness,
        (0, true) => Exit::Passed,
        (0, false) => Exit::Failed,
        _ => Exit::Harness,
    };
    Ok((exit, swept))
}

/// The results of a script.
enum Results {
    Single(Vec<Strip>),
    Pairs(Vec<PairStrip>),
}

/// Sweeps one script. Returns the results, and whether no play is missing.
fn sweep_one(
    arguments: &SweepArguments,
    entry: &Entry,
    sweeping: &Sweeping,
) -> Result<(Results, bool), HarnessError> {
    let bar = progress_bar(0);
    bar.set_message(entry.id.clone());
    let mut is_complete = false;
    let progress = |played: usize, count: usize| {
        is_complete = played == count;
        bar.set_length(count as u64);
        bar.set_position(played as u64);
    };
    let results = match arguments.pairs {
        true => sweeping::sweep_pairs(&entry.scenario, sweeping, progress).map(Results::Pairs),
        false => sweeping::sweep(&entry.scenario, sweeping, progress).map(Results::Single),
    };
    bar.finish_and_clear();
    Ok((results?, is_complete))
}

/// Prints the results of a script, and returns the counts of its plays.
fn write(
    arguments: &SweepArguments,
    entry: &Entry,
    results: &Results,
    out: &mut impl io::Write,
) -> io::Result<Counted> {
    let command = arguments.replay(entry);
    let write_strip = |out: &mut _, strip: &Strip| {
        sweeping::write_strip(out, strip, |strip, index| {
            let (at, kind) = (strip.moments[index].at, strip.kind);
            format!("{command}{}", flags_of([Some(TimedFault { at, kind }), None]))
        })
    };
    let mut counted = Counted::default();
    match results {
        Results::Single(strips) => {
            for strip in strips {
                counted += strip.counted;
                write_strip(out, strip)?;
            }
        }
        Results::Pairs(strips) => {
            for strip in strips {
                counted += strip.first.counted;
                counted += strip.counted;
                write_strip(out, &strip.first)?;
                sweeping::write_pairs(out, strip, |pair| {
                    format!("{command}{}", flags_of([Some(pair.first), Some(pair.second)]))
                })?;
            }
        }
    }
    Ok(counted)
}

/// Plays a script with faults at these times, and prints the trace. `command` repeats the play, but for the faults.
fn replay(
    entry: &Entry,
    options: Options,
    faults: [Option<TimedFault>; 2],
    command: &str,
) -> io::Result<Exit> {
    let seed = options.seed;
    let mut out = BufWriter::new(anstream::stdout());
    let verdict = sweeping::play_with_faults(&entry.scenario, options, faults);
    if let Ok(verdict) = &verdict {
        writeln!(out, "{}", entry.id)?;
        for TimedFault { at, kind } in faults.iter().flatten() {
            writeln!(out, "seed {seed}, at {} s: {}", at.as_secs_f64(), kind.text)?;
        }
        writeln!(out)?;
        for record in verdict.trace.records() {
            writeln!(out, "{}", printable(&record.line(&verdict.labels)))?;
        }
    }
    let options = Options { faults, ..options };
    let played = Played::new(Play { entry, options }, verdict, Duration::ZERO);
    let mut reporter = TerminalReporter::new(out, FailureDetail::default());
    reporter.report(&Event::Played {
        played: &played,
        replay: &format!("{command}{}", flags_of(faults)),
    })?;
    ignore_broken_pipe(reporter.report(&Event::Finished { wall: played.wall }))?;
    Ok(exit_of(&reporter.summary()))
}

/// The options of a play with these faults.
fn flags_of([first, second]: [Option<TimedFault>; 2]) -> String {
    let named = |[kind, at]: [&str; 2], fault: Option<TimedFault>| {
        let fault = fault.map(|fault| (fault.kind.name, fault.at.as_micros()));
        fault.map_or_else(String::new, |(name, micros)| {
            format!(" --{kind} {name} --{at} {micros}us")
        })
    };
    named(["fault", "at"], first) + &named(["then", "then-at"], second)
}
