//! `turnstile client`.

use std::io::{self, Write as _};
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use turnstile::client::{self, Case, Client};
use turnstile::report::{Event, program};
use turnstile::script::Options;
use turnstile::suite::{self, Play, Played};
use turnstile::workers;
use turnstile_scenarios::{Entry, Lapse};

use super::arguments::{FILTER_OPTIONS, JobsArguments, REPORTER_OPTIONS, RUNNER_OPTIONS, ShownArguments};
use super::baseline::{BaselineArguments, Expectations};
use super::clock::now;
use super::exit::{Exit, print_error};
use super::interruption::Interruption;
use super::report_files::ReportArguments;
use super::reporting::Reporting;
use super::target::quoted;

/// Arguments of `turnstile client`.
#[derive(Args)]
pub(crate) struct ClientArguments {
    /// Select cases whose id contains FILTER; an exact id selects only that case
    #[arg(help_heading = None::<&str>)]
    filter: Option<String>,
    /// Command that starts the client: a program with arguments, for the shell
    #[arg(long, value_name = "COMMAND", required_unless_present_any = ["list", "rules"])]
    command: Option<String>,
    /// List the cases
    #[arg(long, help_heading = FILTER_OPTIONS)]
    list: bool,
    /// List the rules of clients
    #[arg(long, help_heading = FILTER_OPTIONS, conflicts_with = "list")]
    rules: bool,
    /// Longest time in which the client must show what it should show; its start may take six times as long
    #[arg(long, value_name = "DURATION", default_value = "10s", help_heading = RUNNER_OPTIONS)]
    patience: Lapse,
    /// Play every case this many times
    #[arg(long, value_name = "N", default_value_t = NonZeroU32::MIN, help_heading = RUNNER_OPTIONS)]
    times: NonZeroU32,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    jobs: JobsArguments,
    #[command(flatten, next_help_heading = REPORTER_OPTIONS)]
    shown: ShownArguments,
    #[command(flatten)]
    reports: ReportArguments,
    #[command(flatten)]
    baseline: BaselineArguments,
}

/// Judges a client.
pub(crate) fn client(arguments: &ClientArguments) -> io::Result<Exit> {
    let filter = arguments.filter.as_deref();
    let cases = client::entries(filter);
    if arguments.rules {
        for rule in client::RULES {
            writeln!(anstream::stdout(), "{:<32} {}", rule.name, rule.rule)?;
        }
        return Ok(Exit::Passed);
    }
    if cases.is_empty() {
        let filter = filter.unwrap_or_default();
        print_error(&format!(
            "no case matches {filter:?}; `turnstile client --list` shows all ids"
        ));
        return Ok(Exit::Usage);
    }
    let Some(command) = &arguments.command else {
        for (case, _) in &cases {
            writeln!(anstream::stdout(), "{:<40} {}", case.id, case.title)?;
        }
        return Ok(Exit::Passed);
    };
    let is_known = |id: &str| client::CASES.iter().any(|case| case.id == id);
    let is_complete = cases.len() == client::CASES.len();
    let expectations = arguments
        .reports
        .check()
        .and_then(|()| arguments.baseline.expectations(is_known, is_complete));
    let expectations = match expectations {
        Ok(expectations) => expectations,
        Err(error) => {
            print_error(&error);
            return Ok(Exit::Usage);
        }
    };
    judge(arguments, command, &cases, &expectations)
}

/// Plays the cases, as often as asked.
fn judge(
    arguments: &ClientArguments,
    command: &str,
    cases: &[(&'static Case, Entry)],
    expectations: &Expectations,
) -> io::Result<Exit> {
    let interruption = Interruption::listen();
    let client = Client {
        command: command.to_owned(),
        patience: *arguments.patience,
    };
    let times = arguments.times.get() as usize;
    let count = cases.len().saturating_mul(times);
    let terminal = arguments
        .shown
        .terminal(arguments.reports.terminal())
        .with_clock("real");
    let files = arguments.reports.files(count, false, arguments.shown.detail());
    let mut reporting = Reporting::start(count, terminal, files, expectations.follow());
    let bar = reporting.bar();
    let plays = (0..times).flat_map(|_| cases.iter());
    workers::in_order(
        plays.take_while(|_| !interruption.is_asked_for()),
        arguments.jobs.count(),
        |(case, entry)| {
            expectations.judge(played(&client, case, entry), |_| {
                Some(played(&client, case, entry))
            })
        },
        |count| bar.set_position(count as u64),
        |played| {
            let id = &played.play.entry.id;
            reporting.report(&Event::Played {
                replay: &format!("{} client {id} --command {}", program(), quoted(command)),
                played: &played,
            });
            ControlFlow::Continue(())
        },
    );
    reporting.finish(interruption)
}

fn played<'a>(client: &Client, case: &'static Case, entry: &'a Entry) -> Played<'a> {
    let started = now();
    let verdict = suite::safely(|| client.play(case));
    let play = Play {
        entry,
        options: Options::default(),
    };
    let wall: Duration = started.elapsed();
    Played::new(play, verdict, wall)
}
