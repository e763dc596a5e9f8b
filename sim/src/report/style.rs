//! Colours and status words of all reports on a terminal.

use std::fmt;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::standing::Standing;
use crate::suite::{Outcome, Played};

/// Success.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Failure.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Something that a reader should check.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Details that need not be read.
pub const QUIET: Style = Style::new().dimmed();

/// The status of a run, right-aligned in a column as nextest and Cargo print it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// No findings.
    Pass,
    /// Findings.
    Fail,
    /// Findings that a baseline expects.
    ExpectedFailure,
    /// No findings, although a baseline expects some.
    UnexpectedPass,
    /// Not played.
    Skip,
    /// The harness failed.
    Error,
}

impl Status {
    /// The status of a play.
    pub fn of(played: &Played) -> Self {
        match (played.outcome(), &played.standing) {
            (Outcome::Passed(_), Standing::UnexpectedPass(_)) => Self::UnexpectedPass,
            (Outcome::Failed(_), Standing::ExpectedFailure(_)) => Self::ExpectedFailure,
            (Outcome::Passed(_), _) => Self::Pass,
            (Outcome::Failed(_), _) => Self::Fail,
            (Outcome::HarnessFailed(_), _) => Self::Error,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (style, word) = match self {
            Self::Pass => (GOOD, "PASS"),
            Self::Fail => (BAD, "FAIL"),
            Self::ExpectedFailure => (WARNING, "XFAIL"),
            Self::UnexpectedPass => (BAD, "XPASS"),
            Self::Skip => (QUIET, "SKIP"),
            Self::Error => (BAD, "ERROR"),
        };
        write!(formatter, "{style}{word:>12}{style:#}")
    }
}

/// A wall time beside a status; blank for `None`.
pub fn wall_time(wall: Option<Duration>) -> String {
    match wall {
        Some(wall) => format!("[{:>8.3}s]", wall.as_secs_f64()),
        None => format!("[{:>9}]", ""),
    }
}

/// A wall time in a summary, in seconds.
pub fn seconds(wall: Duration) -> String {
    let seconds = wall.as_secs_f64();
    if seconds < 1.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{seconds:.1} s")
    }
}

/// Counts of runs: errors are shown only if there are any.
pub fn counts(passed: u64, failed: u64, errors: u64) -> String {
    let errors = match errors {
        0 => String::new(),
        1 => ", 1 error".to_owned(),
        errors => format!(", {errors} errors"),
    };
    format!("{passed} passed, {failed} failed{errors}")
}
