//! The curve on a terminal: a line for each moment with a bar, and the events of the jump.

use std::io::{self, Write};

use turnstile_judge::trace::render::seconds;
use turnstile_scenarios::printable;

use super::{Curve, Moment};
use crate::report::style::{BAD, QUIET};

/// The length of a full bar.
const WIDTH: u32 = 20;
/// Most events of the jump that are shown.
const EVENTS: usize = 8;

/// Writes the curve.
///
/// # Errors
///
/// If `out` fails.
pub fn write_curve(out: &mut impl Write, curve: &Curve) -> io::Result<()> {
    let about = curve
        .message
        .as_ref()
        .map_or(String::new(), |label| format!(", message `{label}`"));
    let rule = &curve.rule;
    writeln!(out, "{BAD}{rule}{BAD:#} at {} s{about}", seconds(curve.at))?;
    writeln!(out, "  {}", printable(&curve.text))?;
    writeln!(out, "how often it fails if all is as it was up to …")?;
    for moment in &curve.moments {
        let is_jump = curve.jump.as_ref().is_some_and(|jump| jump.at == moment.at);
        let mark = if is_jump { "→" } else { " " };
        writeln!(
            out,
            "{mark} {:>3} of {:<3} {} {QUIET}{}{QUIET:#}",
            moment.failed,
            moment.of,
            bar(moment),
            printable(&moment.event)
        )?;
    }
    let Some(jump) = &curve.jump else {
        writeln!(out, "no moment made it more likely: it was so from the start")?;
        return out.flush();
    };
    let verdict = match (jump.is_by_silence, jump.is_clear) {
        (true, _) => "its cause happened: from then on it fails even if nothing reaches the server any more",
        (false, true) => "it became inevitable",
        (false, false) => "it became likelier than elsewhere, but no moment stands out",
    };
    let (after, at) = (seconds(jump.after), seconds(jump.at));
    writeln!(out, "after {after} s, up to {at} s, {verdict}:")?;
    for event in jump.events.iter().take(EVENTS) {
        writeln!(out, "    {}", printable(event))?;
    }
    if let Some(more) = jump.events.len().checked_sub(EVENTS).filter(|more| *more > 0) {
        writeln!(out, "    {QUIET}and {more} more events{QUIET:#}")?;
    }
    out.flush()
}

/// A bar of a fixed width.
fn bar(moment: &Moment) -> String {
    let full = moment.failed * WIDTH / moment.of.max(1);
    let (full, rest) = (full as usize, (WIDTH - full) as usize);
    "█".repeat(full) + &"·".repeat(rest)
}
