//! The first line of a recording: what was recorded, and what the records do not show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use turnstile_profile::Profile;

use crate::oracle::history::RunContext;
use crate::parties::{RECEIVER_AUTHORITY, Secrets};

/// The version of the format. It rises when a reader of the old format would misread the new one, not when a field is
/// added.
pub const VERSION: u32 = 1;

/// The header of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always `turnstile-trace`.
    pub format: Format,
    /// Version of the format, 1.
    pub version: u32,
    /// The time at which the recording begins; times of records count from it.
    #[schemars(with = "String")]
    pub epoch: Timestamp,
    /// The kinds of records that the recording has completely, for every session in it. A kind that is not listed may
    /// be missing or incomplete.
    pub records: BTreeSet<Kind>,
    /// Values of the server's profile that are not the protocol's defaults.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Value>")]
    pub profile: Profile,
    /// The clock of the run.
    #[serde(default)]
    pub clock: Clock,
    /// `host:port` at which the server reaches the callback receiver.
    #[serde(default = "default_receiver")]
    pub receiver: String,
    /// The secrets of the server, which oracles search for. They are never in a recording.
    #[serde(default, skip_serializing_if = "SecretsOf::is_unknown")]
    pub secrets: SecretsOf,
    /// Names of messages and executions in findings, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What was played, for a recording of a play.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// The name of the format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Format {
    /// The only one.
    #[default]
    #[serde(rename = "turnstile-trace")]
    Trace,
}

/// What a recording can have. Parties that are not recorded are missing from the records; an absent kind makes the
/// rules unknown that need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The recording begins before the sessions in it were created.
    Beginning,
    /// Requests of clients to the server, with the answers.
    Calls,
    /// Streams of clients, with their frames.
    Streams,
    /// Requests of the server to wrappers, with the answers.
    Deliveries,
    /// Ingest sockets of wrappers, with the frames in both directions.
    Ingest,
    /// Requests to the callback receiver, with the answers.
    Callbacks,
    /// Requests to the gateway, and the requests that it has at the end.
    Gateway,
    /// Faults. A recording without a fault has this kind if it is known that there was none.
    Faults,
    /// Jobs that the server submitted to its callback queue.
    Queue,
    /// At the end no party waits for the server, and a client named `observer` has read each session's log.
    End,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Beginning,
        Self::Calls,
        Self::Streams,
        Self::Deliveries,
        Self::Ingest,
        Self::Callbacks,
        Self::Gateway,
        Self::Faults,
        Self::Queue,
        Self::End,
    ];

    /// Its name in a header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Beginning => "beginning",
            Self::Calls => "calls",
            Self::Streams => "streams",
            Self::Deliveries => "deliveries",
            Self::Ingest => "ingest",
            Self::Callbacks => "callbacks",
            Self::Gateway => "gateway",
            Self::Faults => "faults",
            Self::Queue => "queue",
            Self::End => "end",
        }
    }
}

/// The clock of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Clock {
    /// Whether time passes while parties work. False in a simulated world.
    pub real: bool,
    /// How much longer than in a simulated world transmission and processing may take, in microseconds.
    pub tolerance_us: u64,
    /// How far a time that the server reports may lie before the time of the report, in microseconds.
    pub error_us: u64,
}

/// The longest tolerance and error that a header may state.
const LONGEST_TOLERANCE: Duration = Duration::from_hours(1);

impl Default for Clock {
    /// The clocks of several machines that are kept in step over a network.
    fn default() -> Self {
        Self {
            real: true,
            tolerance_us: 1_000_000,
            error_us: 1_000_000,
        }
    }
}

/// Whose secrets the server had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretsOf {
    /// Not stated. The rule about secrets searches for those in the records only: tokens of wrappers, headers of
    /// callback targets, and values of environments.
    #[default]
    Unknown,
    /// Those of every server in a simulated world.
    Simulation,
}

impl SecretsOf {
    fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

/// What was played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Id of the scenario.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its surface, `unified` or `legacy`.
    pub surface: String,
    /// The seed.
    pub seed: u64,
}

fn default_receiver() -> String {
    RECEIVER_AUTHORITY.to_owned()
}

impl Header {
    /// The header of a run in a context that has these kinds of records. The context's secrets are not in it.
    pub fn of(context: &RunContext, epoch: Timestamp, records: BTreeSet<Kind>) -> Self {
        let secrets = if context.secrets == Secrets::default().all() {
            SecretsOf::Simulation
        } else {
            SecretsOf::Unknown
        };
        Self {
            format: Format::Trace,
            version: VERSION,
            epoch,
            records,
            profile: (*context.profile).clone(),
            clock: Clock {
                real: context.in_real_time,
                tolerance_us: microseconds(context.timing_tolerance),
                error_us: microseconds(context.time_error),
            },
            receiver: context.receiver.clone(),
            secrets,
            labels: BTreeMap::new(),
            origin: None,
        }
    }

    /// What oracles know of the run besides its records.
    pub fn context(&self) -> RunContext {
        let span = |us| Duration::from_micros(us).min(LONGEST_TOLERANCE);
        let secrets = match self.secrets {
            SecretsOf::Unknown => Vec::new(),
            SecretsOf::Simulation => Secrets::default().all().map(str::to_owned).into(),
        };
        RunContext {
            time_error: span(self.clock.error_us),
            timing_tolerance: span(self.clock.tolerance_us),
            in_real_time: self.clock.real,
            secrets,
            receiver: self.receiver.clone(),
            profile: Arc::new(self.profile.clone()),
        }
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
