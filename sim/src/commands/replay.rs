//! `turnstile replay`.

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use turnstile::report::TerminalReporter;
use turnstile::script::Options;
use turnstile::suite::{self, Play};
use turnstile_scenarios::{Entry, Surface};

use super::exit::{Exit, complain, exit_of};
use super::seeds::Source;

/// Plays one seed or script and prints all that was observed.
pub(crate) fn replay(source: &Source, seed: u64, surface: Option<Surface>, json: bool) -> io::Result<Exit> {
    let (scenario, seed) = match source.scenario(seed, surface) {
        Ok(found) => found,
        Err(error) => {
            complain(&error);
            return Ok(Exit::Usage);
        }
    };
    let entry = Entry {
        id: source.to_string(),
        path: match source {
            Source::Seed(_) => PathBuf::new(),
            Source::File(file) => file.clone(),
        },
        scenario,
    };
    let options = Options {
        seed,
        ..Options::default()
    };
    let played = suite::play_timed(Play {
        entry: &entry,
        options,
    });
    let mut out = BufWriter::new(anstream::stdout());
    if let Ok(verdict) = &played.verdict {
        if json {
            verdict.trace.write_json_lines(&mut out)?;
        } else {
            match source {
                Source::Seed(_) => writeln!(out, "{source}\n\n{}", entry.scenario.to_yaml())?,
                Source::File(_) => writeln!(out, "{}\nseed {seed}\n{source}\n", entry.scenario.title)?,
            }
            for record in verdict.trace.records() {
                writeln!(out, "{}", record.line(&verdict.labels))?;
            }
            writeln!(out, "\ndigest {}", verdict.trace.digest())?;
        }
    }
    out.flush()?;
    // A trace for machines stays one: what people want to know goes elsewhere.
    let out: Box<dyn io::Write> = if json {
        Box::new(anstream::stderr())
    } else {
        Box::new(out)
    };
    let mut reporter = TerminalReporter::new(out, 0);
    reporter.tell(&played)?;
    let summary = reporter.finish(played.wall)?;
    Ok(exit_of(&summary))
}
