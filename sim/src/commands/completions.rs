//! `turnstile completions`.

use std::io::{self, Write as _};

use clap::{Args, Command};
use clap_complete::Shell;

use super::exit::Exit;

/// Arguments of `turnstile completions`.
#[derive(Args)]
pub(crate) struct CompletionsArguments {
    /// Shell to print completions for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the completion script of a shell.
pub(crate) fn completions(arguments: &CompletionsArguments, mut program: Command) -> io::Result<Exit> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, name, &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Passed)
}
