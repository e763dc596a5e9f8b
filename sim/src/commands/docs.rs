//! `turnstile docs`, and the regions of documents that are generated from code.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use turnstile::docs::{self, Region, table};
use turnstile::selftest::{name_of, oracle_of, rules_matching};
use turnstile_fault::{Capability, FaultKind};
use turnstile_judge::oracle::{Moment, ORACLES};
use turnstile_profile::Profile;

use super::exit::{Exit, print_error};
use crate::Arguments;

/// All generated regions.
const REGIONS: &[Region] = &[
    Region {
        name: "oracles-always",
        write: || oracles(Moment::Always),
    },
    Region {
        name: "oracles-at-end",
        write: || oracles(Moment::AtEnd),
    },
    Region {
        name: "mutants",
        write: mutants,
    },
    Region {
        name: "faults",
        write: faults,
    },
    Region {
        name: "capabilities",
        write: capabilities,
    },
    Region {
        name: "commands",
        write: commands,
    },
    Region {
        name: "constants",
        write: constants,
    },
];

/// Where the documents are, and whether they are rewritten.
#[derive(Args)]
pub(crate) struct DocsArguments {
    /// Do not write; exit with status 1 and print a diff if a document differs
    #[arg(long)]
    check: bool,
    /// The folder with the documents
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
}

/// Regenerates the regions of all documents, or checks them.
pub(crate) fn docs(arguments: &DocsArguments) -> io::Result<Exit> {
    let outdated = match docs::outdated(&arguments.root, REGIONS) {
        Ok(outdated) => outdated,
        Err(error) => return Ok(usage(&error)),
    };
    let mut out = anstream::stdout();
    for document in &outdated {
        if arguments.check {
            write!(out, "{}", document.diff())?;
        } else if let Err(error) = document.update() {
            return Ok(usage(&error));
        } else {
            writeln!(out, "updated {}", document.path.display())?;
        }
    }
    Ok(if arguments.check && !outdated.is_empty() {
        Exit::Failed
    } else {
        Exit::Passed
    })
}

fn usage(error: &docs::DocsError) -> Exit {
    let mut text = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        // Writing to a string does not fail.
        let _ = write!(text, ": {source}");
    }
    print_error(&text);
    Exit::Usage
}

fn oracles(moment: Moment) -> String {
    let oracles = ORACLES.iter().filter(|oracle| oracle.moment == moment);
    let rows = oracles.map(|oracle| {
        let rules: Vec<String> = oracle.protocol.iter().map(ToString::to_string).collect();
        [
            format!("`{}`", oracle.name),
            oracle.rule.to_owned(),
            rules.join(" "),
        ]
    });
    table(["oracle", "rule", "protocol"], rows)
}

fn mutants() -> String {
    let rows = rules_matching(None).into_iter().map(|rule| {
        [
            format!("`{}`", name_of(rule)),
            rule.text().to_owned(),
            rule.ids().join(" "),
            format!("`{}`", oracle_of(rule)),
        ]
    });
    table(
        ["mutant", "broken rule", "protocol", "oracle that finds it"],
        rows,
    )
}

fn faults() -> String {
    let rows = FaultKind::ALL.iter().map(|kind| {
        let needs: Vec<String> = kind
            .needs()
            .iter()
            .map(|capability| format!("`{}`", capability.name()))
            .collect();
        [
            format!("`{}`", kind.name()),
            kind.about().to_owned(),
            needs.join(" "),
        ]
    });
    table(["fault", "effect", "may need of a live server"], rows)
}

fn capabilities() -> String {
    let rows = Capability::ALL
        .iter()
        .map(|capability| [format!("`{}`", capability.name()), capability.text().to_owned()]);
    table(["capability", "meaning"], rows)
}

fn commands() -> String {
    let command = Arguments::command();
    let subcommands = command.get_subcommands().filter(|command| !command.is_hide_set());
    let rows = subcommands.map(|command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        [format!("`turnstile {}`", command.get_name()), about]
    });
    table(["command", "description"], rows)
}

fn constants() -> String {
    let rows = Profile::fields().into_iter().map(|field| {
        [
            format!("`{}`", field.name.to_uppercase()),
            field.default,
            field.doc,
        ]
    });
    table(["constant", "value", "meaning"], rows)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn generated_regions_of_all_documents_are_up_to_date() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let outdated = docs::outdated(root, REGIONS).unwrap();
        let diffs: String = outdated.iter().map(docs::Outdated::diff).collect();
        assert!(
            outdated.is_empty(),
            "run `turnstile docs` and review its changes:\n{diffs}"
        );
    }
}
