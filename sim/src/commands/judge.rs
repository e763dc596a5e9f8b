//! `turnstile judge`.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use turnstile::recordings;
use turnstile::report::{Event, program};
use turnstile::script::{Options, Verdict};
use turnstile::suite::{self, Play, Played};
use turnstile_judge::oracle::ORACLES;
use turnstile_judge::recording::Recording;
use turnstile_scenarios::Entry;

use super::arguments::{REPORTER_OPTIONS, ShownArguments};
use super::baseline::Expectations;
use super::clock::now;
use super::exit::{Exit, print_error};
use super::interruption::Interruption;
use super::recording_file;
use super::report_files::ReportArguments;
use super::reporting::{Remembering, Reporting};

/// Arguments of `turnstile judge`.
#[derive(Args)]
pub(crate) struct JudgeArguments {
    /// Recordings; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten, next_help_heading = REPORTER_OPTIONS)]
    shown: ShownArguments,
    #[command(flatten)]
    reports: ReportArguments,
}

/// Judges recordings.
pub(crate) fn judge(arguments: &JudgeArguments) -> io::Result<Exit> {
    if let Err(error) = arguments.reports.check() {
        print_error(&error);
        return Ok(Exit::Usage);
    }
    let interruption = Interruption::listen();
    let count = arguments.files.len();
    let terminal = arguments
        .shown
        .terminal(arguments.reports.terminal())
        .with_clock("recorded");
    let files = arguments.reports.files(count, false, arguments.shown.detail());
    let expectations = Expectations::default();
    let mut reporting = Reporting::start(
        count,
        terminal,
        files,
        expectations.follow(),
        Remembering::Nothing,
    );
    let mut are_read = true;
    for file in arguments
        .files
        .iter()
        .take_while(|_| !interruption.is_asked_for())
    {
        let started = now();
        let judged = recording_file::read(file).and_then(|recording| judge_one(file, recording));
        let (entry, verdict) = match judged {
            Ok(judged) => judged,
            Err(error) => {
                reporting.bar().suspend(|| print_error(&error));
                are_read = false;
                continue;
            }
        };
        let play = Play {
            entry: &entry,
            options: Options::default(),
        };
        let played = Played::new(play, verdict, started.elapsed());
        reporting.report(&Event::Played {
            played: &played,
            replay: &format!("{} judge {}", program(), file.display()),
        });
    }
    let exit = reporting.finish(interruption)?;
    // A file that cannot be judged is reported first.
    Ok(match exit {
        Exit::Passed | Exit::Failed if !are_read => Exit::Usage,
        exit => exit,
    })
}

/// The verdict on a recording, with an entry for reports.
fn judge_one(
    file: &Path,
    recording: Recording,
) -> Result<(Entry, Result<Verdict, turnstile::script::HarnessError>), String> {
    let entry = recordings::entry_of(file, &recording.header);
    let verdict = suite::safely(|| Ok(recordings::judge(recording)));
    if let Ok(verdict) = &verdict
        && verdict.unknown.len() == ORACLES.len()
    {
        return Err(format!(
            "{}: no rule can be judged: the header lists too few kinds of records (see sim/docs/recordings.md)",
            file.display()
        ));
    }
    Ok((entry, verdict))
}
