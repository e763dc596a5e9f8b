//! Counts of plays by outcome.

use std::fmt;
use std::io;
use std::time::Duration;

use super::event::{Event, Reporter};
use super::style::counts;
use crate::suite::Outcome;

/// Plays, counted by their outcome.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Plays without findings.
    pub passed: usize,
    /// Plays with findings.
    pub failed: usize,
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
        self.passed + self.failed + self.errors
    }
}

impl Reporter for Summary {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Played { played, .. } => {
                match played.outcome() {
                    Outcome::Passed(_) => self.passed += 1,
                    Outcome::Failed(_) => self.failed += 1,
                    Outcome::HarnessFailed(_) => self.errors += 1,
                }
                if let Ok(verdict) = &played.verdict {
                    self.warnings += verdict.warnings.len();
                    self.played += verdict.played;
                    self.elapsed += verdict.elapsed;
                }
            }
            Event::Skipped { .. } => self.skipped += 1,
            Event::Finished { .. } => {}
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = counts(self.passed as u64, self.failed as u64, self.errors as u64);
        write!(formatter, "{counts}, {} skipped", self.skipped)?;
        match self.warnings {
            0 => Ok(()),
            1 => write!(formatter, ", 1 warning"),
            warnings => write!(formatter, ", {warnings} warnings"),
        }
    }
}
