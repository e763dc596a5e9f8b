//! Counts of plays by outcome.

use std::fmt;
use std::io;
use std::time::Duration;

use super::event::{Event, Reporter};
use super::style::{Status, counts};

/// Plays, counted by their outcome.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Plays without findings.
    pub passed: usize,
    /// Plays with findings.
    pub failed: usize,
    /// Plays with findings that a baseline expects.
    pub expected_failures: usize,
    /// Plays without findings, and entries of rules, of which a baseline expects failures.
    pub unexpected_passes: usize,
    /// Plays in which the harness failed.
    pub errors: usize,
    /// Warnings of all plays.
    pub warnings: usize,
    /// Scenarios that were not played because the server under test lacks a capability.
    pub skipped: usize,
    /// Virtual time of all plays, up to the last step of each.
    pub played: Duration,
    /// Virtual time of all plays, including the time in which each settles.
    pub elapsed: Duration,
}

impl Summary {
    /// The number of plays, without skipped scenarios.
    pub fn plays(&self) -> usize {
        self.all() - self.skipped
    }

    /// The number of scenarios, played or not.
    pub fn all(&self) -> usize {
        let red = self.failed + self.unexpected_passes + self.errors;
        self.passed + self.expected_failures + red + self.skipped
    }

    /// Whether nothing is wrong.
    pub fn is_green(&self) -> bool {
        self.failed + self.unexpected_passes + self.errors == 0
    }
}

impl Reporter for Summary {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Played { played, .. } => {
                match Status::of(played) {
                    Status::Pass => self.passed += 1,
                    Status::Fail => self.failed += 1,
                    Status::ExpectedFailure => self.expected_failures += 1,
                    Status::UnexpectedPass => self.unexpected_passes += 1,
                    // A play is not skipped.
                    Status::Error | Status::Skip => self.errors += 1,
                }
                if let Ok(verdict) = &played.verdict {
                    self.warnings += verdict.warnings.len();
                    self.played += verdict.played;
                    self.elapsed += verdict.elapsed;
                }
            }
            Event::Skipped { .. } => self.skipped += 1,
            Event::Stale { .. } => self.unexpected_passes += 1,
            Event::Finished { .. } => {}
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = counts(self.passed as u64, self.failed as u64, self.errors as u64);
        formatter.write_str(&counts)?;
        for (count, what) in [
            (self.expected_failures, "failed as expected"),
            (self.unexpected_passes, "passed unexpectedly"),
        ] {
            if count > 0 {
                write!(formatter, ", {count} {what}")?;
            }
        }
        write!(formatter, ", {} skipped", self.skipped)?;
        match self.warnings {
            0 => Ok(()),
            1 => write!(formatter, ", 1 warning"),
            warnings => write!(formatter, ", {warnings} warnings"),
        }
    }
}
