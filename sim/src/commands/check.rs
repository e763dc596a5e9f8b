//! `turnstile check`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use super::exit::{Exit, print_error};
use super::library::read;

/// Checks scripts without playing them.
pub(crate) fn check(files: &[PathBuf]) -> io::Result<Exit> {
    let mut exit = Exit::Passed;
    for file in files {
        match read(file) {
            Ok(scenario) => {
                let (steps, expectations) = (scenario.steps.len(), scenario.expect.len());
                writeln!(
                    anstream::stdout(),
                    "{}: ok ({steps} steps, {expectations} expectations)",
                    file.display()
                )?;
            }
            Err(error) => {
                print_error(&error);
                exit = Exit::Usage;
            }
        }
    }
    Ok(exit)
}
