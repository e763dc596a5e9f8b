//! Arguments that several commands share.

use std::io;
use std::num::NonZeroUsize;

use clap::Args;
use turnstile::report::TerminalReporter;
use turnstile::workers;

/// How many plays run at once.
#[derive(Args)]
pub(crate) struct JobsArguments {
    /// How many plays there are at once; as many as there are cores if left out
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
}

impl JobsArguments {
    /// As many as were asked for, or as there are cores.
    pub(crate) fn count(&self) -> NonZeroUsize {
        self.jobs.unwrap_or_else(workers::all_cores)
    }
}

/// What is shown of each play.
#[derive(Args)]
pub(crate) struct ShownArguments {
    /// How many last lines of the trace are shown where something did not hold
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub(crate) trace_lines: usize,
    /// Show the digest of each trace
    #[arg(long)]
    pub(crate) digest: bool,
}

impl ShownArguments {
    /// A reporter that shows that.
    pub(crate) fn terminal<W: io::Write>(&self, out: W) -> TerminalReporter<W> {
        TerminalReporter::new(out, self.trace_lines).with_digest(self.digest)
    }
}
