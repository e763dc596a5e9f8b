//! The plays in which the unmodified server failed, before a report about mutants.

use std::io::{self, Write};

use super::style::BAD;
use super::{Event, FailureDetail, Reporter as _, TerminalReporter, replay_of_play};
use crate::suite::Played;

/// What is shown of a failure.
const DETAIL: FailureDetail = FailureDetail {
    sequence_lines: 12,
    trace_lines: 0,
};

/// Writes the plays in which the unmodified server failed.
///
/// # Errors
///
/// If the writer fails.
pub fn write_unclean(mut out: impl Write, unclean: &[Played]) -> io::Result<()> {
    if unclean.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "{BAD}the unmodified server failed{BAD:#} in these scenarios; they are not played against mutants"
    )?;
    let mut reporter = TerminalReporter::new(&mut out, DETAIL);
    for played in unclean {
        let replay = &replay_of_play(&played.play);
        reporter.report(&Event::Played { played, replay })?;
    }
    writeln!(out)
}
