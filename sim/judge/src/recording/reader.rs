//! Reads a recording line by line. Memory is bounded by the limits and by the length of the input.

use std::io::{BufRead, Read as _};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Recording;
use super::error::{LineProblem, RecordingError};
use super::header::{Header, VERSION};
use super::limits::{LONGEST_LINE, LONGEST_TIME, MOST_RECORDS};
use crate::trace::{Record, Trace, What};

/// A record before its kind is known.
#[derive(Deserialize)]
struct Unread {
    at_us: u64,
    party: Arc<str>,
    #[serde(flatten)]
    what: Map<String, Value>,
}

/// The fields of a step's record.
#[derive(Deserialize)]
struct StepRecord {
    #[serde(default)]
    line: u32,
    step: String,
}

/// Reads a recording. Empty lines are skipped.
pub(super) fn read(mut input: impl BufRead) -> Result<Recording, RecordingError> {
    let mut line = Vec::new();
    let mut number = 0;
    let mut recording: Option<Recording> = None;
    loop {
        number += 1;
        line.clear();
        let taken = input.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut line);
        let wrong = |problem| RecordingError::Line { number, problem };
        if taken.map_err(RecordingError::Input)? == 0 {
            return recording.ok_or(RecordingError::Empty);
        }
        if line.last() != Some(&b'\n') && line.len() as u64 > LONGEST_LINE {
            return Err(wrong(LineProblem::TooLong));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match &mut recording {
            None => {
                let header = header(&line).map_err(wrong)?;
                let trace = Trace::new(header.epoch);
                recording = Some(Recording { header, trace });
            }
            Some(recording) => {
                let record = record(&line).map_err(wrong)?;
                append(&mut recording.trace, record).map_err(wrong)?;
            }
        }
    }
}

fn header(line: &[u8]) -> Result<Header, LineProblem> {
    let value: Value = serde_json::from_slice(line).map_err(|error| LineProblem::NotAHeader(error.into()))?;
    // A header of a later version may have other fields.
    if let Some(version) = value["version"].as_u64()
        && version != u64::from(VERSION)
    {
        return Err(LineProblem::Version(version));
    }
    serde_json::from_value(value).map_err(|error| LineProblem::NotAHeader(error.into()))
}

fn record(line: &[u8]) -> Result<Record, LineProblem> {
    let Value::Object(fields) =
        serde_json::from_slice(line).map_err(|error| LineProblem::NotJson(error.into()))?
    else {
        return Err(LineProblem::NoKind);
    };
    let Unread { at_us, party, what } = parse(fields)?;
    let at = Duration::from_micros(at_us);
    let what = if what.contains_key("saw") {
        What::Observation(parse(what)?)
    } else if what.contains_key("event") {
        What::World(parse(what)?)
    } else if what.contains_key("submitted") {
        What::Queue(parse(what)?)
    } else if what.contains_key("step") {
        let StepRecord { line, step } = parse(what)?;
        What::Step { line, step }
    } else {
        return Err(LineProblem::NoKind);
    };
    Ok(Record { at, party, what })
}

fn parse<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, LineProblem> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| LineProblem::NotARecord(error.into()))
}

fn append(trace: &mut Trace, record: Record) -> Result<(), LineProblem> {
    let before = trace.end();
    if record.at > LONGEST_TIME {
        return Err(LineProblem::TooLate);
    }
    if record.at < before {
        let at = record.at;
        return Err(LineProblem::Earlier { at, before });
    }
    if trace.records().len() == MOST_RECORDS {
        return Err(LineProblem::TooMany);
    }
    trace.push(record);
    Ok(())
}
