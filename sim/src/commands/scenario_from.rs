//! `turnstile scenario-from`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use turnstile::recordings::cut::{self, Cut};

use super::exit::{Exit, print_error};
use super::output_file::OutputFile;
use super::recording_file;

/// Arguments of `turnstile scenario-from`.
#[derive(Args)]
pub(crate) struct ScenarioFromArguments {
    /// Recording; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the script to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<OutputFile>,
}

/// Cuts a script from a recording.
pub(crate) fn scenario_from(arguments: &ScenarioFromArguments) -> io::Result<Exit> {
    let file = &arguments.file;
    let cut = recording_file::read(file).and_then(|recording| {
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
        let cut = cut::scenario_from(&recording, &name);
        cut.map_err(|error| format!("{}: {error}", file.display()))
    });
    let Cut { scenario, left_out } = match cut {
        Ok(cut) => cut,
        Err(error) => {
            print_error(&error);
            return Ok(Exit::Usage);
        }
    };
    for (what, times) in left_out {
        anstream::eprintln!("left out: {what} ({times} times)");
    }
    let script = scenario.to_yaml();
    match &arguments.output {
        None => anstream::stdout().write_all(script.as_bytes())?,
        Some(file) => {
            if !file.write("the script", |out| out.write_all(script.as_bytes())) {
                return Ok(Exit::Harness);
            }
            anstream::eprintln!("replay: turnstile replay {}", file.display());
        }
    }
    Ok(Exit::Passed)
}
