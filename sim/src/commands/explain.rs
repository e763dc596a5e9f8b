//! `turnstile explain`.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use turnstile::explain::{self, CommandHelp, Sources};

use super::exit::{Exit, print_error};
use super::library::{LibraryArguments, load_if_present};
use crate::Arguments;

/// What to explain.
#[derive(Args)]
pub(crate) struct ExplainArguments {
    /// The id of a rule of the protocol, such as R8.3, or the name of an oracle, mutant, fault or command
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    library: LibraryArguments,
}

/// Prints what has the name, why it exists, and what refers to it.
pub(crate) fn explain(arguments: &ExplainArguments) -> io::Result<Exit> {
    let library = match load_if_present(&arguments.library) {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = library
        .as_ref()
        .map(turnstile_scenarios::Library::entries)
        .unwrap_or_default();
    let commands = commands();
    let sources = Sources {
        entries,
        commands: &commands,
    };
    match explain::explain(&arguments.name, sources) {
        Ok(text) => {
            write!(anstream::stdout(), "{text}")?;
            Ok(Exit::Passed)
        }
        Err(unknown) => {
            print_error(&unknown.to_string());
            Ok(Exit::Usage)
        }
    }
}

fn commands() -> Vec<CommandHelp> {
    let mut program = Arguments::command();
    program.build();
    let commands = program.get_subcommands_mut();
    commands
        .map(|command| CommandHelp {
            name: command.get_name().to_owned(),
            help: command.render_long_help().to_string(),
        })
        .collect()
}
