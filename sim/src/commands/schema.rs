//! `turnstile schema`.

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};
use turnstile_judge::recording;

use super::exit::Exit;

/// Arguments of `turnstile schema`.
#[derive(Args)]
pub(crate) struct SchemaArguments {
    /// The format
    #[arg(value_enum, default_value_t)]
    of: Described,
}

/// A format with a schema.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Described {
    /// A script, in YAML
    #[default]
    Script,
    /// A line of a recording
    Recording,
}

/// Prints a JSON Schema.
pub(crate) fn print_schema(arguments: &SchemaArguments) -> io::Result<Exit> {
    let schema = match arguments.of {
        Described::Script => turnstile_scenarios::schema(),
        Described::Recording => recording::schema(),
    };
    let schema = serde_json::to_string_pretty(&schema)?;
    writeln!(anstream::stdout(), "{schema}")?;
    Ok(Exit::Passed)
}
