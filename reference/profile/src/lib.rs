//! The durations, limits and numbers of attempts of the protocol, as data.
//!
//! A server works with a [`Profile`] and is judged by the same one. The default holds the protocol's values.
//! In a file a duration is text such as `"2s"` or `"1h 30m"`, and a field that is left out has its default.
//!
//! Only values belong here: no rule of the protocol, and nothing that needs another part of this workspace.

mod duration;

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Defines a struct whose fields have their default values beside them.
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
            /// Names and descriptions of all fields, in order.
            const FIELDS: &[(&str, &[&str])] = &[$((stringify!($field), &[$($doc),+])),*];
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

with_defaults! {
    /// The values of one server. The default is the protocol's.
    pub struct Profile {
        /// Messages that one session may have pending (protocol §3).
        pub pending_limit: usize = 10,
        /// Characters that a prompt may have (protocol §2).
        pub prompt_limit: usize = 100_000,
        /// Bytes that a request body may have (protocol §2). The longest prompt fits, with every character escaped.
        pub body_limit: usize = 2 * 1024 * 1024,
        /// Bytes of a too long request body that are read before the connection is closed (protocol §2).
        pub body_read_limit: usize = 16 * 1024 * 1024,

        /// From an admission to the drain that it schedules, and from one drain to the next (protocol §3, §4).
        #[serde(with = "duration")]
        pub drain_delay: Duration = seconds(1),
        /// Delays after each failed delivery, if the session has had a ready workspace (protocol §4). The failure
        /// that uses the last delay exhausts the message.
        #[serde(with = "duration::list")]
        pub delivery_retry_delays_warm: Vec<Duration> = [2, 4, 8, 15, 15].map(seconds).into(),
        /// Delays after each failed delivery, if the session never had a ready workspace (protocol §4). The failure
        /// that uses the last delay exhausts the message.
        #[serde(with = "duration::list")]
        pub delivery_retry_delays_cold: Vec<Duration> =
            [2, 4, 8, 16, 32, 60, 60, 60, 120, 120].map(seconds).into(),

        /// Time allowed for connecting to a wrapper (protocol §5).
        #[serde(with = "duration")]
        pub wrapper_connect_timeout: Duration = seconds(10),
        /// Time allowed for the answer to `/session/ready` (protocol §5).
        #[serde(with = "duration")]
        pub wrapper_ready_timeout: Duration = seconds(600),
        /// Time allowed for the answer to `/job/…` (protocol §5).
        #[serde(with = "duration")]
        pub wrapper_job_timeout: Duration = seconds(30),
        /// How long a wrapper's token for the ingest is valid (protocol §2).
        #[serde(with = "duration")]
        pub worker_token_lifetime: Duration = days(90),

        /// How long a run with unfinished work may be without an ingest socket (protocol §7).
        #[serde(with = "duration")]
        pub disconnect_grace: Duration = seconds(10),
        /// From the last output or pong to the next ping (protocol §7).
        #[serde(with = "duration")]
        pub ping_interval: Duration = seconds(60),
        /// Time allowed for the answer to a ping (protocol §7).
        #[serde(with = "duration")]
        pub pong_timeout: Duration = seconds(30),
        /// How long an accepted message may be without meaningful output (protocol §7).
        #[serde(with = "duration")]
        pub no_output_timeout: Duration = seconds(300),
        /// Output that changes nothing else is recorded at most this often, so that a restart does not take the
        /// wrapper for silent (protocol §7).
        #[serde(with = "duration")]
        pub output_record_interval: Duration = seconds(1),
        /// From the idle of the root to the reconciliation of messages that are still accepted (protocol §7).
        #[serde(with = "duration")]
        pub idle_reconciliation_delay: Duration = seconds(15),
        /// How long a wrapper may be ready with no message accepted (protocol §7).
        #[serde(with = "duration")]
        pub ready_only_timeout: Duration = seconds(60),
        /// How long an idle wrapper is kept for a next message (protocol §7).
        #[serde(with = "duration")]
        pub keep_warm: Duration = seconds(300),
        /// How long a session is kept without activity (protocol §7).
        #[serde(with = "duration")]
        pub session_lifetime: Duration = days(90),
        /// How long an execution of an older service may take from its start (protocol §10).
        #[serde(with = "duration")]
        pub execution_timeout: Duration = Duration::from_hours(1),
        /// A deadline that passed while the server was down is due this long after its start (protocol §7).
        #[serde(with = "duration")]
        pub resume_delay: Duration = seconds(1),

        /// From a failed enqueue of a callback to the next try (protocol §8).
        #[serde(with = "duration")]
        pub enqueue_retry_delay: Duration = seconds(30),
        /// Time allowed for the answer of a callback's receiver (protocol §8).
        #[serde(with = "duration")]
        pub callback_timeout: Duration = seconds(10),
        /// Requests that are made at most for one callback job (protocol §8).
        pub callback_attempts: NonZeroU32 = at_least_one(5),
        /// Delay after the first failed request for a callback job; it doubles with each further one (protocol §8).
        #[serde(with = "duration")]
        pub callback_retry_base: Duration = seconds(60),

        /// Bytes of events that are read from the store at once for a replay (protocol §9).
        pub replay_round_bytes: usize = 1024 * 1024,
        /// Events by which a client of the stream may be behind before it is cut off (protocol §9).
        pub subscriber_backlog: usize = 4096,

        /// From a failed commit to the next try, for an input that cannot be requested again (protocol §3).
        #[serde(with = "duration")]
        pub commit_retry_delay: Duration = seconds(1),
        /// How long a server that is stopping waits for requests in progress.
        #[serde(with = "duration")]
        pub shutdown_patience: Duration = seconds(5),
    }
}

/// A field of a [`Profile`], for documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its default value, as in a file.
    pub default: String,
    /// Its description.
    pub doc: String,
}

impl Profile {
    /// All fields, in order.
    ///
    /// # Panics
    ///
    /// Never: a profile is plain data, which can be written.
    pub fn fields() -> Vec<Field> {
        let values = serde_json::to_value(Self::default()).expect("a profile is plain data");
        let field = |(name, doc): &(&'static str, &[&str])| Field {
            name,
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

/// The number; 1 in place of 0.
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
    fn a_file_names_what_differs_and_durations_are_text() {
        let written =
            r#"{"pending_limit": 3, "disconnect_grace": "1m 30s", "delivery_retry_delays_warm": ["2s"]}"#;
        let profile: Profile = serde_json::from_str(written).unwrap();
        let expected = Profile {
            pending_limit: 3,
            disconnect_grace: seconds(90),
            delivery_retry_delays_warm: vec![seconds(2)],
            ..Profile::default()
        };
        assert_eq!(profile, expected);
    }

    #[test]
    fn a_profile_survives_being_written() {
        let written = serde_json::to_value(Profile::default()).unwrap();
        assert_eq!(written["drain_delay"], "1s");
        assert_eq!(written["delivery_retry_delays_warm"][3], "15s");
        let read: Profile = serde_json::from_value(written).unwrap();
        assert_eq!(read, Profile::default());
    }

    #[test]
    fn a_field_that_does_not_exist_is_an_error() {
        let read = serde_json::from_str::<Profile>(r#"{"pending_limits": 3}"#);
        let error = read.unwrap_err().to_string();
        assert!(error.contains("unknown field `pending_limits`"), "{error}");
    }
}
