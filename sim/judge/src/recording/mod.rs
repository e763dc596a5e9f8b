//! Recordings: traces in files, of any origin, and their judgement.
//!
//! A recording is a file of JSON lines: a header, then one record a line. It may come from this harness or from any
//! other program that logs the wire. The header states what was recorded, so that a rule whose records are missing is
//! unknown and never violated.
//!
//! | file | content |
//! |---|---|
//! | `header` | the first line |
//! | `reader` | reads a file line by line, with limits |
//! | `limits`, `error` | limits, and why a file is no recording |
//! | `needs` | the records that each oracle needs |
//!
//! The format is described for other programs in `sim/docs/recordings.md`. What a rule means is the oracles' subject.

mod error;
mod header;
mod limits;
mod needs;
mod reader;

use std::io;

use serde_json::Value;

pub use self::error::{LineProblem, RecordingError};
pub use self::header::{Clock, Format, Header, Kind, Origin, SecretsOf, VERSION};
pub use self::limits::{LONGEST_LINE, LONGEST_TIME, MOST_RECORDS};
pub use self::needs::needs;
use crate::oracle::history::History;
use crate::oracle::{self, Finding, ORACLES};
use crate::trace::{Record, Trace};

/// A trace with what is known of its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The first line.
    pub header: Header,
    /// The records.
    pub trace: Trace,
}

/// A rule that a recording says nothing about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Name of the oracle.
    pub oracle: &'static str,
    /// The records that it needs and the recording lacks, in words.
    pub reason: String,
}

/// What the oracles say about a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Violations and warnings, in order of time.
    pub findings: Vec<Finding>,
    /// Rules that were not judged, in the order of the oracles.
    pub unknown: Vec<Unknown>,
}

impl Recording {
    /// Reads a recording line by line.
    ///
    /// # Errors
    ///
    /// `input` fails, or is no recording. The error names the line.
    pub fn read(input: impl io::BufRead) -> Result<Self, RecordingError> {
        reader::read(input)
    }

    /// Writes the recording, one JSON object a line.
    ///
    /// # Errors
    ///
    /// `out` fails.
    pub fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &self.header)?;
        out.write_all(b"\n")?;
        self.trace.write_json_lines(out)
    }

    /// Judges it by all oracles whose records it has.
    pub fn judge(&self) -> Judgement {
        let history = History::read_under(&self.trace, self.header.context()).with_beginnings(&self.trace);
        let unknown: Vec<Unknown> = ORACLES
            .iter()
            .filter_map(|oracle| self.unknown(oracle.name))
            .collect();
        let is_known = |name: &str| unknown.iter().all(|unknown| unknown.oracle != name);
        Judgement {
            findings: oracle::judge_by(&history, is_known),
            unknown,
        }
    }

    /// Why an oracle cannot judge this recording, if it cannot.
    fn unknown(&self, oracle: &'static str) -> Option<Unknown> {
        let missing: Vec<&str> = needs(oracle)
            .iter()
            .filter(|kind| !self.header.records.contains(kind))
            .map(|kind| kind.name())
            .collect();
        (!missing.is_empty()).then(|| Unknown {
            oracle,
            reason: format!("not recorded: {}", missing.join(", ")),
        })
    }
}

/// The JSON Schema of one line of a recording.
pub fn schema() -> Value {
    let mut schema = schemars::SchemaGenerator::default();
    let lines = [schema.subschema_for::<Header>(), schema.subschema_for::<Record>()];
    let definitions = schema.take_definitions(true);
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Line of a recording",
        "description": "The first line is a header, every other line is a record",
        "anyOf": lines,
        "$defs": definitions,
    })
}

#[cfg(test)]
mod tests;
