//! What can be said on the command line and by the environment, as it is said: `settings` reads it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for a person to read
    Text,
    /// A JSON object a line
    Json,
}

/// Whether there is something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// There is
    #[default]
    On,
    /// There is not
    Off,
}

/// The settings of a server. Each can be given by a flag or by the environment; a flag counts before the
/// environment. Secrets are better given by the environment: everybody on a machine sees the flags of its processes.
#[derive(Args)]
pub struct Arguments {
    /// Where it listens; port 0 takes a free one
    #[arg(
        long,
        env = "TURNSTILE_LISTEN",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:8787"
    )]
    pub listen: String,
    /// The directory with its state; it is made if it is not there, and belongs to one server at a time
    #[arg(long, env = "TURNSTILE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The secret under which users' tokens are signed (HS256)
    #[arg(
        long,
        env = "TURNSTILE_API_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub api_secret: Option<String>,
    /// The secret under which stream tickets are signed (HS256)
    #[arg(
        long,
        env = "TURNSTILE_TICKET_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub ticket_secret: Option<String>,
    /// What callers of internal procedures send as `x-internal-api-key`
    #[arg(
        long,
        env = "TURNSTILE_INTERNAL_API_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub internal_api_key: Option<String>,
    /// Where wrappers are reached; `{session}` stands for the id of the session, and without it one wrapper works
    /// for all
    #[arg(long, env = "TURNSTILE_WRAPPER_URL", value_name = "URL")]
    pub wrapper_url: Option<String>,
    /// Where wrappers reach this server; left out, that is the address at which it listens
    #[arg(long, env = "TURNSTILE_INGEST_URL", value_name = "URL")]
    pub ingest_url: Option<String>,
    /// What becomes of callbacks.
    #[command(flatten)]
    pub callbacks: CallbackArguments,
    /// Take over the session that an older service left in this file, unless it is there already
    #[arg(long = "import", env = "TURNSTILE_IMPORT", value_name = "FILE")]
    pub imports: Vec<PathBuf>,
    /// How many times as fast its clock runs, for tests: every duration of the protocol is so much shorter
    #[arg(long, env = "TURNSTILE_SPEED", value_name = "N")]
    pub speed: Option<String>,
    /// When the fast clock showed the true time, as an RFC 3339 timestamp; clocks with the same two settings agree
    #[arg(long, env = "TURNSTILE_SPEED_SINCE", value_name = "TIMESTAMP")]
    pub speed_since: Option<String>,
    /// End when standard input is closed, as it is when whoever started it and holds the other end is gone
    #[arg(long)]
    pub end_with_stdin: bool,
    /// What is logged, as tracing filters have it: `info`, `debug`, `turnstile_reference::host=debug,warn`
    #[arg(long, env = "TURNSTILE_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
    /// How the log is written
    #[arg(
        long,
        env = "TURNSTILE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

/// The settings of callbacks; by default nothing is said.
#[derive(Default, Args)]
pub struct CallbackArguments {
    /// Whether callbacks are handed on; without the queue they are kept, for a server that has it again
    #[arg(
        long,
        env = "TURNSTILE_CALLBACK_QUEUE",
        value_name = "WHICH",
        default_value = "on"
    )]
    pub callback_queue: Switch,
    /// How long a callback's receiver may take to answer, such as 10s, which it is if left out
    #[arg(long, env = "TURNSTILE_CALLBACK_TIMEOUT", value_name = "DURATION")]
    pub callback_timeout: Option<String>,
    /// How many requests are made at most for one callback; 5 if left out
    #[arg(long, env = "TURNSTILE_CALLBACK_ATTEMPTS", value_name = "N")]
    pub callback_attempts: Option<String>,
    /// How long to wait after the first request that failed, such as 60s, which it is if left out; it doubles with each
    #[arg(long, env = "TURNSTILE_CALLBACK_RETRY", value_name = "DURATION")]
    pub callback_retry: Option<String>,
}
