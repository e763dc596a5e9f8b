//! The reports of `turnstile run`: lines on the terminal with a progress bar, and files.

use std::io;
use std::time::Instant;

use indicatif::ProgressBar;
use turnstile::report::{Event, Reporter as _, TerminalReporter};
use turnstile::watch::Watch;

use super::arguments::note_abandoned;
use super::baseline::Following;
use super::clock::now;
use super::exit::{Exit, exit_of, ignore_broken_pipe};
use super::interruption::Interruption;
use super::last_failed::LastFailed;
use super::progress::progress_bar;
use super::report_files::ReportFiles;

/// Which failures `run --last-failed` plays again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remembering {
    /// Those of this run.
    Failures,
    /// Those of earlier runs: these plays are none of `run`.
    Nothing,
}

/// The reporters of a run.
pub(crate) struct Reporting<'a, W> {
    bar: ProgressBar,
    terminal: TerminalReporter<W>,
    files: ReportFiles<'a>,
    last_failed: Option<LastFailed>,
    following: Following<'a>,
    /// The first error.
    error: Option<io::Error>,
    start: Instant,
}

impl<'a, W: io::Write> Reporting<'a, W> {
    /// Starts to report `plays` plays, which `following` compares with what is expected.
    pub(crate) fn start(
        plays: usize,
        terminal: TerminalReporter<W>,
        files: ReportFiles<'a>,
        following: Following<'a>,
        remembering: Remembering,
    ) -> Self {
        Self {
            following,
            bar: progress_bar(plays),
            terminal,
            files,
            last_failed: (remembering == Remembering::Failures).then(LastFailed::read),
            error: None,
            start: now(),
        }
    }

    /// The progress bar.
    pub(crate) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Reports an event. After an error, later events are still reported.
    pub(crate) fn report(&mut self, event: &Event) {
        if let Some(last_failed) = &mut self.last_failed {
            last_failed.note(event);
        }
        if let Event::Played { played, .. } = event {
            self.following.add(played);
        }
        self.write(event);
    }

    fn write(&mut self, event: &Event) {
        let in_files = self.files.report(event);
        let on_terminal = self.bar.suspend(|| self.terminal.report(event));
        self.error = self.error.take().or(in_files.and(on_terminal).err());
    }

    /// Writes the files and the summary, and returns the exit status.
    ///
    /// # Errors
    ///
    /// If standard output cannot be written. Files are written nevertheless.
    pub(crate) fn finish(mut self, interruption: Interruption) -> io::Result<Exit> {
        self.bar.finish_and_clear();
        interruption.begin_to_write();
        note_partial(interruption);
        if let Some(last_failed) = &self.last_failed {
            last_failed.write();
        }
        if !interruption.is_asked_for() {
            for stale in self.following.stale() {
                self.write(&stale.event());
            }
        }
        let wall = self.start.elapsed();
        let event = Event::Finished { wall };
        let in_files = self.files.report(&event);
        let are_written = self.files.write();
        let finished = in_files.and(self.terminal.report(&event));
        ignore_broken_pipe(self.error.map_or(finished, Err))?;
        // An incomplete run has not passed.
        Ok(if !are_written || Watch::has_too_many_abandoned() {
            Exit::Harness
        } else {
            let summary = self.terminal.summary();
            let exit = exit_of(&summary);
            interruption.exit(match interruption.is_asked_for() {
                true => exit,
                false => self.following.conclude(&summary, exit),
            })
        })
    }
}

/// Prints why the following result is partial, if it is.
pub(crate) fn note_partial(interruption: Interruption) {
    if interruption.is_asked_for() {
        Interruption::note();
    } else {
        note_abandoned();
    }
}
