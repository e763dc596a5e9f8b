//! The log, on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use super::arguments::LogFormat;
use super::problem::Problem;

/// A valid log filter and the log's format.
#[derive(Debug, Clone)]
pub(super) struct Log {
    filter: String,
    format: LogFormat,
}

impl Log {
    /// Parses the filter.
    ///
    /// # Errors
    ///
    /// If the filter is malformed.
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

    /// Installs the log as the process's subscriber. Does nothing if the process already has one.
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
