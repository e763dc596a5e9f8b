//! All that was observed at the parties' edges, in one ordered record.
//!
//! A trace is what a run is judged by, compared by and shown by. What it means is `oracle`'s business, how
//! it looks is `render`'s.

pub mod render;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use turnstile_events::observation::Observation;
use turnstile_events::world::WorldEvent;

pub use self::render::Labels;

/// The party that steps of the script are recorded under.
pub const SCRIPT: &str = "script";
/// The party that is struck by, or strikes, nothing: the world itself.
pub const WORLD: &str = "world";

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// When, since the beginning of the run.
    #[serde(rename = "at_us", serialize_with = "as_microseconds")]
    pub at: Duration,
    /// To whom.
    pub party: Arc<str>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum What {
    /// A party saw something at its edge of the wire.
    Observation(Observation),
    /// Something was done to the world.
    World(WorldEvent),
    /// The script came to a step.
    Step {
        /// Its line in the script; 0 if it was never in a file.
        line: u32,
        /// What it says.
        step: String,
    },
}

fn as_microseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    duration.as_micros().serialize(serializer)
}

/// A digest of a whole trace: equal digests, equal traces.
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

    /// How long after its beginning the run is at `time`; none before it.
    pub fn since_beginning(&self, time: Timestamp) -> Option<Duration> {
        time.duration_since(self.epoch).try_into().ok()
    }

    /// Adds a record, which is not earlier than the last one.
    pub fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    /// All records, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// All observations, with when and whose they are.
    pub fn observations(&self) -> impl DoubleEndedIterator<Item = (Duration, &str, &Observation)> {
        self.records.iter().filter_map(|record| match &record.what {
            What::Observation(observation) => Some((record.at, &*record.party, observation)),
            What::World(_) | What::Step { .. } => None,
        })
    }

    /// Writes the trace, one JSON object a line.
    ///
    /// # Errors
    ///
    /// As `out` fails.
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

    /// The place from which on two traces differ, with what each has there; none if they are the same.
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

/// Where two traces part.
#[derive(Debug, Clone, Copy)]
pub struct Difference<'a> {
    /// The number of the record, from 0.
    pub index: usize,
    /// What the one has there; nothing if it is over.
    pub one: Option<&'a Record>,
    /// What the other has.
    pub other: Option<&'a Record>,
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line =
            |record: Option<&Record>| record.map_or("(the trace is over)".to_owned(), ToString::to_string);
        writeln!(formatter, "the traces part at record {}:", self.index)?;
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
