//! `turnstile explain`.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use turnstile::explain::{self, CommandHelp, Document, Sources};

use super::built_in;
use super::exit::{Exit, print_error, usage_error};
use super::library::LibraryArguments;
use crate::Arguments;

/// What to explain.
#[derive(Args)]
pub(crate) struct ExplainArguments {
    /// The id of a rule of the protocol, such as R8.3, or the name of an oracle, mutant, fault, command or page; without it,
    /// the pages are listed
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    library: LibraryArguments,
}

/// Prints what has the name, why it exists, and what refers to it.
pub(crate) fn explain(arguments: &ExplainArguments) -> io::Result<Exit> {
    let pages: Vec<Document> = built_in::pages()
        .into_iter()
        .map(|(name, text)| Document {
            name: name.into_owned(),
            text: text.into_owned(),
        })
        .collect();
    let Some(name) = &arguments.name else {
        let mut out = anstream::stdout();
        for page in &pages {
            writeln!(out, "{:<12} {}", page.name, page.title())?;
        }
        return Ok(Exit::Passed);
    };
    let library = match arguments.library.load() {
        Ok(library) => library,
        Err(error) => return Ok(usage_error(&error)),
    };
    let commands = commands();
    let sources = Sources {
        entries: library.entries(),
        commands: &commands,
        pages: &pages,
    };
    match explain::explain(name, sources) {
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
