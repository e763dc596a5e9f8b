//! `turnstile man`.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;

use super::exit::{Exit, print_error};

/// Arguments of `turnstile man`.
#[derive(Args)]
pub(crate) struct ManArguments {
    /// Write the pages of turnstile and all its commands to DIR, created if missing
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Prints the manual page, or writes all pages.
pub(crate) fn man(arguments: &ManArguments, program: Command) -> io::Result<Exit> {
    let Some(folder) = &arguments.output else {
        let mut page = Vec::new();
        Man::new(program).render(&mut page)?;
        io::stdout().write_all(&page)?;
        return Ok(Exit::Passed);
    };
    let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(program, folder));
    if let Err(error) = written {
        print_error(&format!(
            "cannot write manual pages to {}: {error}",
            folder.display()
        ));
        return Ok(Exit::Harness);
    }
    Ok(Exit::Passed)
}
