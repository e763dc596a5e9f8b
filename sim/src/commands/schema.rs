//! `turnstile schema`.

use std::io::{self, Write as _};

use super::exit::Exit;

/// Prints the JSON Schema of scripts.
pub(crate) fn print_schema() -> io::Result<Exit> {
    let schema = serde_json::to_string_pretty(&turnstile_scenarios::schema())?;
    writeln!(anstream::stdout(), "{schema}")?;
    Ok(Exit::Passed)
}
