//! Reads TOML files, with errors like those of scripts.

use std::path::Path;

use serde::Deserialize;
use turnstile_scenarios::Problem;

/// Parses a TOML file. An error has its position.
pub(crate) fn parse_toml<T: for<'de> Deserialize<'de>>(text: &str, file: &Path) -> Result<T, Problem> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        // Some messages have several lines.
        let message = error.message().replace('\n', ", ");
        Problem::in_text(file, text, offset, message)
    })
}
