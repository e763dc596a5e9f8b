//! The terminal: what the clean server did wrong, then a few lines a rule, and a summary.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use super::{Notice, Search, Trial, is_oracle, name_of, oracle_of};
use crate::report::style::{BAD, GOOD, QUIET};
use crate::report::{Event, Reporter as _, TerminalReporter, replay_of_play};
use crate::suite::Played;

/// How many of the scenarios that noticed are named.
const NAMED: usize = 3;
/// How many last lines of the trace are shown where the clean server did not hold.
const TRACE_LINES: usize = 12;

/// What came of everything, counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Plays in which the server that breaks no rule did not hold.
    pub unclean: usize,
    /// Broken servers that somebody noticed.
    pub caught: usize,
    /// Broken servers that nobody noticed.
    pub missed: usize,
    /// Plays in which the harness failed.
    pub failed: usize,
}

/// Tells of the plays in which a server that breaks no rule did not hold, and counts them.
///
/// # Errors
///
/// As the writer fails.
pub fn tell_clean(mut out: impl Write, unclean: &[Played], summary: &mut Summary) -> io::Result<()> {
    if unclean.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "{BAD}the server that breaks no rule is not clean{BAD:#}; what follows leaves these scenarios out"
    )?;
    let mut reporter = TerminalReporter::new(&mut out, TRACE_LINES);
    for played in unclean {
        let replay = &replay_of_play(&played.play);
        reporter.report(&Event::Played { played, replay })?;
        match played.verdict {
            Ok(_) => summary.unclean += 1,
            Err(_) => summary.failed += 1,
        }
    }
    writeln!(out)
}

/// Tells of each broken server, and counts them.
///
/// # Errors
///
/// As the writer fails.
pub fn tell_trials(mut out: impl Write, trials: &[Trial], summary: &mut Summary) -> io::Result<()> {
    for trial in trials {
        tell_trial(&mut out, trial)?;
        summary.failed += trial.failed.len();
        match trial.is_caught() {
            true => summary.caught += 1,
            false => summary.missed += 1,
        }
    }
    Ok(())
}

/// Tells how many seeds it took until each broken server was found.
///
/// # Errors
///
/// As `out` fails.
pub fn tell_searches(mut out: impl Write, searches: &[Search], limit: u64) -> io::Result<()> {
    writeln!(
        out,
        "{QUIET}{:<34} {:>6} {:>6} {:>7}  first found by{QUIET:#}",
        "broken rule", "median", "worst", "found"
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
            search.by.as_deref().unwrap_or("nothing")
        )?;
    }
    out.flush()
}

fn tell_trial(mut out: impl Write, trial: &Trial) -> io::Result<()> {
    let (text, section) = trial.rule.text();
    let name = name_of(trial.rule);
    let (style, word) = match trial.is_caught() {
        true => (GOOD, "caught"),
        false => (BAD, "MISSED"),
    };
    writeln!(out, "{style}{word}{style:#}  {section}  {text}")?;
    let (noticed, played) = (trial.noticed.len(), trial.played);
    let by = match (noticed, trial.noticed.iter().any(Notice::is_by_an_oracle)) {
        (0, _) => "none".to_owned(),
        (_, true) => noticed.to_string(),
        (_, false) => format!("expectations only, {noticed}"),
    };
    writeln!(
        out,
        "            {QUIET}{name}: by {by} of {played} scenarios played{QUIET:#}"
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
                "            {BAD}ERROR{BAD:#} {}: the harness failed: {error}",
                play.entry.id
            )?;
        }
    }
    Ok(())
}

/// The first that noticed: those in which the oracle of its rule did, then those in which any oracle did.
fn named<'a>(trial: &'a Trial<'a>) -> Vec<&'a Notice<'a>> {
    let mut named: Vec<&Notice> = trial.noticed.iter().collect();
    let own = oracle_of(trial.rule);
    named.sort_by_key(|notice| (!notice.is_by(own), !notice.is_by_an_oracle()));
    named.truncate(NAMED);
    named
}

/// All oracles that noticed, or the first place in the script, and how many more there were.
fn in_short(by: &[String]) -> String {
    let oracles = by.iter().filter(|name| is_oracle(name)).count();
    let told = oracles.max(1).min(by.len());
    let mut text = by[..told].join(", ");
    if by.len() > told {
        text += &format!(" and {} more", by.len() - told);
    }
    text
}

impl Summary {
    /// Tells of everything together.
    ///
    /// # Errors
    ///
    /// As the writer fails.
    pub fn finish(&self, mut out: impl Write, wall: Duration) -> io::Result<()> {
        let style = if self.unclean + self.missed + self.failed == 0 {
            GOOD
        } else {
            BAD
        };
        writeln!(out, "{style}{self}{style:#} in {:.2} s", wall.as_secs_f64())?;
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
        write!(formatter, "{caught} broken servers caught")?;
        if *missed > 0 {
            write!(formatter, ", {missed} missed")?;
        }
        if *unclean > 0 {
            write!(formatter, ", {unclean} scenarios in which the clean server broke")?;
        }
        if *failed > 0 {
            write!(formatter, ", {failed} plays with a failure of the harness")?;
        }
        Ok(())
    }
}
