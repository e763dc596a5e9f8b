//! What can be wrong with a setting, each with what would be right.

use tracing_subscriber::filter::ParseError;

use super::wrapper_url::WrongWrapperUrl;

/// What a wrapper's URL can be.
const WRAPPER_URLS: &str = "give, for example, http://127.0.0.1:9000 or http://{session}.sandboxes:9000";

/// What is wrong with a setting. The text continues the name of the setting. What may be a secret is not repeated.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(
        "is missing: {listen} is no address that a wrapper can connect to; \
         give one, for example ws://turnstile.internal:8787"
    )]
    MissingIngestUrl { listen: String },
    #[error("is missing: give the directory for the server's state; it is made if need be")]
    MissingDirectory,
    #[error("is missing: give any text that nobody guesses")]
    MissingSecret,
    #[error("is missing: {WRAPPER_URLS}")]
    MissingWrapperUrl,
    #[error("is missing: {0} does not go without it")]
    MissingCounterpart(&'static str),
    #[error("is empty: give any text that nobody guesses")]
    EmptySecret,
    #[error("is {0:?}, which is no address; give a host and a port, for example 127.0.0.1:8787")]
    Address(String),
    #[error("is {text:?}: {source}; {WRAPPER_URLS}")]
    WrapperUrl { text: String, source: WrongWrapperUrl },
    #[error("is {0:?}, which is no WebSocket's URL; give, for example, ws://127.0.0.1:8787")]
    IngestUrl(String),
    #[error("is {0:?}; give a duration of at most a day, for example 500ms, 10s or 2m")]
    Duration(String),
    #[error("is {text:?}; give a number from 1 to {most}")]
    Number { text: String, most: u32 },
    #[error("is {0:?}, which is no timestamp; give, for example, 2026-01-01T00:00:00Z")]
    Timestamp(String),
    #[error("is {0}, which is in the future; give a time that is past")]
    InTheFuture(String),
    #[error("is so long ago that a clock {times} times as fast has left the calendar; give a later time")]
    TooLongAgo { times: u32 },
    #[error(
        "is {text:?}, which is no filter ({source}); give, for example, info or turnstile_reference=debug"
    )]
    LogFilter { text: String, source: ParseError },
}
