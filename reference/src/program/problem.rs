//! The errors of settings. Each message says what to give instead.

use tracing_subscriber::filter::ParseError;

use super::wrapper_url::WrapperUrlError;

/// Examples of wrapper URLs.
const WRAPPER_URLS: &str = "give, for example, http://127.0.0.1:9000 or http://{session}.sandboxes:9000";

/// An error in a setting. The message continues the setting's name. It does not repeat values that may be secrets.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(
        "is missing: wrappers cannot connect to {listen}; \
         give a URL, for example ws://turnstile.internal:8787"
    )]
    MissingIngestUrl { listen: String },
    #[error("is missing: give the directory for the server's state; it is created if missing")]
    MissingDirectory,
    #[error("is missing: give a secret text that is hard to guess")]
    MissingSecret,
    #[error("is missing: {WRAPPER_URLS}")]
    MissingWrapperUrl,
    #[error("is missing: {0} requires it")]
    MissingCounterpart(&'static str),
    #[error("is empty: give a secret text that is hard to guess")]
    EmptySecret,
    #[error("is {0:?}, which is not an address; give a host and a port, for example 127.0.0.1:8787")]
    Address(String),
    #[error("is {text:?}: {source}; {WRAPPER_URLS}")]
    WrapperUrl { text: String, source: WrapperUrlError },
    #[error("is {0:?}, which is not a WebSocket URL; give, for example, ws://127.0.0.1:8787")]
    IngestUrl(String),
    #[error("is {0:?}; give a duration of at most a day, for example 500ms, 10s or 2m")]
    Duration(String),
    #[error("is {text:?}; give a number from 1 to {most}")]
    Number { text: String, most: u32 },
    #[error("is {0:?}, which is not a timestamp; give, for example, 2026-01-01T00:00:00Z")]
    Timestamp(String),
    #[error("is {0}, which is in the future; give a past time")]
    InTheFuture(String),
    #[error("is too long ago for a clock that is {times} times as fast; give a later time")]
    TooLongAgo { times: u32 },
    #[error(
        "is {text:?}, which is not a log filter ({source}); give, for example, info or turnstile_reference=debug"
    )]
    LogFilter { text: String, source: ParseError },
}
