//! `turnstile docs`, and the regions of documents that are generated from code.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use turnstile::coverage::{self, Report, Survey};
use turnstile::docs::{self, DocsError, GeneratedFile, Outdated, Region, Selection, Writer, table};
use turnstile::openapi;
use turnstile::selftest::{name_of, oracle_of, rules_matching, script_of};
use turnstile::stage::Subject;
use turnstile::suite;
use turnstile_fault::{Capability, FaultKind};
use turnstile_judge::oracle::{Moment, ORACLES};
use turnstile_profile::Profile;
use turnstile_scenarios::{Entry, Library, LibraryErrors};

use super::exit::{Exit, print_error};
use super::seeds::Plays;
use crate::Arguments;

/// All generated regions.
const REGIONS: &[Region] = &[
    Region {
        name: "oracles-always",
        writer: Writer::Code(|| oracles(Moment::Always)),
    },
    Region {
        name: "oracles-at-end",
        writer: Writer::Code(|| oracles(Moment::AtEnd)),
    },
    Region {
        name: "mutants",
        writer: Writer::Code(mutants),
    },
    Region {
        name: "faults",
        writer: Writer::Code(faults),
    },
    Region {
        name: "capabilities",
        writer: Writer::Code(capabilities),
    },
    Region {
        name: "commands",
        writer: Writer::Code(commands),
    },
    Region {
        name: "coverage",
        writer: Writer::Plays(coverage),
    },
    Region {
        name: "constants",
        writer: Writer::Code(constants),
    },
];

/// All generated files.
const FILES: &[GeneratedFile] = &[GeneratedFile {
    path: "reference/openapi.json",
    write: openapi::text,
}];

/// Where the documents are, and whether they are rewritten.
#[derive(Args)]
pub(crate) struct DocsArguments {
    /// Do not write; exit with status 1 and print a diff if a document differs
    #[arg(long)]
    check: bool,
    /// Leave regions unchanged that need plays of all scenarios
    #[arg(long)]
    without_plays: bool,
    /// The folder with the documents
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
}

/// Regenerates the regions of all documents, or checks them.
pub(crate) fn docs(arguments: &DocsArguments) -> io::Result<Exit> {
    let selection = match arguments.without_plays {
        true => Selection::WithoutPlays,
        false => Selection::All,
    };
    let outdated = match find_outdated(&arguments.root, selection) {
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

fn find_outdated(root: &Path, selection: Selection) -> Result<Vec<Outdated>, DocsError> {
    let mut outdated = docs::outdated(root, REGIONS, selection)?;
    for file in FILES {
        outdated.extend(docs::outdated_file(root, file)?);
    }
    Ok(outdated)
}

fn usage(error: &DocsError) -> Exit {
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
            if rule.is_historic() { "yes" } else { "" }.to_owned(),
            format!("`{}`", oracle_of(rule)),
            format!("`{}`", script_of(rule)),
        ]
    });
    table(
        [
            "mutant",
            "broken rule",
            "protocol",
            "historic",
            "oracle that finds it",
            "a script that finds it",
        ],
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

/// The report of `turnstile coverage` for all scenarios.
fn coverage(root: &Path) -> Result<String, LibraryErrors> {
    let library = Library::load(&root.join("scenarios"))?;
    let entries: Vec<&Entry> = library.entries().iter().collect();
    let plays = Plays {
        entries: &entries,
        seeds: None,
        subjects: &[Subject::default()],
        watch: None,
    };
    let report = Report::of(&Survey::of(plays.iter(), suite::all_cores(), |_| {}));
    let mut out = anstream::StripStream::new(Vec::new());
    coverage::write_text(&report, &mut out).expect("memory can be written to");
    let text = String::from_utf8(out.into_inner()).expect("the report is UTF-8");
    Ok(format!("```text\n{text}```"))
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
    use super::*;

    #[test]
    fn regions_generated_from_code_are_up_to_date() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let outdated = docs::outdated(root, REGIONS, Selection::WithoutPlays).unwrap();
        let diffs: String = outdated.iter().map(docs::Outdated::diff).collect();
        assert!(
            outdated.is_empty(),
            "run `turnstile docs` and review its changes:\n{diffs}"
        );
    }
}
