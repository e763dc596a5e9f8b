//! Arguments that several commands share.

use std::io;
use std::num::NonZeroUsize;

use clap::Args;
use turnstile::report::TerminalReporter;
use turnstile::workers;

/// Heading of options that select scenarios and seeds.
pub(crate) const FILTER_OPTIONS: &str = "Filter options";
/// Heading of options that control how scenarios run.
pub(crate) const RUNNER_OPTIONS: &str = "Runner options";
/// Heading of options that control reports.
pub(crate) const REPORTER_OPTIONS: &str = "Reporter options";
/// Heading of options that select the server.
pub(crate) const SERVER_OPTIONS: &str = "Server options";

/// The number of parallel plays.
#[derive(Args)]
pub(crate) struct JobsArguments {
    /// Number of parallel plays [default: number of cores]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
}

impl JobsArguments {
    /// The given number, or the number of cores.
    pub(crate) fn count(&self) -> NonZeroUsize {
        self.jobs.unwrap_or_else(workers::all_cores)
    }
}

/// What the terminal report shows of each play.
#[derive(Args)]
pub(crate) struct ShownArguments {
    /// Number of trace lines shown for each failure
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub(crate) trace_lines: usize,
    /// Show the digest of each trace
    #[arg(long)]
    pub(crate) digest: bool,
}

impl ShownArguments {
    /// A terminal reporter with these settings.
    pub(crate) fn terminal<W: io::Write>(&self, out: W) -> TerminalReporter<W> {
        TerminalReporter::new(out, self.trace_lines).with_digest(self.digest)
    }
}
