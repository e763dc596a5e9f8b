//! `turnstile replay`.

use std::io::{self, BufWriter, Write};

use clap::{Args, ValueEnum};
use turnstile::report::{Heading, TerminalReporter, mermaid, replay_of_play, timeline};
use turnstile::script::{Options, Verdict};
use turnstile::suite::{self, Play};
use turnstile_scenarios::{Entry, Surface};
use turnstile_world::WorldKind;

use super::exit::{Exit, complain, exit_of, heard};
use super::output_file::OutputFile;
use super::report_files::write_page;
use super::seeds::{ServerArguments, Source};

/// What is played, and how it is shown.
#[derive(Args)]
pub(crate) struct ReplayArguments {
    /// A seed, or a script
    #[arg(value_name = "SEED|FILE")]
    source: Source,
    /// The seed that every choice follows from, for a script; 0 if left out
    #[arg(long)]
    seed: Option<u64>,
    /// The surface that a script is played on; the first of its surfaces if left out
    #[arg(long, value_name = "SURFACE")]
    api: Option<Surface>,
    /// Print the trace as JSON, one record a line
    #[arg(long, conflicts_with = "mermaid")]
    json: bool,
    /// Print a Mermaid sequence diagram of what is essential, for a comment
    #[arg(long)]
    mermaid: bool,
    /// Write a timeline to look at in a browser
    #[arg(long, value_name = "FILE")]
    timeline: Option<OutputFile>,
    /// The world that it is played in
    #[arg(long, value_enum, default_value_t)]
    world: WorldChoice,
    #[command(flatten)]
    server: ServerArguments,
}

/// Which world something is played in, as it is written on the command line.
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

impl ReplayArguments {
    /// Whether what is printed is for machines, so that it stays apart from what people want to know.
    fn is_for_machines(&self) -> bool {
        self.json || self.mermaid
    }

    /// What it is played with besides the seed and the scenario.
    fn options(&self) -> String {
        let world = self
            .world
            .to_possible_value()
            .expect("no world is left out of the help");
        format!("--world {}{}", world.get_name(), self.server.flags())
    }
}

/// Plays one seed or script and prints all that was observed.
pub(crate) fn replay(arguments: &ReplayArguments) -> io::Result<Exit> {
    let source = &arguments.source;
    let found = source
        .entry(arguments.seed, arguments.api)
        .and_then(|found| Ok((found, arguments.server.sabotage()?)));
    let ((entry, seed), sabotage) = match found {
        Ok(found) => found,
        Err(error) => {
            complain(&error);
            return Ok(Exit::Usage);
        }
    };
    let options = Options {
        seed,
        sabotage,
        world: arguments.world.into(),
        ..Options::default()
    };
    let played = suite::play_timed(Play {
        entry: &entry,
        options,
    });
    let replay = replay_of_play(&played.play) + &arguments.server.flags();
    let heading = Heading::of(&played.play, &replay);
    let mut is_written = true;
    match (&arguments.timeline, &played.verdict) {
        (Some(page), Ok(verdict)) => is_written = write_page(page, &timeline::page(verdict, &heading)),
        (Some(page), Err(_)) => anstream::eprintln!(
            "no timeline was written to {}: the harness failed, so there is nothing to draw",
            page.display()
        ),
        (None, _) => {}
    }
    let mut out = BufWriter::new(anstream::stdout());
    if let Ok(verdict) = &played.verdict {
        heard(print(arguments, verdict, &heading, &entry, &mut out))?;
    }
    heard(out.flush())?;
    let out: Box<dyn io::Write> = if arguments.is_for_machines() {
        Box::new(anstream::stderr())
    } else {
        Box::new(out)
    };
    let mut reporter = TerminalReporter::new(out, 0);
    let told = reporter.tell(&played, &replay);
    let (summary, finished) = reporter.finish(played.wall);
    heard(told.and(finished))?;
    Ok(if is_written {
        exit_of(&summary)
    } else {
        Exit::Harness
    })
}

fn print(
    arguments: &ReplayArguments,
    verdict: &Verdict,
    heading: &Heading,
    entry: &Entry,
    out: &mut impl Write,
) -> io::Result<()> {
    if arguments.json {
        return verdict.trace.write_json_lines(out);
    }
    if arguments.mermaid {
        return out.write_all(mermaid::sequence(verdict, heading).as_bytes());
    }
    match &arguments.source {
        Source::Seed(_) => writeln!(
            out,
            "{}\noptions: {}\n\n{}",
            heading.id,
            arguments.options(),
            entry.scenario.to_yaml()
        )?,
        Source::File(_) => writeln!(
            out,
            "{}\nseed {}\noptions: {}\n{}\n",
            heading.title,
            heading.seed,
            arguments.options(),
            heading.id
        )?,
    }
    for record in verdict.trace.records() {
        writeln!(out, "{}", record.line(&verdict.labels))?;
    }
    writeln!(out, "\ndigest {}", verdict.trace.digest())
}
