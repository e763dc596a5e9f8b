//! Exit statuses, and errors on standard error.

use std::io;

use turnstile::report::Summary;
use turnstile_scenarios::{printable, shortened};

/// The number of characters of an error that are printed. An error may quote a file.
const ERROR_LENGTH: usize = 1_000_000;

/// The exit status of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything passed.
    Passed = 0,
    /// Something failed.
    Failed = 1,
    /// Wrong usage, an invalid script, or no match.
    Usage = 2,
    /// The harness failed, so there is no verdict on the server.
    Harness = 3,
    /// Ended by SIGHUP.
    HungUp = 129,
    /// Ended by SIGINT.
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

pub(crate) fn exit_of(summary: &Summary) -> Exit {
    match (summary.errors, summary.failed + summary.unexpected_passes) {
        (0, 0) => Exit::Passed,
        (0, _) => Exit::Failed,
        _ => Exit::Harness,
    }
}

/// Takes a broken pipe for success: the reader of a pipe may stop early, and the exit status does not depend on it.
pub(crate) fn ignore_broken_pipe(written: io::Result<()>) -> io::Result<()> {
    written.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

/// Prints an error on standard error.
pub(crate) fn print_error(text: &str) {
    let style = anstyle::AnsiColor::Red.on_default().bold();
    let text = printable(text);
    let text = shortened(&text, ERROR_LENGTH);
    anstream::eprintln!("{style}error:{style:#} {text}");
}

/// Prints an error in the arguments or their files, and returns its exit status.
pub(crate) fn usage_error(text: &str) -> Exit {
    print_error(text);
    Exit::Usage
}

/// Prints a note on standard error.
pub(crate) fn print_note(text: &str) {
    let style = anstyle::AnsiColor::Cyan.on_default().bold();
    anstream::eprintln!("{style}note:{style:#} {}", printable(text));
}
