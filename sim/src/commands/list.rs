//! `turnstile list`.

use std::io::{self, Write as _};
use std::path::Path;

use clap::Args;
use serde::Serialize;
use turnstile_scenarios::{Entry, Seam, Surface, printable};

use super::exit::Exit;
use super::library::ScenarioArguments;

/// Arguments of `turnstile list`.
#[derive(Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    scenarios: ScenarioArguments,
    /// Print a JSON array with an object for each scenario
    #[arg(long)]
    json: bool,
}

/// A scenario in the list for machines.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    title: &'a str,
    about: &'a str,
    seam: Seam,
    surface: Surface,
    /// Ids of the protocol's rules that the script names.
    rules: Vec<&'a str>,
    /// Names of the capabilities that a live server needs for it.
    needs: Vec<&'static str>,
    /// The seed that the script pins.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    path: &'a Path,
}

impl<'a> Listed<'a> {
    fn of(entry: &'a Entry) -> Self {
        let Entry {
            id, path, scenario, ..
        } = entry;
        let rules = scenario.rules.iter();
        Self {
            id,
            title: &scenario.title,
            about: &scenario.about,
            seam: scenario.seam,
            surface: scenario.api.first(),
            rules: rules.map(|rule| &*rule.value as &str).collect(),
            needs: scenario
                .needs()
                .into_iter()
                .map(turnstile_fault::Capability::name)
                .collect(),
            seed: scenario.seed,
            path,
        }
    }
}

/// Lists scenarios with their titles.
pub(crate) fn list(arguments: &ListArguments) -> io::Result<Exit> {
    let library = match arguments.scenarios.load() {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = match arguments.scenarios.select(&library) {
        Ok(entries) => entries,
        Err(exit) => return Ok(exit),
    };
    let mut out = anstream::stdout();
    if arguments.json {
        let listed: Vec<Listed> = entries.into_iter().map(Listed::of).collect();
        serde_json::to_writer_pretty(&mut out, &listed)?;
        writeln!(out)?;
        return Ok(Exit::Passed);
    }
    for Entry { id, scenario, .. } in entries {
        writeln!(out, "{:<52} {}", printable(id), scenario.title)?;
    }
    Ok(Exit::Passed)
}
