//! `turnstile explain`.

use std::io::{self, Write as _};

use clap::Args;
use turnstile::explain;

use super::exit::{Exit, print_error};
use super::library::{LibraryArguments, load_if_present};

/// The rule or oracle to explain.
#[derive(Args)]
pub(crate) struct ExplainArguments {
    /// The id of a rule of the protocol, such as R8.3, or the name of an oracle
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    library: LibraryArguments,
}

/// Prints the rule, why it exists, and what refers to it.
pub(crate) fn explain(arguments: &ExplainArguments) -> io::Result<Exit> {
    let library = match load_if_present(&arguments.library) {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = library
        .as_ref()
        .map(turnstile_scenarios::Library::entries)
        .unwrap_or_default();
    match explain::explain(&arguments.id, entries) {
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
