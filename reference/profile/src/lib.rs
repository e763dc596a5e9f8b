//! The durations, limits and numbers of attempts of the protocol, as data.
//!
//! A server works with a [`Profile`], and the oracles judge it by the same one. The default has the protocol's
//! values. In a file a duration is text such as `"2s"` or `"1h 30m"`, and an absent field has its default.
//!
//! Only values belong here: no logic of the protocol, and no dependency on another crate of this workspace. [`json`] is here
//! because almost all crates stand above this one.

mod duration;
pub mod json;
mod number;

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest duration in a file: 365 days.
pub const LONGEST_DURATION: Duration = Duration::from_hours(365 * 24);
/// The largest number in a file.
pub const LARGEST_NUMBER: usize = 1 << 30;
/// The largest number of attempts in a file. The delay between attempts doubles.
pub const MOST_ATTEMPTS: u32 = 16;
/// The largest number of durations of a list in a file.
pub const MOST_DELAYS: usize = 100;

/// Defines a struct with the default values of its fields.
macro_rules! with_defaults {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)+)])?
                pub $field:ident: $type:ty = $default:expr,
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])+ $(#[serde($($serde)+)])? pub $field: $type,)*
        }

        impl $name {
            /// Names, kinds and descriptions of all fields, in order.
            const FIELDS: &[(&str, Kind, &[&str])] =
                &[$((stringify!($field), <$type as HasKind>::KIND, &[$($doc),+])),*];
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

with_defaults! {
    /// The durations, limits and numbers of attempts of one server. The default has the protocol's values.
    pub struct Profile {
        /// The maximum number of pending messages in a session (R3.11).
        #[serde(deserialize_with = "number::up_to_largest")]
        pub pending_limit: usize = 10,
        /// The maximum length of a prompt, in characters (R2.38).
        #[serde(deserialize_with = "number::up_to_largest")]
        pub prompt_limit: usize = 100_000,
        /// The maximum size of a request body, in bytes (R2.36). The longest prompt fits with every character
        /// escaped.
        #[serde(deserialize_with = "number::up_to_largest")]
        pub body_limit: usize = 2 * 1024 * 1024,
        /// The number of bytes of an oversized request body that are read before the connection is closed (R2.37).
        #[serde(deserialize_with = "number::up_to_largest")]
        pub body_read_limit: usize = 16 * 1024 * 1024,

        /// The delay between an admission and its drain (R3.14), and between a delivery and the next drain (R4.3).
        #[serde(with = "duration")]
        pub drain_delay: Duration = seconds(1),
        /// The delays after failed deliveries in a warm session (R4.7). With n delays there are n + 1 attempts
        /// (R4.9).
        #[serde(with = "duration::list")]
        pub delivery_retry_delays_warm: Vec<Duration> = vec![seconds(2)],
        /// The delays after failed deliveries in a cold session (R4.8). With n delays there are n + 1 attempts
        /// (R4.9).
        #[serde(with = "duration::list")]
        pub delivery_retry_delays_cold: Vec<Duration> = vec![seconds(2)],

        /// The codes of a wrapper's refusals after which a delivery is not tried again (R4.12).
        pub permanent_refusals: Vec<String> = Vec::new(),

        /// The time-out for connecting to a wrapper (R5.11).
        #[serde(with = "duration")]
        pub wrapper_connect_timeout: Duration = seconds(10),
        /// The time-out for the answer to `/session/ready` (R5.12).
        #[serde(with = "duration")]
        pub wrapper_ready_timeout: Duration = seconds(600),
        /// The time-out for the answer to `/job/…` (R5.12).
        #[serde(with = "duration")]
        pub wrapper_job_timeout: Duration = seconds(30),
        /// The pauses of a wrapper before its attempts to reconnect a lost ingest. It gives up when the attempt after the
        /// last one fails (R11.29, R11.31).
        #[serde(with = "duration::list")]
        pub wrapper_reconnect_pauses: Vec<Duration> = vec![seconds(1), seconds(2), seconds(4)],
        /// The maximum number of events that a wrapper keeps while its ingest is lost. It drops the oldest first (R11.29).
        #[serde(deserialize_with = "number::up_to_largest")]
        pub wrapper_buffer: usize = 1000,
        /// The time after which a wrapper gives up opening an ingest, when a script lets it: long enough for the request to
        /// reach the server (R11.28).
        #[serde(with = "duration")]
        pub wrapper_abandons_after: Duration = Duration::from_millis(5),
        /// The validity of a wrapper's token (R2.30).
        #[serde(with = "duration")]
        pub worker_token_lifetime: Duration = days(90),

        /// The time that a run with outstanding work may be without an ingest socket (R7.1).
        #[serde(with = "duration")]
        pub disconnect_grace: Duration = seconds(10),
        /// The interval between the last frame and the next ping (R7.2).
        #[serde(with = "duration")]
        pub ping_interval: Duration = seconds(60),
        /// The time-out for the pong (R7.3).
        #[serde(with = "duration")]
        pub pong_timeout: Duration = seconds(30),
        /// The time that an accepted message may be without meaningful output (R7.4).
        #[serde(with = "duration")]
        pub no_output_timeout: Duration = seconds(300),
        /// The interval at which output without other effects is recorded (R7.31), so that the no-output deadline
        /// survives a restart.
        #[serde(with = "duration")]
        pub output_record_interval: Duration = seconds(1),
        /// The delay between root idle and idle reconciliation (R7.5).
        #[serde(with = "duration")]
        pub idle_reconciliation_delay: Duration = seconds(15),
        /// The time that a ready wrapper may be without an accepted message (R7.6).
        #[serde(with = "duration")]
        pub ready_only_timeout: Duration = seconds(60),
        /// The time that an idle wrapper is kept for the next message (R7.7).
        #[serde(with = "duration")]
        pub keep_warm: Duration = seconds(300),
        /// The time that a session is kept without activity (R7.11).
        #[serde(with = "duration")]
        pub session_lifetime: Duration = days(90),
        /// The maximum duration of an execution of an older service, from its start (R10.31).
        #[serde(with = "duration")]
        pub execution_timeout: Duration = Duration::from_hours(1),
        /// The delay after the start of the server at which deadlines fire that have passed before (R7.28).
        #[serde(with = "duration")]
        pub resume_delay: Duration = seconds(1),

        /// The delay after a failed submission of a callback to the queue (R8.20).
        #[serde(with = "duration")]
        pub enqueue_retry_delay: Duration = seconds(30),
        /// The time-out for the answer of a callback receiver (R8.26).
        #[serde(with = "duration")]
        pub callback_timeout: Duration = seconds(10),
        /// The maximum number of requests for one callback job (R8.31).
        #[serde(deserialize_with = "number::attempts")]
        pub callback_attempts: NonZeroU32 = at_least_one(5),
        /// The delay after the first failed request for a callback job, which doubles with each failure (R8.30).
        #[serde(with = "duration")]
        pub callback_retry_base: Duration = seconds(60),

        /// The maximum size of a callback job, in bytes of JSON (R8.35).
        #[serde(deserialize_with = "number::up_to_largest")]
        pub callback_job_limit: usize = 127_000,
        /// The time by which the queue of callbacks may delay a request (R8.39).
        #[serde(with = "duration")]
        pub callback_latency: Duration = Duration::ZERO,

        /// Whether `start` accepts a callback target (R2.118).
        pub callback_at_start: bool = true,
        /// Whether a deletion still delivers the callbacks that are owed (R2.122).
        pub delete_keeps_callbacks: bool = true,
        /// Whether an assistant message that never finished counts as a reply at reconciliation (R7.23).
        pub unfinished_reply_counts: bool = false,
        /// Whether the filters of a stream apply to the snapshot that is shown on connect (R9.9).
        pub filters_hide_snapshot: bool = true,

        /// The size of the portions in which a replay reads events, in bytes (R9.18).
        #[serde(deserialize_with = "number::up_to_largest")]
        pub replay_round_bytes: usize = 1024 * 1024,
        /// The number of events that a client may be behind before it is disconnected (R9.25).
        #[serde(deserialize_with = "number::up_to_largest")]
        pub subscriber_backlog: usize = 4096,

        /// The delay after a failed commit of an input that cannot be requested again (R3.18).
        #[serde(with = "duration")]
        pub commit_retry_delay: Duration = seconds(1),
        /// The time that a server waits for pending requests when it shuts down.
        #[serde(with = "duration")]
        pub shutdown_patience: Duration = seconds(5),
    }
}

/// A field of a [`Profile`], for documents and for other notations of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: Kind,
    /// Its default value, as in a file.
    pub default: String,
    /// Its description.
    pub doc: String,
}

