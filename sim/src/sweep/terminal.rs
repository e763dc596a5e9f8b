//! The report of a sweep on a terminal: a mark for each moment, and the first failure of each fault.

use std::io::{self, Write};

use super::{Outcome, Strip};
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
    let (passed, count) = (strip.passed(), strip.moments.len());
    let style = if passed == count { GOOD } else { BAD };
    writeln!(
        out,
        "{style}{:<16}{style:#} {passed} of {count} moments passed {QUIET}({}){QUIET:#}",
        strip.kind.name, strip.kind.text
    )?;
    for line in strip.moments.chunks(WIDTH) {
        let marks: String = line.iter().map(|moment| mark(&moment.outcome)).collect();
        writeln!(out, "    {marks}")?;
    }
    let has_failed = |index: &usize| !matches!(strip.moments[*index].outcome, Outcome::Passed);
    let Some(index) = (0..count).find(has_failed) else {
        return Ok(());
    };
    let moment = &strip.moments[index];
    match &moment.outcome {
        Outcome::Passed => {}
        Outcome::Failed { rule, text } => {
            writeln!(
                out,
                "    first failure: {BAD}{rule}{BAD:#}, with the fault right after"
            )?;
            writeln!(out, "      {QUIET}{}{QUIET:#}", printable(&moment.after))?;
            writeln!(out, "      {}", printable(text))?;
        }
        Outcome::HarnessFailed(error) => {
            writeln!(out, "    first failure: {BAD}harness error{BAD:#}: {error}")?;
        }
    }
    writeln!(out, "    replay: {}", replay(strip, index))
}

/// Writes the counts of all plays.
///
/// # Errors
///
/// If `out` fails.
pub fn write_summary(out: &mut impl Write, strips: &[Strip]) -> io::Result<()> {
    let passed: usize = strips.iter().map(Strip::passed).sum();
    let errors: usize = strips.iter().map(Strip::failed).sum();
    let count: usize = strips.iter().map(|strip| strip.moments.len()).sum();
    let style = if passed == count { GOOD } else { BAD };
    let failed = count - passed - errors;
    let counts = counts(passed as u64, failed as u64, errors as u64);
    writeln!(out, "{style}{count} plays: {counts}{style:#}")?;
    out.flush()
}

fn mark(outcome: &Outcome) -> char {
    match outcome {
        Outcome::Passed => '.',
        Outcome::Failed { .. } => 'X',
        Outcome::HarnessFailed(_) => 'E',
    }
}
