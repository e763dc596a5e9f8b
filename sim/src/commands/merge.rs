//! `turnstile merge`.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use turnstile::explore::{self, Exploration};
use turnstile_scenarios::read_file;

use super::exit::{Exit, ignore_broken_pipe, print_error};
use super::explore::{exit_of_exploration, write};
use super::output_file::OutputFile;

/// The largest result that is read, in bytes.
const LARGEST_RESULT: u64 = 256 << 20;

/// Arguments of `turnstile merge`.
#[derive(Args)]
pub(crate) struct MergeArguments {
    /// Results of `turnstile explore --json`
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write the merged result as JSON
    #[arg(long, short, value_name = "FILE")]
    output: Option<OutputFile>,
}

/// Merges results and reports the total.
pub(crate) fn merge(arguments: &MergeArguments) -> io::Result<Exit> {
    let mut whole: Option<Exploration> = None;
    for file in &arguments.files {
        let exploration = match read(file) {
            Ok(exploration) => exploration,
            Err(error) => {
                print_error(&error);
                return Ok(Exit::Usage);
            }
        };
        match &mut whole {
            None => whole = Some(exploration),
            Some(whole) => {
                if let Err(error) = whole.merge(exploration) {
                    print_error(&format!("cannot merge {}: {error}", file.display()));
                    return Ok(Exit::Usage);
                }
            }
        }
    }
    let whole = whole.expect("clap requires at least one file");
    let written = explore::write_exploration(&mut anstream::stdout(), &whole);
    if let Some(file) = &arguments.output
        && !file.write("the merged result", |out| write(&whole, out))
    {
        return Ok(Exit::Harness);
    }
    ignore_broken_pipe(written)?;
    Ok(exit_of_exploration(&whole))
}

fn read(file: &Path) -> Result<Exploration, String> {
    let text = read_file(file, LARGEST_RESULT)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let read: Exploration = serde_json::from_str(&text).map_err(|error| {
        let file = file.display();
        format!("{file} is not a result of `turnstile explore --json`: {error}")
    })?;
    let is_known = read.check_layout();
    is_known.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(read)
}
