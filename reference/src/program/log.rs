//! What the operator sees of the server's work, on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use super::arguments::LogFormat;
use super::problem::Problem;

/// How the log is to be written, and what of it.
#[derive(Debug, Clone)]
pub(super) struct Log {
    filter: String,
    format: LogFormat,
}

impl Log {
    /// A log with this filter.
    ///
    /// # Errors
    ///
    /// What is wrong with the filter.
    pub(super) fn new(filter: &str, format: LogFormat) -> Result<Self, Problem> {
        EnvFilter::try_new(filter).map_err(|source| Problem::LogFilter {
            text: filter.to_owned(),
            source,
        })?;
        Ok(Self {
            filter: filter.to_owned(),
            format,
        })
    }

    /// Writes the log from now on, unless the process has one already.
    pub(super) fn install(&self) {
        let is_coloured = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let log = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(&self.filter))
            .with_writer(io::stderr)
            .with_ansi(is_coloured);
        let _ = match self.format {
            LogFormat::Text => log.try_init(),
            LogFormat::Json => log.json().flatten_event(true).try_init(),
        };
    }
}
