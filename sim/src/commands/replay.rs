//! `turnstile replay`.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use clap::ValueEnum;
use turnstile::report::TerminalReporter;
use turnstile::script::Options;
use turnstile::suite::{self, Play};
use turnstile::world::WorldKind;
use turnstile_scenarios::{Entry, Surface};

use super::exit::{Exit, complain, exit_of};
use super::library::read;

/// Which world a script is played in, as it is written on the command line.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum WorldChoice {
    /// The engine of events, whose clock jumps
    #[default]
    Events,
    /// The loop of the crate `turmoil`, in ticks of 10 ms: slow, and not ours
    #[cfg(feature = "witness")]
    Witness,
}

impl From<WorldChoice> for WorldKind {
    fn from(choice: WorldChoice) -> Self {
        match choice {
            WorldChoice::Events => Self::Events,
            #[cfg(feature = "witness")]
            WorldChoice::Witness => Self::Witness {
                tick: turnstile::witness::TICK,
            },
        }
    }
}

/// Plays one script and prints all that was observed.
pub(crate) fn replay(
    file: &Path,
    seed: u64,
    surface: Option<Surface>,
    json: bool,
    world: WorldChoice,
) -> io::Result<Exit> {
    let scenario = match read(file) {
        Ok(scenario) => scenario,
        Err(error) => {
            complain(&error);
            return Ok(Exit::Usage);
        }
    };
    let surface = surface.unwrap_or(scenario.api.first());
    let Some(scenario) = scenario.on(surface) else {
        complain(&format!(
            "{} is not for the {surface} surface: its `api` does not name it",
            file.display()
        ));
        return Ok(Exit::Usage);
    };
    let entry = Entry {
        id: file.display().to_string(),
        path: file.to_owned(),
        scenario,
    };
    let options = Options {
        seed,
        world: world.into(),
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
            writeln!(out, "{}\nseed {seed}\n{}\n", entry.scenario.title, file.display())?;
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
