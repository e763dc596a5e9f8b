//! `turnstile check`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use super::exit::{Exit, print_error};
use super::library::read;
use turnstile::explain::unknown_rules;

/// Checks scripts without playing them: that they can be played, and that the protocol has the rules that they name.
pub(crate) fn check(files: &[PathBuf]) -> io::Result<Exit> {
    let mut exit = Exit::Passed;
    for file in files {
        let checked = read(file).and_then(|(scenario, _)| {
            let unknown = unknown_rules(&scenario, file);
            match unknown.is_empty() {
                true => Ok(scenario),
                false => Err(unknown.join("\n\n")),
            }
        });
        match checked {
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
