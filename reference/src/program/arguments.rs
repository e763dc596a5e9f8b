//! The server's command line. Values are parsed and checked in `settings`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of text per event
    Text,
    /// One JSON object per event
    Json,
}

/// An option that is on or off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Enabled
    #[default]
    On,
    /// Disabled
    Off,
}

/// The settings of a server. Each has a flag and an environment variable; the flag takes precedence. Prefer the
/// environment for secrets: the flags of a process are visible to every user of the machine.
#[derive(Args)]
pub struct Arguments {
    /// The address to listen on; port 0 selects a free port
    #[arg(
        long,
        env = "TURNSTILE_LISTEN",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:8787"
    )]
    pub listen: String,
    /// The directory for the server's state, created if missing; only one server may use it at a time
    #[arg(long, env = "TURNSTILE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The secret that signs users' tokens (HS256)
    #[arg(
        long,
        env = "TURNSTILE_API_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub api_secret: Option<String>,
    /// The secret that signs stream tickets (HS256)
    #[arg(
        long,
        env = "TURNSTILE_TICKET_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub ticket_secret: Option<String>,
    /// The key that callers of internal procedures send as `x-internal-api-key`
    #[arg(
        long,
        env = "TURNSTILE_INTERNAL_API_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub internal_api_key: Option<String>,
    /// The URL of wrappers, `http` only; `{session}` is replaced by the session's id, and without it all sessions
    /// share one wrapper
    #[arg(long, env = "TURNSTILE_WRAPPER_URL", value_name = "URL")]
    pub wrapper_url: Option<String>,
    /// The URL at which wrappers reach this server [default: the address it listens on]
    #[arg(long, env = "TURNSTILE_INGEST_URL", value_name = "URL")]
    pub ingest_url: Option<String>,
    /// The settings of the callback queue.
    #[command(flatten)]
    pub callbacks: CallbackArguments,
    /// Import a session of an older service from this file, unless the session exists; repeatable
    #[arg(long = "import", env = "TURNSTILE_IMPORT", value_name = "FILE")]
    pub imports: Vec<PathBuf>,
    /// Run the server's clock N times as fast, for tests; requires --speed-since
    #[arg(long, env = "TURNSTILE_SPEED", value_name = "N")]
    pub speed: Option<String>,
    /// The time, in RFC 3339, at which the fast clock showed the real time; servers with the same two settings agree
    /// on the time
    #[arg(long, env = "TURNSTILE_SPEED_SINCE", value_name = "TIMESTAMP")]
    pub speed_since: Option<String>,
    /// Offer a test clock at this address, for tests: `POST /test/advance` with `{"ms": N}` moves the server's clock
    /// forward by N ms
    #[arg(long, env = "TURNSTILE_TEST_CLOCK", value_name = "HOST:PORT")]
    pub test_clock: Option<String>,
    /// Exit when standard input is closed, for example because the parent process has ended
    #[arg(long)]
    pub end_with_stdin: bool,
    /// The log filter, in the syntax of tracing's EnvFilter: `info`, `debug`, `turnstile_reference::host=debug,warn`
    #[arg(long, env = "TURNSTILE_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
    /// The log format
    #[arg(
        long,
        env = "TURNSTILE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

/// The settings of the callback queue. All are optional.
#[derive(Default, Args)]
pub struct CallbackArguments {
    /// Send callbacks; with `off` they are stored, and sent by a server that is started with `on`
    #[arg(
        long,
        env = "TURNSTILE_CALLBACK_QUEUE",
        value_name = "ON|OFF",
        default_value = "on"
    )]
    pub callback_queue: Switch,
    /// The time-out of one callback request [default: 10s]
    #[arg(long, env = "TURNSTILE_CALLBACK_TIMEOUT", value_name = "DURATION")]
    pub callback_timeout: Option<String>,
    /// The maximum number of requests for one callback [default: 5]
    #[arg(long, env = "TURNSTILE_CALLBACK_ATTEMPTS", value_name = "N")]
    pub callback_attempts: Option<String>,
    /// The delay after the first failed request, which doubles with each failure [default: 60s]
    #[arg(long, env = "TURNSTILE_CALLBACK_RETRY", value_name = "DURATION")]
    pub callback_retry: Option<String>,
}
