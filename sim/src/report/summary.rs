//! How many plays ended how.

use std::fmt;
use std::io;
use std::time::Duration;

use super::event::{Event, Reporter};
use crate::suite::Outcome;

/// Plays, counted by their outcome.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Plays without findings.
    pub held: usize,
    /// Plays with findings.
    pub broken: usize,
    /// Plays in which the harness failed.
    pub failed: usize,
    /// Scenarios that were not played, because they need something that the server under test does not offer.
    pub skipped: usize,
    /// Virtual time of all plays, up to the last step of each.
    pub played: Duration,
    /// Virtual time of all plays, with the time in which each settles.
    pub elapsed: Duration,
}

impl Reporter for Summary {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Played { played, .. } => {
                match played.outcome() {
                    Outcome::Passed(_) => self.held += 1,
                    Outcome::Failed(_) => self.broken += 1,
                    Outcome::HarnessFailed(_) => self.failed += 1,
                }
                if let Ok(verdict) = &played.verdict {
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
        let Self {
            held,
            broken,
            failed,
            skipped,
            ..
        } = self;
        write!(formatter, "{held} held")?;
        if *broken > 0 {
            write!(formatter, ", {broken} broke")?;
        }
        if *failed > 0 {
            write!(formatter, ", {failed} with a failure of the harness")?;
        }
        if *skipped > 0 {
            write!(formatter, ", {skipped} skipped")?;
        }
        Ok(())
    }
}
