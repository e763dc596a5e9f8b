//! Why a file is no recording.

use std::fmt;
use std::io;
use std::time::Duration;

use super::header::VERSION;
use super::limits::{LONGEST_LINE, LONGEST_TIME, MOST_RECORDS};
use crate::trace::render::seconds;

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The input failed.
    #[error("it cannot be read")]
    Input(#[source] io::Error),
    /// There is no line.
    #[error("it is empty: the first line is a header")]
    Empty,
    /// A line is wrong.
    #[error("line {number}: {problem}")]
    Line {
        /// Number of the line, from 1.
        number: usize,
        /// What is wrong. It is part of the text, so it is no source.
        problem: LineProblem,
    },
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum LineProblem {
    /// It has too many bytes.
    #[error("it is longer than {LONGEST_LINE} bytes")]
    TooLong,
    /// It is not JSON.
    #[error("{0}")]
    NotJson(JsonProblem),
    /// It is the first line and no header.
    #[error("it is not a header such as {{\"format\":\"turnstile-trace\",\"version\":1,…}}: {0}")]
    NotAHeader(JsonProblem),
    /// The header has another version.
    #[error("the recording has version {0}, and this program reads version {VERSION}")]
    Version(u64),
    /// It is a JSON object without the field that states what it records.
    #[error("it is not a record: it has none of the fields `saw`, `event`, `submitted` and `step`")]
    NoKind,
    /// A field of a record is wrong.
    #[error("it is not a record: {0}")]
    NotARecord(JsonProblem),
    /// Its time is too late.
    #[error("`at_us` is later than {} days after the epoch", LONGEST_TIME.as_secs() / 86_400)]
    TooLate,
    /// Its time is before that of the line before.
    #[error("its time, {} s, is before that of the record before it, {} s", seconds(*.at), seconds(*.before))]
    Earlier {
        /// Its time.
        at: Duration,
        /// The time of the record before it.
        before: Duration,
    },
    /// There are too many records.
    #[error("it has more than {MOST_RECORDS} records")]
    TooMany,
}

/// An error of JSON. It names the column, not the line, which is always the first one for the reader of a line.
#[derive(Debug)]
pub struct JsonProblem(serde_json::Error);

impl From<serde_json::Error> for JsonProblem {
    fn from(error: serde_json::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for JsonProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match text.rsplit_once(" at line ") {
            Some((text, _)) if self.0.column() > 0 => {
                write!(formatter, "{text} at column {}", self.0.column())
            }
            _ => formatter.write_str(&text),
        }
    }
}
