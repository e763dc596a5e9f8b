//! `turnstile list`.

use std::io::{self, Write as _};

use turnstile_scenarios::{Entry, printable};

use super::exit::Exit;
use super::library::ScenarioArguments;

/// Lists scenarios with their titles.
pub(crate) fn list(arguments: &ScenarioArguments) -> io::Result<Exit> {
    let library = match arguments.load() {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = match arguments.select(&library) {
        Ok(entries) => entries,
        Err(exit) => return Ok(exit),
    };
    let mut out = anstream::stdout();
    for Entry { id, scenario, .. } in entries {
        writeln!(out, "{:<52} {}", printable(id), scenario.title)?;
    }
    Ok(Exit::Passed)
}
