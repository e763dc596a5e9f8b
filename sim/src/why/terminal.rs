//! The curve on a terminal: a line for each moment with a bar, and the events of the jump.

use std::io::{self, Write};

use turnstile_judge::trace::render::seconds;
use turnstile_scenarios::printable;

use crate::curve::Curve;
use crate::report::style::{BAD, QUIET};

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
        let mark = if curve.rises_to(moment) { "→" } else { " " };
        writeln!(
            out,
            "{mark} {:>3} of {:<3} {} {QUIET}{}{QUIET:#}",
            moment.failed,
            moment.of,
            moment.bar(),
            printable(&moment.event)
        )?;
    }
    let conclusion = curve.conclusion();
    let Some(jump) = &curve.jump else {
        writeln!(out, "{conclusion}")?;
        return out.flush();
    };
    writeln!(out, "{conclusion}:")?;
    for event in jump.events.iter().take(EVENTS) {
        writeln!(out, "    {}", printable(event))?;
    }
    if let Some(more) = jump.events.len().checked_sub(EVENTS).filter(|more| *more > 0) {
        writeln!(out, "    {QUIET}and {more} more events{QUIET:#}")?;
    }
    out.flush()
}
