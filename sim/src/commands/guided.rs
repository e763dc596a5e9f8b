//! `turnstile explore --guided`: its arguments, and the scripts of plays that fail.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use turnstile::report::SeedReplay;
use turnstile_scenarios::Scenario;

use super::arguments::{FILTER_OPTIONS, REPORTER_OPTIONS};
use super::exit::print_error;

/// The default folder of scripts.
const SCRIPTS: &str = "guided";

/// Whether an exploration is guided.
#[derive(Args)]
pub(crate) struct GuidedArguments {
    /// Compose scenarios that combine what the earlier ones did not, in place of drawing each one independently
    ///
    /// The seeds are then numbers of plays. The scenario of a play depends on the numbers of the plays before it.
    #[arg(long, help_heading = FILTER_OPTIONS, conflicts_with = "live")]
    pub(crate) guided: bool,
    /// Write the script of the first guided play of each kind of finding into DIR [default: guided]
    #[arg(long, value_name = "DIR", help_heading = REPORTER_OPTIONS, requires = "guided")]
    scripts: Option<PathBuf>,
}

impl GuidedArguments {
    /// How a play is replayed against the server that the flags select.
    pub(crate) fn replay(&self, flags: String) -> SeedReplay {
        let folder = self.scripts.clone().unwrap_or_else(|| PathBuf::from(SCRIPTS));
        SeedReplay::scripts(folder, flags)
    }
}

/// Writes the script of a play to its file, if it has one. Prints an error if that fails. Returns whether all is written.
pub(crate) fn write_script(replay: &SeedReplay, number: u64, script: Option<&Scenario>) -> bool {
    let (Some(file), Some(script)) = (replay.script(number), script) else {
        return true;
    };
    let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder.and_then(|()| fs::write(&file, script.to_yaml()));
    if let Err(error) = &written {
        print_error(&format!("cannot write the script to {}: {error}", file.display()));
    }
    written.is_ok()
}
