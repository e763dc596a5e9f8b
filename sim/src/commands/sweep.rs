//! `turnstile sweep`.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use turnstile::report::{Event, FailureDetail, Reporter as _, TerminalReporter, program, replay_of_play};
use turnstile::script::{HarnessError, Options, SweepFault, TimedFault};
use turnstile::suite::{Play, Played};
use turnstile::sweep::{self as sweeping, Counted, Strip, Sweeping};
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
    /// A second fault, with --at
    #[arg(long, help_heading = FILTER_OPTIONS, value_name = "KIND", requires_all = ["at", "then_at"])]
    then: Option<Fault>,
    /// The time of the second fault
    #[arg(long, help_heading = FILTER_OPTIONS, value_name = "DURATION", requires = "then")]
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
    #[arg(long, help_heading = RUNNER_OPTIONS, conflicts_with = "at")]
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
    is_script || path.is_file()
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
        let exit = replay(entry, options, [Some(TimedFault { at: *at, kind }), second])?;
        return Ok(interruption.exit(exit));
    }
    let kinds: Vec<&SweepFault> = match arguments.fault {
        Some(Fault(kind)) => vec![kind],
        None => SweepFault::ALL.iter().collect(),
    };
    let end = arguments.minutes.and_then(|limit| now().checked_add(*limit));
    let sweeping = Sweeping {
        options,
        kinds: &kinds,
        jobs: arguments.jobs.simulated(),
        has_all_moments: arguments.all_moments,
        is_over: &|| watch.is_over() || end.is_some_and(|end| end <= now()),
    };
    let (exit, swept) = sweep_all(arguments, &entries, &sweeping, interruption)?;
    if swept < entries.len() && !watch.is_over() {
        anstream::eprintln!(
            "the time is over: {swept} of {} scripts were swept",
            entries.len()
        );
    }
    Ok(interruption.exit(exit))
}

/// Sweeps scripts one after another, prints the results, and returns the number of scripts that were swept.
fn sweep_all(
    arguments: &SweepArguments,
    entries: &[Entry],
    sweeping: &Sweeping,
    interruption: Interruption,
) -> io::Result<(Exit, usize)> {
    let mut out = BufWriter::new(anstream::stdout());
    let (mut counted, mut swept) = (Counted::default(), 0);
    for entry in entries {
        if swept > 0 && (sweeping.is_over)() {
            break;
        }
        if entries.len() > 1 {
            writeln!(out, "{}", entry.id)?;
        }
        let bar = progress_bar(0);
        bar.set_message(entry.id.clone());
        let result = sweep_one(arguments, entry, sweeping, &bar, &mut out, &mut counted)?;
        if let Err(error) = result {
            out.flush()?;
            let id = &entry.id;
            print_error(&format!("{id}: harness error without an injected fault: {error}"));
            return Ok((Exit::Harness, swept));
        }
        out.flush()?;
        swept += 1;
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

/// Sweeps one script and prints the results. The inner error is one of the harness.
fn sweep_one(
    arguments: &SweepArguments,
    entry: &Entry,
    sweeping: &Sweeping,
    bar: &ProgressBar,
    out: &mut impl io::Write,
    counted: &mut Counted,
) -> io::Result<Result<(), HarnessError>> {
    let progress = |played: usize, count: usize| {
        bar.set_length(count as u64);
        bar.set_position(played as u64);
    };
    let command = arguments.replay(entry);
    let first = |fault: &TimedFault| {
        format!(
            "{command} --fault {} --at {}us",
            fault.kind.name,
            fault.at.as_micros()
        )
    };
    let write_strip = |out: &mut _, strip: &Strip| {
        sweeping::write_strip(out, strip, |strip, index| {
            let (at, kind) = (strip.moments[index].at, strip.kind);
            first(&TimedFault { at, kind })
        })
    };
    if arguments.pairs {
        let swept = sweeping::sweep_pairs(&entry.scenario, sweeping, progress);
        bar.finish_and_clear();
        let strips = match swept {
            Ok(strips) => strips,
            Err(error) => return Ok(Err(error)),
        };
        for strip in &strips {
            counted.add_pairs(strip);
            write_strip(out, &strip.first)?;
            sweeping::write_pairs(out, strip, |pair| {
                let TimedFault { at, kind } = pair.second;
                let (first, then) = (first(&pair.first), kind.name);
                format!("{first} --then {then} --then-at {}us", at.as_micros())
            })?;
        }
    } else {
        let swept = sweeping::sweep(&entry.scenario, sweeping, progress);
        bar.finish_and_clear();
        let strips = match swept {
            Ok(strips) => strips,
            Err(error) => return Ok(Err(error)),
        };
        for strip in &strips {
            counted.add(strip);
            write_strip(out, strip)?;
        }
    }
    Ok(Ok(()))
}

fn replay(entry: &Entry, options: Options, faults: [Option<TimedFault>; 2]) -> io::Result<Exit> {
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
        replay: &replay_of_play(&played.play),
    })?;
    ignore_broken_pipe(reporter.report(&Event::Finished { wall: played.wall }))?;
    Ok(exit_of(&reporter.summary()))
}
