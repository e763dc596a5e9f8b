//! A recording that is named on the command line.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use turnstile_judge::recording::Recording;
use turnstile_seams::error_chain::with_sources;

/// The name of standard input.
const STANDARD_INPUT: &str = "-";

/// Reads a recording from a file, or from standard input if it is named `-`. Errors name the file.
pub(super) fn read(file: &Path) -> Result<Recording, String> {
    let read = if file == Path::new(STANDARD_INPUT) {
        Recording::read(io::stdin().lock())
    } else {
        let opened = File::open(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        Recording::read(BufReader::new(opened))
    };
    read.map_err(|error| format!("{}: {}", file.display(), with_sources(&error)))
}
