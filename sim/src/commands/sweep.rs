//! `turnstile sweep`.

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use turnstile::report::{Event, FailureDetail, Reporter as _, TerminalReporter, program, replay_of_play};
use turnstile::script::{Options, SweepFault, TimedFault};
use turnstile::suite::{Play, Played};
use turnstile::sweep as sweeping;
use turnstile::watch::Watch;
use turnstile_scenarios::{Entry, Lapse, Surface, printable};

use super::arguments::{FILTER_OPTIONS, JobsArguments, RUNNER_OPTIONS, WatchArguments};
use super::exit::{Exit, exit_of, ignore_broken_pipe, print_error};
use super::interruption::Interruption;
use super::progress::progress_bar;
use super::reporting::note_partial;
use super::seeds::Source;

/// Arguments of `turnstile sweep`.
#[derive(Args)]
pub(crate) struct SweepArguments {
    /// Path of the script
    file: PathBuf,
    #[arg(long, value_name = "KIND", help_heading = FILTER_OPTIONS, help = fault_help())]
    fault: Option<Fault>,
    /// Play once with the fault at this time, and print the trace
    #[arg(long, help_heading = FILTER_OPTIONS, value_name = "DURATION", requires = "fault")]
    at: Option<Lapse>,
    /// Seed; determines network timings and ids
    #[arg(long, value_name = "SEED", default_value_t = 0, help_heading = FILTER_OPTIONS)]
    seed: u64,
    /// API surface, unified or legacy [default: the first in its `api`]
    #[arg(long, help_heading = FILTER_OPTIONS, value_name = "SURFACE")]
    api: Option<Surface>,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    jobs: JobsArguments,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    watch: WatchArguments,
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

/// Plays a script with one fault at every moment.
pub(crate) fn sweep(arguments: &SweepArguments) -> io::Result<Exit> {
    let source = Source::File(arguments.file.clone());
    let (entry, seed) = match source.entry(Some(arguments.seed), arguments.api) {
        Ok(found) => found,
        Err(error) => {
            print_error(&error);
            return Ok(Exit::Usage);
        }
    };
    let interruption = Interruption::listen();
    let options = Options {
        seed,
        watch: Some(arguments.watch.watch(interruption)),
        ..Options::default()
    };
    if let (Some(at), Some(Fault(kind))) = (arguments.at, arguments.fault) {
        let exit = replay(&entry, options, TimedFault { at: *at, kind })?;
        return Ok(interruption.exit(exit));
    }
    let kinds: Vec<&SweepFault> = match arguments.fault {
        Some(Fault(kind)) => vec![kind],
        None => SweepFault::ALL.iter().collect(),
    };
    let bar = progress_bar(0);
    let jobs = arguments.jobs.simulated();
    let swept = sweeping::sweep(&entry.scenario, options, &kinds, jobs, |played, count| {
        bar.set_length(count as u64);
        bar.set_position(played as u64);
    });
    bar.finish_and_clear();
    interruption.begin_to_write();
    note_partial(interruption);
    let strips = match swept {
        Ok(strips) => strips,
        Err(error) => {
            print_error(&format!("harness error without an injected fault: {error}"));
            return Ok(interruption.exit(Exit::Harness));
        }
    };
    let mut out = BufWriter::new(anstream::stdout());
    let surface = match entry.scenario.api.first() {
        Surface::Unified => String::new(),
        Surface::Legacy => format!(" --api {}", Surface::Legacy),
    };
    for strip in &strips {
        sweeping::write_strip(&mut out, strip, |strip, index| {
            let (kind, at) = (strip.kind.name, strip.moments[index].at.as_micros());
            let (program, file) = (program(), entry.path.display());
            format!("{program} sweep {file} --seed {seed}{surface} --fault {kind} --at {at}us")
        })?;
    }
    sweeping::write_summary(&mut out, &strips)?;
    let failed: usize = strips.iter().map(sweeping::Strip::failed).sum();
    let has_passed = strips.iter().all(|strip| strip.passed() == strip.moments.len());
    Ok(interruption.exit(match (failed, has_passed) {
        _ if Watch::has_too_many_abandoned() => Exit::Harness,
        (0, true) => Exit::Passed,
        (0, false) => Exit::Failed,
        _ => Exit::Harness,
    }))
}

fn replay(entry: &Entry, options: Options, timed: TimedFault) -> io::Result<Exit> {
    let seed = options.seed;
    let mut out = BufWriter::new(anstream::stdout());
    let verdict = sweeping::play_with_fault(&entry.scenario, options, timed);
    if let Ok(verdict) = &verdict {
        let at = timed.at.as_secs_f64();
        writeln!(out, "{}\nseed {seed}, at {at} s: {}\n", entry.id, timed.kind.text)?;
        for record in verdict.trace.records() {
            writeln!(out, "{}", printable(&record.line(&verdict.labels)))?;
        }
    }
    let options = Options {
        fault: Some(timed),
        ..options
    };
    let played = Played::new(Play { entry, options }, verdict, Duration::ZERO);
    let mut reporter = TerminalReporter::new(out, FailureDetail::default());
    reporter.report(&Event::Played {
        played: &played,
        replay: &replay_of_play(&played.play),
    })?;
    ignore_broken_pipe(reporter.report(&Event::Finished { wall: played.wall }))?;
    Ok(exit_of(&reporter.summary()))
}
