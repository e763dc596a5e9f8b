//! The report on a terminal: failures of the unmodified server, a few lines for each mutant, and a summary.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use super::{Notice, Search, Trial, is_oracle, name_of, oracle_of};
use crate::report::style::{BAD, GOOD, QUIET, seconds};
use crate::report::write_unclean;
use crate::suite::Played;

/// The maximum number of killing scenarios that are named for each mutant.
const NAMED: usize = 3;

/// Counts of mutants and failures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Scenarios in which the unmodified server failed.
    pub unclean: usize,
    /// Mutants that were detected.
    pub caught: usize,
    /// Mutants that were not detected.
    pub missed: usize,
    /// Plays in which the harness failed.
    pub failed: usize,
}

/// Writes and counts the plays in which the unmodified server failed.
///
/// # Errors
///
/// If the writer fails.
pub fn write_clean(mut out: impl Write, unclean: &[Played], summary: &mut Summary) -> io::Result<()> {
    for played in unclean {
        match played.verdict {
            Ok(_) => summary.unclean += 1,
            Err(_) => summary.failed += 1,
        }
    }
    write_unclean(&mut out, unclean)
}

/// Writes and counts the results of the mutants.
///
/// # Errors
///
/// If the writer fails.
pub fn write_trials(mut out: impl Write, trials: &[Trial], summary: &mut Summary) -> io::Result<()> {
    for trial in trials {
        write_trial(&mut out, trial)?;
        summary.failed += trial.failed.len();
        match trial.is_caught() {
            true => summary.caught += 1,
            false => summary.missed += 1,
        }
    }
    Ok(())
}

/// Writes how many seeds it took to detect each mutant.
///
/// # Errors
///
/// If `out` fails.
pub fn write_searches(mut out: impl Write, searches: &[Search], limit: u64) -> io::Result<()> {
    writeln!(
        out,
        "{QUIET}{:<34} {:>6} {:>6} {:>7}  first detected by{QUIET:#}",
        "mutant", "median", "worst", "found"
    )?;
    for search in searches {
        let number =
            |seeds: Option<u64>| seeds.map_or_else(|| format!(">{limit}"), |seeds| seeds.to_string());
        let (found, times) = (search.found(), search.seeds.len());
        let style = if found == times { GOOD } else { BAD };
        writeln!(
            out,
            "{:<34} {:>6} {:>6} {style}{:>7}{style:#}  {}",
            name_of(search.rule),
            number(search.median()),
            number(search.worst()),
            format!("{found}/{times}"),
            search.by.as_deref().unwrap_or("-")
        )?;
    }
    out.flush()
}

fn write_trial(mut out: impl Write, trial: &Trial) -> io::Result<()> {
    let (text, section) = (trial.rule.text(), trial.rule.section());
    let name = name_of(trial.rule);
    let historic = if trial.rule.is_historic() {
        " (historic)"
    } else {
        ""
    };
    let (style, word) = match trial.is_caught() {
        true => (GOOD, "caught"),
        false => (BAD, "MISSED"),
    };
    writeln!(out, "{style}{word}{style:#}  {section}  {text}")?;
    let (noticed, played) = (trial.noticed.len(), trial.played);
    let by = match (noticed, trial.noticed.iter().any(Notice::is_by_an_oracle)) {
        (0, _) => "0".to_owned(),
        (_, true) => noticed.to_string(),
        (_, false) => format!("{noticed} (by expectations only)"),
    };
    writeln!(
        out,
        "            {QUIET}{name}{historic}: detected in {by} of {played} scenarios{QUIET:#}"
    )?;
    for notice in named(trial) {
        writeln!(
            out,
            "            {:<50} {}",
            notice.entry.id,
            in_short(&notice.by)
        )?;
    }
    for Played { play, verdict, .. } in &trial.failed {
        if let Err(error) = verdict {
            writeln!(
                out,
                "            {BAD}ERROR{BAD:#} {}: harness error: {error}",
                play.entry.id
            )?;
        }
    }
    Ok(())
}

/// The first scenarios that detected the mutant: those by the oracle of its rule first, then those by any oracle.
fn named<'a>(trial: &'a Trial<'a>) -> Vec<&'a Notice<'a>> {
    let mut named: Vec<&Notice> = trial.noticed.iter().collect();
    let own = oracle_of(trial.rule);
    named.sort_by_key(|notice| (!notice.is_by(own), !notice.is_by_an_oracle()));
    named.truncate(NAMED);
    named
}

/// All oracles with findings, or else the first failed expectation, and the number of other findings.
fn in_short(by: &[String]) -> String {
    let oracles = by.iter().filter(|name| is_oracle(name)).count();
    let named = oracles.max(1).min(by.len());
    let mut text = by[..named].join(", ");
    if by.len() > named {
        text += &format!(" and {} more", by.len() - named);
    }
    text
}

impl Summary {
    /// Writes the summary.
    ///
    /// # Errors
    ///
    /// If the writer fails.
    pub fn finish(&self, mut out: impl Write, wall: Duration) -> io::Result<()> {
        let style = if self.unclean + self.missed + self.failed == 0 {
            GOOD
        } else {
            BAD
        };
        writeln!(out, "{style}{self}{style:#} in {}", seconds(wall))?;
        out.flush()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            unclean,
            caught,
            missed,
            failed,
        } = self;
        write!(formatter, "{caught} mutants caught, {missed} missed")?;
        if *unclean > 0 {
            write!(formatter, "; the unmodified server failed in {unclean} scenarios")?;
        }
        if *failed > 0 {
            write!(formatter, "; {failed} harness errors")?;
        }
        Ok(())
    }
}
