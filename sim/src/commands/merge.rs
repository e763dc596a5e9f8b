//! `turnstile merge`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use turnstile::explore::{self, Exploration};

use super::exit::{Exit, complain, heard};
use super::explore::{exit_of_exploration, write};
use super::output_file::OutputFile;

/// Which results are put together.
#[derive(Args)]
pub(crate) struct MergeArguments {
    /// What `turnstile explore --json` has written
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write the whole to a file too
    #[arg(long, short, value_name = "FILE")]
    output: Option<OutputFile>,
}

/// Puts the results of several explorations together, and tells of the whole.
pub(crate) fn merge(arguments: &MergeArguments) -> io::Result<Exit> {
    let mut whole: Option<Exploration> = None;
    for file in &arguments.files {
        let exploration = match read(file) {
            Ok(exploration) => exploration,
            Err(error) => {
                complain(&error);
                return Ok(Exit::Usage);
            }
        };
        match &mut whole {
            None => whole = Some(exploration),
            Some(whole) => {
                if let Err(error) = whole.merge(exploration) {
                    complain(&format!(
                        "{} cannot be put to the others: {error}",
                        file.display()
                    ));
                    return Ok(Exit::Usage);
                }
            }
        }
    }
    let whole = whole.expect("the command line asks for a file at least");
    let told = explore::tell_exploration(&mut anstream::stdout(), &whole);
    if let Some(file) = &arguments.output
        && !file.write("the whole", |out| write(&whole, out))
    {
        return Ok(Exit::Harness);
    }
    heard(told)?;
    Ok(exit_of_exploration(&whole))
}

fn read(file: &Path) -> Result<Exploration, String> {
    let text = fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let read: Exploration = serde_json::from_slice(&text).map_err(|error| {
        let file = file.display();
        format!("{file} is not what `turnstile explore --json` writes: {error}")
    })?;
    let is_known = read.check_layout();
    is_known.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(read)
}
