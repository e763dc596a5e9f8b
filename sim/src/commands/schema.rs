//! `turnstile schema`.

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};
use turnstile::baseline;
use turnstile::live::target;
use turnstile_judge::recording;

use super::exit::Exit;

/// The kind of files.
#[derive(Args)]
pub(crate) struct SchemaArguments {
    /// Kind of files
    #[arg(value_name = "KIND", default_value = "script")]
    of: Kind,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Scripts, in YAML
    Script,
    /// Descriptions of a server under test, for `run --live --config`
    Target,
    /// Expected failures, for `run --baseline`
    Baseline,
    /// Lines of recordings, for `judge`
    Recording,
}

/// Prints the JSON Schema of a kind of files.
pub(crate) fn print_schema(arguments: &SchemaArguments) -> io::Result<Exit> {
    let schema = match arguments.of {
        Kind::Script => turnstile_scenarios::schema(),
        Kind::Target => target::schema(),
        Kind::Baseline => baseline::file::schema(),
        Kind::Recording => recording::schema(),
    };
    let schema = serde_json::to_string_pretty(&schema)?;
    writeln!(anstream::stdout(), "{schema}")?;
    Ok(Exit::Passed)
}
