//! `turnstile sweep`.

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use turnstile::report::{Event, Reporter as _, TerminalReporter, program, replay_of_play};
use turnstile::script::{Strike, StrikeKind};
use turnstile::suite::{Play, Played};
use turnstile::sweep as sweeping;
use turnstile_scenarios::{Entry, Lapse, Surface};

use super::arguments::JobsArguments;
use super::exit::{Exit, complain, exit_of, heard};
use super::progress::progress_bar;
use super::seeds::Source;

/// What is swept, and with what.
#[derive(Args)]
pub(crate) struct SweepArguments {
    /// The script
    file: PathBuf,
    #[arg(long, value_name = "KIND", help = fault_help())]
    fault: Option<Fault>,
    /// Play only the one in which the fault strikes at this moment, and print all that was observed
    #[arg(long, value_name = "DURATION", requires = "fault")]
    at: Option<Lapse>,
    /// The seed that every choice follows from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The surface that it is played on; the first of its surfaces if left out
    #[arg(long, value_name = "SURFACE")]
    api: Option<Surface>,
    #[command(flatten)]
    jobs: JobsArguments,
}

/// The help of `--fault`.
fn fault_help() -> String {
    let names: Vec<&str> = StrikeKind::ALL.iter().map(|kind| kind.name).collect();
    let [others @ .., last] = &names[..] else {
        return String::new();
    };
    format!("Only this fault: {} or {last}", others.join(", "))
}

/// A [`StrikeKind`] by its name.
#[derive(Debug, Clone, Copy)]
struct Fault(&'static StrikeKind);

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = StrikeKind::ALL.iter().find(|kind| kind.name == text);
        kind.map(Self).ok_or_else(|| {
            let names: Vec<&str> = StrikeKind::ALL.iter().map(|kind| kind.name).collect();
            format!("there is no fault {text:?}; there are {}", names.join(", "))
        })
    }
}

/// Plays a script again and again, each time with one fault more.
pub(crate) fn sweep(arguments: &SweepArguments) -> io::Result<Exit> {
    let source = Source::File(arguments.file.clone());
    let (entry, seed) = match source.entry(Some(arguments.seed), arguments.api) {
        Ok(found) => found,
        Err(error) => {
            complain(&error);
            return Ok(Exit::Usage);
        }
    };
    if let (Some(at), Some(Fault(kind))) = (arguments.at, arguments.fault) {
        return replay(&entry, seed, Strike { at: *at, kind });
    }
    let kinds: Vec<&StrikeKind> = match arguments.fault {
        Some(Fault(kind)) => vec![kind],
        None => StrikeKind::ALL.iter().collect(),
    };
    let bar = progress_bar(0);
    let jobs = arguments.jobs.count();
    let swept = sweeping::sweep(&entry.scenario, seed, &kinds, jobs, |played, count| {
        bar.set_length(count as u64);
        bar.set_position(played as u64);
    });
    bar.finish_and_clear();
    let strips = match swept {
        Ok(strips) => strips,
        Err(error) => {
            complain(&format!(
                "the harness failed without any fault of the sweep's: {error}"
            ));
            return Ok(Exit::Harness);
        }
    };
    let mut out = BufWriter::new(anstream::stdout());
    let surface = match entry.scenario.api.first() {
        Surface::Unified => String::new(),
        Surface::Legacy => format!(" --api {}", Surface::Legacy),
    };
    for strip in &strips {
        sweeping::tell_strip(&mut out, strip, |strip, index| {
            let (kind, at) = (strip.kind.name, strip.moments[index].at.as_micros());
            let (program, file) = (program(), entry.path.display());
            format!("{program} sweep {file} --seed {seed}{surface} --fault {kind} --at {at}us")
        })?;
    }
    sweeping::tell_summary(&mut out, &strips)?;
    let failed: usize = strips.iter().map(sweeping::Strip::failed).sum();
    let is_held = strips.iter().all(|strip| strip.held() == strip.moments.len());
    Ok(match (failed, is_held) {
        (0, true) => Exit::Held,
        (0, false) => Exit::Broke,
        _ => Exit::Harness,
    })
}

fn replay(entry: &Entry, seed: u64, strike: Strike) -> io::Result<Exit> {
    let mut out = BufWriter::new(anstream::stdout());
    let verdict = sweeping::strike(&entry.scenario, seed, strike);
    if let Ok(verdict) = &verdict {
        let at = strike.at.as_secs_f64();
        writeln!(
            out,
            "{}\nseed {seed}, and at {at} s {}\n",
            entry.id, strike.kind.text
        )?;
        for record in verdict.trace.records() {
            writeln!(out, "{}", record.line(&verdict.labels))?;
        }
    }
    let played = Played {
        play: Play {
            entry,
            options: turnstile::script::Options {
                seed,
                strike: Some(strike),
                ..Default::default()
            },
        },
        verdict,
        wall: Duration::ZERO,
    };
    let mut reporter = TerminalReporter::new(out, 0);
    reporter.report(&Event::Played {
        played: &played,
        replay: &replay_of_play(&played.play),
    })?;
    heard(reporter.report(&Event::Finished { wall: played.wall }))?;
    Ok(exit_of(&reporter.summary()))
}
