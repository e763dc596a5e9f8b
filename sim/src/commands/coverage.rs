//! `turnstile coverage`.

use std::io::{self, BufWriter, Write as _};

use clap::Args;
use turnstile::coverage::{self, Report, Survey};
use turnstile::suite;

use super::exit::Exit;
use super::library::{LibraryArguments, load, nothing_matches};
use super::progress::progress_bar;
use super::seeds::{Seeds, plays_of};

/// What is looked at.
#[derive(Args)]
pub(crate) struct CoverageArguments {
    /// Only scenarios whose id contains this; what they do not reach counts as not reached
    filter: Option<String>,
    /// The seed that every choice follows from, or a range of seeds such as 0..10 (10 not included)
    #[arg(long, default_value = "0", value_name = "SEED|A..B")]
    seed: Seeds,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    library: LibraryArguments,
}

/// Plays scenarios, and tells what of the protocol they reach.
pub(crate) fn coverage(arguments: &CoverageArguments) -> io::Result<Exit> {
    let library = match load(&arguments.library) {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = library.matching(arguments.filter.as_deref());
    if entries.is_empty() {
        return Ok(nothing_matches(arguments.filter.as_deref()));
    }
    let plays = plays_of(&entries, &arguments.seed.0);
    let bar = progress_bar(plays.len());
    let survey = Survey::of(&plays, suite::all_cores(), |count| bar.set_position(count as u64));
    bar.finish_and_clear();
    let report = Report::of(&survey);
    let mut out = BufWriter::new(anstream::stdout());
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
        out.flush()?;
    } else {
        coverage::tell(&report, &mut out)?;
    }
    Ok(if !report.failed.is_empty() {
        Exit::Harness
    } else if report.is_complete() && report.broken.is_empty() {
        Exit::Held
    } else {
        Exit::Broke
    })
}
