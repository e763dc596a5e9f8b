//! The report of a sweep on a terminal: a mark for each moment, the first failure of each fault, and the counts of pairs.

use std::io::{self, Write};

use super::{Counted, Moment, Outcome, Pair, PairStrip, Strip};
use crate::report::style::{BAD, GOOD, QUIET, counts};
use turnstile_scenarios::printable;

/// How many marks are printed in one line.
const WIDTH: usize = 80;

/// Writes the results of one fault at all moments.
///
/// # Errors
///
/// If `out` fails.
pub fn write_strip(
    out: &mut impl Write,
    strip: &Strip,
    replay: impl Fn(&Strip, usize) -> String,
) -> io::Result<()> {
    let Counted { passed, played, .. } = strip.counted;
    let style = if passed == played { GOOD } else { BAD };
    let alike = match strip.moments.len() - played {
        0 => String::new(),
        alike => format!(", {alike} are like others"),
    };
    writeln!(
        out,
        "{style}{:<16}{style:#} {passed} of {played} moments passed{alike} {QUIET}({}){QUIET:#}",
        strip.kind.name, strip.kind.text
    )?;
    for line in strip.moments.chunks(WIDTH) {
        let marks: String = line.iter().map(|moment| mark(&moment.outcome)).collect();
        writeln!(out, "    {marks}")?;
    }
    let mut moments = strip.moments.iter().enumerate();
    let has_failed = |(_, moment): &(usize, &Moment)| moment.outcome.has_failed();
    let Some((index, moment)) = moments.find(has_failed) else {
        return Ok(());
    };
    write_failure(out, "first failure", &moment.outcome)?;
    writeln!(out, "    replay: {}", replay(strip, index))
}

/// Writes the counts of one fault with each fault after it, and the first pair that violated each rule.
///
/// # Errors
///
/// If `out` fails.
pub fn write_pairs(
    out: &mut impl Write,
    strip: &PairStrip,
    replay: impl Fn(&Pair) -> String,
) -> io::Result<()> {
    let (Counted { passed, played, .. }, alike) = (strip.counted, strip.alike);
    let style = if passed == played { GOOD } else { BAD };
    writeln!(
        out,
        "{style}{:<16}{style:#} {passed} of {played} pairs passed, {alike} moments after it are like others",
        strip.first.kind.name
    )?;
    for pair in &strip.failures {
        let what = format!("{} then {}", pair.first.kind.name, pair.second.kind.name);
        write_failure(out, &what, &pair.outcome)?;
        writeln!(out, "    replay: {}", replay(pair))?;
    }
    Ok(())
}

fn write_failure(out: &mut impl Write, what: &str, outcome: &Outcome) -> io::Result<()> {
    match outcome {
        Outcome::Passed | Outcome::Alike => Ok(()),
        Outcome::Failed { rule, text, after } => {
            writeln!(out, "    {what}: {BAD}{rule}{BAD:#}, with the fault right after")?;
            writeln!(out, "      {QUIET}{}{QUIET:#}", printable(after))?;
            writeln!(out, "      {}", printable(text))
        }
        Outcome::HarnessFailed(error) => writeln!(out, "    {what}: {BAD}harness error{BAD:#}: {error}"),
    }
}

/// Writes the counts of all plays.
///
/// # Errors
///
/// If `out` fails.
pub fn write_summary(out: &mut impl Write, counted: Counted) -> io::Result<()> {
    let Counted {
        played,
        passed,
        errors,
    } = counted;
    let style = if passed == played { GOOD } else { BAD };
    let failed = played - passed - errors;
    let counts = counts(passed as u64, failed as u64, errors as u64);
    writeln!(out, "{style}{played} plays: {counts}{style:#}")?;
    out.flush()
}

fn mark(outcome: &Outcome) -> char {
    match outcome {
        Outcome::Passed => '.',
        Outcome::Alike => '-',
        Outcome::Failed { .. } => 'X',
        Outcome::HarnessFailed(_) => 'E',
    }
}
