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

use super::exit::{Exit, print_error};
use super::interruption::Interruption;
use super::output_file::OutputFile;
use super::reference_server::reference_server;

/// The interval of progress lines, in seconds.
const REPORT_INTERVAL_S: u64 = 10;
/// Bytes in a megabyte.
const MEGABYTE: f64 = 1e6;

/// Arguments of `turnstile soak`.
#[derive(Args)]
pub(crate) struct SoakArguments {
    /// Number of concurrent sessions, each with its own wrapper
    #[arg(long, value_name = "N", default_value = "50")]
    sessions: NonZeroUsize,
    /// Duration in minutes, such as 0.5
    #[arg(long, value_name = "M", default_value_t = 1.0)]
    minutes: f64,
    /// Replace a session after N turns [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    turns_a_session: Option<u64>,
    /// Write the result as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<OutputFile>,
}

/// Load-tests the reference server.
pub(crate) fn soak(arguments: &SoakArguments) -> io::Result<Exit> {
    let length = Duration::try_from_secs_f64(arguments.minutes * 60.0);
    let Some(length) = length.ok().filter(|length| !length.is_zero()) else {
        print_error(&format!("--minutes must be positive, not {}", arguments.minutes));
        return Ok(Exit::Usage);
    };
    let secrets = Secrets::default();
    let server = match reference_server(&secrets, "") {
        Ok(server) => server,
        Err(problem) => {
            print_error(&problem);
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
    // The sessions end their turns first, which takes seconds.
    interruption.begin_to_write();
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(soak.run(|standing| {
        if standing.elapsed.as_secs().is_multiple_of(REPORT_INTERVAL_S) {
            report_progress(&standing);
        }
        !interruption.is_asked_for()
    }));
    // The fakes have no state to save.
    runtime.shutdown_background();
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            print_error(&with_sources(&error));
            return Ok(Exit::Harness);
        }
    };
    write_report(&report)?;
    if let Some(file) = &arguments.json
        && !file.write("the result", |out| {
            Ok(serde_json::to_writer_pretty(out, &report)?)
        })
    {
        return Ok(Exit::Harness);
    }
    Ok(interruption.exit(if report.is_clean() {
        Exit::Passed
    } else {
        Exit::Failed
    }))
}

fn report_progress(standing: &Standing) {
    let seconds = standing.elapsed.as_secs();
    let rate = standing.turns as f64 / standing.elapsed.as_secs_f64();
    let (turns, taken) = (standing.turns, words(standing.resources));
    anstream::eprintln!("{seconds:>5} s  {turns:>7} turns  {rate:>6.1} turns/s  {taken}");
}

fn words(resources: Resources) -> String {
    format!(
        "{:.1} MB, {} files",
        resources.memory as f64 / MEGABYTE,
        resources.files
    )
}

fn write_report(report: &Report) -> io::Result<()> {
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
        "{sessions} sessions, {turns} turns in {seconds:.0} s ({turns_per_second:.1} turns/s)"
    )?;
    let (median, p95, p99, longest) = (turn_ms.median, turn_ms.p95, turn_ms.p99, turn_ms.longest);
    writeln!(
        out,
        "time from send to callback: median {median} ms, p95 {p95} ms, p99 {p99} ms, max {longest} ms"
    )?;
    writeln!(out, "server: {} before the first session", words(report.before))?;
    writeln!(out, "        {} after a quarter of the time", words(report.early))?;
    writeln!(out, "        {} at the end of the load", words(report.late))?;
    writeln!(out, "        {} at peak", words(report.peak))?;
    writeln!(
        out,
        "        {} after all sessions were removed",
        words(report.after)
    )?;
    writeln!(
        out,
        "{} acknowledged, {} completed, {} failed or interrupted, {} called back, {} repeated callbacks",
        counts.acked, counts.completed, counts.not_completed, counts.called_back, counts.repeated_callbacks
    )?;
    if report.is_clean() {
        let good = AnsiColor::Green.on_default().bold();
        return writeln!(out, "{good}no loss, no leak{good:#}");
    }
    let bad = AnsiColor::Red.on_default().bold();
    writeln!(out, "{bad}{} findings{bad:#}", counts.flaws)?;
    for finding in &report.flaws {
        writeln!(out, "    {finding}")?;
    }
    Ok(())
}
