//! The trace of a run: everything that was observed and done, in order.
//!
//! Runs are judged, compared and shown by their traces. `oracle` interprets a trace, `render` formats it.

pub mod render;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use turnstile_events::observation::Observation;
use turnstile_events::queue::Submission;
use turnstile_events::world::WorldEvent;

pub use self::render::Labels;

/// The party that steps of the script are recorded under.
pub const SCRIPT: &str = "script";
/// The party that faults and repairs are recorded under: the world itself.
pub const WORLD: &str = "world";

/// One entry of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Record {
    /// Time since the beginning of the run.
    #[serde(rename = "at_us", serialize_with = "as_microseconds")]
    #[schemars(with = "u64")]
    pub at: Duration,
    /// The party that observed or did it.
    #[schemars(with = "String")]
    pub party: Arc<str>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// The kinds of entries.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum What {
    /// An observation of a party at its edge of the wire.
    Observation(Observation),
    /// A change of the world.
    World(WorldEvent),
    /// The server submitted a job to its callback queue. Only simulated servers have such records.
    Queue(Submission),
    /// The script reached a step.
    Step {
        /// Its line in the script; 0 if the script is not a file.
        line: u32,
        /// Its text.
        step: String,
    },
}

fn as_microseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    duration.as_micros().serialize(serializer)
}

/// A digest of a whole trace. Traces with equal digests are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceDigest([u8; 32]);

impl fmt::Display for TraceDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// The record of one run, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    epoch: Timestamp,
    records: Vec<Record>,
}

impl Trace {
    /// An empty trace of a run that begins at `epoch`.
    pub fn new(epoch: Timestamp) -> Self {
        Self {
            epoch,
            records: Vec::new(),
        }
    }

    /// The time at which the run began.
    pub fn epoch(&self) -> Timestamp {
        self.epoch
    }

    /// The time since the beginning of the run at `time`; `None` before the beginning.
    pub fn since_beginning(&self, time: Timestamp) -> Option<Duration> {
        time.duration_since(self.epoch).try_into().ok()
    }

    /// Adds a record. It must not be earlier than the last one.
    pub fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    /// All records, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The time of the last record; zero without records.
    pub fn end(&self) -> Duration {
        self.records.last().map_or(Duration::ZERO, |last| last.at)
    }

    /// All observations, each with its time and party.
    pub fn observations(&self) -> impl DoubleEndedIterator<Item = (Duration, &str, &Observation)> {
        self.records.iter().filter_map(|record| match &record.what {
            What::Observation(observation) => Some((record.at, &*record.party, observation)),
            What::World(_) | What::Queue(_) | What::Step { .. } => None,
        })
    }

    /// Writes the trace, one JSON object a line.
    ///
    /// # Errors
    ///
    /// Fails if `out` fails.
    pub fn write_json_lines(&self, out: &mut impl io::Write) -> io::Result<()> {
        for record in &self.records {
            serde_json::to_writer(&mut *out, record)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// The digest of the trace's JSON lines.
    pub fn digest(&self) -> TraceDigest {
        let mut hasher = HashWriter(Sha256::new());
        self.write_json_lines(&mut hasher)
            .expect("hashing does not fail, and records are JSON");
        TraceDigest(hasher.0.finalize().into())
    }

    /// The first record in which two traces differ; `None` if they are equal.
    pub fn first_difference<'a>(&'a self, other: &'a Self) -> Option<Difference<'a>> {
        let length = self.records.len().max(other.records.len());
        (0..length)
            .map(|index| Difference {
                index,
                one: self.records.get(index),
                other: other.records.get(index),
            })
            .find(|difference| difference.one != difference.other)
    }
}

/// The first difference of two traces.
#[derive(Debug, Clone, Copy)]
pub struct Difference<'a> {
    /// The number of the record, from 0.
    pub index: usize,
    /// The record of one trace; `None` if it has ended.
    pub one: Option<&'a Record>,
    /// The record of the other trace.
    pub other: Option<&'a Record>,
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line =
            |record: Option<&Record>| record.map_or("(end of the trace)".to_owned(), ToString::to_string);
        writeln!(formatter, "the traces differ at record {}:", self.index)?;
        writeln!(formatter, "  one:   {}", line(self.one))?;
        write!(formatter, "  other: {}", line(self.other))
    }
}

struct HashWriter(Sha256);

impl io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