/// The kind of values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number from 0.
    Number,
    /// A whole number from 1.
    PositiveNumber,
    /// A duration.
    Duration,
    /// A list of durations.
    Durations,
    /// A list of texts.
    Texts,
}

/// A type of fields.
trait HasKind {
    const KIND: Kind;
}

impl HasKind for bool {
    const KIND: Kind = Kind::Flag;
}

impl HasKind for usize {
    const KIND: Kind = Kind::Number;
}

impl HasKind for NonZeroU32 {
    const KIND: Kind = Kind::PositiveNumber;
}

impl HasKind for Duration {
    const KIND: Kind = Kind::Duration;
}

impl HasKind for Vec<Duration> {
    const KIND: Kind = Kind::Durations;
}

impl HasKind for Vec<String> {
    const KIND: Kind = Kind::Texts;
}

impl Profile {
    /// All fields, in order.
    ///
    /// # Panics
    ///
    /// Never: a profile is plain data, which can be written.
    pub fn fields() -> Vec<Field> {
        let values = serde_json::to_value(Self::default()).expect("a profile is plain data");
        let field = |(name, kind, doc): &(&'static str, Kind, &[&str])| Field {
            name,
            kind: *kind,
            default: shown(&values[*name]),
            doc: doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
        };
        Self::FIELDS.iter().map(field).collect()
    }
}

