//! `turnstile list`.

use std::io::{self, Write as _};

use turnstile_scenarios::Entry;

use super::exit::Exit;
use super::library::{LibraryArguments, load, nothing_matches};

/// Lists scenarios with their titles.
pub(crate) fn list(filter: Option<&str>, library: &LibraryArguments) -> io::Result<Exit> {
    let library = match load(library) {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = library.matching(filter);
    if entries.is_empty() {
        return Ok(nothing_matches(filter));
    }
    let mut out = anstream::stdout();
    for Entry { id, scenario, .. } in entries {
        writeln!(out, "{id:<52} {}", scenario.title)?;
    }
    Ok(Exit::Held)
}
