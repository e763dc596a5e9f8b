//! Telling a terminal what a sweep has found: a mark for each moment, and the first that did not hold.

use std::io::{self, Write};

use super::{Outcome, Strip};
use crate::report::style::{BAD, GOOD, QUIET};

/// How many marks stand in one line.
const WIDTH: usize = 80;

/// Tells what came of one fault.
///
/// # Errors
///
/// As `out` fails.
pub fn tell_strip(
    out: &mut impl Write,
    strip: &Strip,
    replay: impl Fn(&Strip, usize) -> String,
) -> io::Result<()> {
    let (held, count) = (strip.held(), strip.moments.len());
    let style = if held == count { GOOD } else { BAD };
    writeln!(
        out,
        "{style}{:<16}{style:#} {held} of {count} moments held {QUIET}({}){QUIET:#}",
        strip.kind.name, strip.kind.text
    )?;
    for line in strip.moments.chunks(WIDTH) {
        let marks: String = line.iter().map(|moment| mark(&moment.outcome)).collect();
        writeln!(out, "    {marks}")?;
    }
    let is_held = |index: &usize| matches!(strip.moments[*index].outcome, Outcome::Held);
    let Some(index) = (0..count).find(|index| !is_held(index)) else {
        return Ok(());
    };
    let moment = &strip.moments[index];
    match &moment.outcome {
        Outcome::Held => {}
        Outcome::Broke { rule, text } => {
            writeln!(out, "    {BAD}{rule}{BAD:#} first, when it strikes after")?;
            writeln!(out, "      {QUIET}{}{QUIET:#}", moment.after)?;
            writeln!(out, "      {text}")?;
        }
        Outcome::Failed(error) => writeln!(out, "    {BAD}the harness failed{BAD:#} first: {error}")?,
    }
    writeln!(out, "    replay: {}", replay(strip, index))
}

/// Tells of all strips together.
///
/// # Errors
///
/// As `out` fails.
pub fn tell_summary(out: &mut impl Write, strips: &[Strip]) -> io::Result<()> {
    let held: usize = strips.iter().map(Strip::held).sum();
    let count: usize = strips.iter().map(|strip| strip.moments.len()).sum();
    let style = if held == count { GOOD } else { BAD };
    writeln!(out, "{style}{held} of {count} plays held{style:#}")?;
    out.flush()
}

fn mark(outcome: &Outcome) -> char {
    match outcome {
        Outcome::Held => '.',
        Outcome::Broke { .. } => 'X',
        Outcome::Failed(_) => 'E',
    }
}
