//! `turnstile soak`.

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::time::Duration;

use anstyle::AnsiColor;
use clap::Args;
use tokio::runtime::Builder;
use turnstile::soak::{Report, Resources, Soak, Standing};
use turnstile_judge::parties::Secrets;
use turnstile_seams::error_chain::with_sources;

use super::exit::{Exit, complain};
use super::interruption::Interruption;
use super::live::reference_server;
use super::output_file::OutputFile;

/// How often it is said how it stands.
const TELLING: u64 = 10;
/// Bytes of a megabyte.
const MEGABYTE: f64 = 1e6;

/// How much load, and for how long.
#[derive(Args)]
pub(crate) struct SoakArguments {
    /// How many sessions are at work at once, each with a wrapper of its own
    #[arg(long, value_name = "N", default_value = "50")]
    sessions: NonZeroUsize,
    /// For how many minutes messages are sent; a fraction such as 0.5 is possible
    #[arg(long, value_name = "M", default_value_t = 1.0)]
    minutes: f64,
    /// Remove a session after so many turns and begin another one; each lives to the end if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    turns_a_session: Option<u64>,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<OutputFile>,
}

/// Puts the reference server under load.
pub(crate) fn soak(arguments: &SoakArguments) -> io::Result<Exit> {
    let length = Duration::try_from_secs_f64(arguments.minutes * 60.0);
    let Some(length) = length.ok().filter(|length| !length.is_zero()) else {
        complain(&format!(
            "{} is no number of minutes: give one above 0",
            arguments.minutes
        ));
        return Ok(Exit::Usage);
    };
    let secrets = Secrets::default();
    let server = match reference_server(&secrets) {
        Ok(server) => server,
        Err(problem) => {
            complain(&problem);
            return Ok(Exit::Harness);
        }
    };
    let soak = Soak {
        sessions: arguments.sessions.get(),
        length,
        turns_a_session: arguments.turns_a_session,
        server,
        secrets,
    };
    let interruption = Interruption::listen();
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(soak.run(|standing| {
        if standing.elapsed.as_secs().is_multiple_of(TELLING) {
            tell_standing(&standing);
        }
        !interruption.is_asked_for()
    }));
    // The fakes have nothing to keep.
    runtime.shutdown_background();
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            complain(&with_sources(&error));
            return Ok(Exit::Harness);
        }
    };
    tell(&report)?;
    if let Some(file) = &arguments.json
        && !file.write("the figures", |out| {
            Ok(serde_json::to_writer_pretty(out, &report)?)
        })
    {
        return Ok(Exit::Harness);
    }
    Ok(if report.is_clean() {
        Exit::Held
    } else {
        Exit::Broke
    })
}

fn tell_standing(standing: &Standing) {
    let seconds = standing.elapsed.as_secs();
    let rate = standing.turns as f64 / standing.elapsed.as_secs_f64();
    let (turns, taken) = (standing.turns, words(standing.resources));
    anstream::eprintln!("{seconds:>5} s  {turns:>7} turns  {rate:>6.1} a second  {taken}");
}

fn words(resources: Resources) -> String {
    format!(
        "{:.1} MB, {} files",
        resources.memory as f64 / MEGABYTE,
        resources.files
    )
}

fn tell(report: &Report) -> io::Result<()> {
    let mut out = anstream::stdout();
    let Report {
        sessions,
        seconds,
        turns,
        turns_per_second,
        turn_ms,
        counts,
        ..
    } = report;
    writeln!(
        out,
        "{sessions} sessions, {turns} turns in {seconds:.0} s: {turns_per_second:.1} a second"
    )?;
    let (median, p95, p99, longest) = (turn_ms.median, turn_ms.p95, turn_ms.p99, turn_ms.longest);
    writeln!(
        out,
        "a turn, from sending to its callback: median {median} ms, 95 % {p95} ms, 99 % {p99} ms, longest {longest} ms"
    )?;
    writeln!(
        out,
        "the server: {} before the first session",
        words(report.before)
    )?;
    writeln!(
        out,
        "            {} after a quarter of the time",
        words(report.early)
    )?;
    writeln!(out, "            {} at its end", words(report.late))?;
    writeln!(out, "            {} at most", words(report.peak))?;
    writeln!(
        out,
        "            {} when all sessions are removed",
        words(report.after)
    )?;
    writeln!(
        out,
        "{} acknowledged, {} completed, {} ended otherwise, {} called back, {} callbacks repeated",
        counts.acked, counts.completed, counts.not_completed, counts.called_back, counts.repeated_callbacks
    )?;
    if report.is_clean() {
        let good = AnsiColor::Green.on_default().bold();
        return writeln!(out, "{good}nothing lost, nothing left over{good:#}");
    }
    let bad = AnsiColor::Red.on_default().bold();
    writeln!(out, "{bad}{} flaws{bad:#}", counts.flaws)?;
    for flaw in &report.flaws {
        writeln!(out, "    {flaw}")?;
    }
    Ok(())
}