/// A value as a document shows it: texts without quotes, lists without brackets.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

const fn days(number: u64) -> Duration {
    Duration::from_hours(24 * number)
}

/// Returns `number`, or 1 instead of 0.
const fn at_least_one(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_overrides_defaults_and_durations_are_text() {
        let written =
            r#"{"pending_limit": 3, "disconnect_grace": "1m 30s", "delivery_retry_delays_warm": ["4s"]}"#;
        let profile: Profile = serde_json::from_str(written).unwrap();
        let expected = Profile {
            pending_limit: 3,
            disconnect_grace: seconds(90),
            delivery_retry_delays_warm: vec![seconds(4)],
            ..Profile::default()
        };
        assert_eq!(profile, expected);
    }

    #[test]
    fn a_profile_survives_serialization() {
        let written = serde_json::to_value(Profile::default()).unwrap();
        assert_eq!(written["drain_delay"], "1s");
        assert_eq!(written["delivery_retry_delays_warm"][0], "2s");
        let read: Profile = serde_json::from_value(written).unwrap();
        assert_eq!(read, Profile::default());
    }

    #[test]
    fn values_beyond_their_limits_are_errors() {
        let delays = format!("[{}]", vec![r#""1s""#; MOST_DELAYS + 1].join(","));
        for (field, value, named) in [
            ("drain_delay", r#""8761h""#, "the longest duration is 8760h"),
            (
                "delivery_retry_delays_warm",
                r#"["8761h"]"#,
                "the longest duration is 8760h",
            ),
            ("delivery_retry_delays_warm", &delays, "at most 100 durations"),
            ("pending_limit", "1073741825", "the largest number is 1073741824"),
            ("callback_attempts", "17", "at most 16 attempts"),
            ("callback_attempts", "0", "nonzero"),
        ] {
            let read = serde_json::from_str::<Profile>(&format!(r#"{{"{field}": {value}}}"#));
            let error = read.expect_err(field).to_string();
            assert!(error.contains(named), "{field}: {error}");
        }
    }

    #[test]
    fn an_unknown_field_is_an_error() {
        let read = serde_json::from_str::<Profile>(r#"{"pending_limits": 3}"#);
        let error = read.unwrap_err().to_string();
        assert!(error.contains("unknown field `pending_limits`"), "{error}");
    }
}
