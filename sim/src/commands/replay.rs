//! `turnstile replay`.

use std::io::{self, BufWriter, Write};

use clap::{Args, ValueEnum};
use turnstile::report::{
    Document as _, Event, Heading, MermaidReport, Reporter as _, TerminalReporter, TimelineReport,
    replay_of_play,
};
use turnstile::script::Options;
use turnstile::suite::{self, Play};
use turnstile_world::WorldKind;

use super::exit::{Exit, complain, exit_of, heard};
use super::output_file::OutputFile;
use super::report_files::ReportFiles;
use super::seeds::{ServerArguments, Source, SourceArguments};

/// What is played, and how it is shown.
#[derive(Args)]
pub(crate) struct ReplayArguments {
    #[command(flatten)]
    source: SourceArguments,
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
    let found = arguments
        .source
        .entry()
        .and_then(|found| Ok((found, arguments.server.subject()?)));
    let ((entry, seed), subject) = match found {
        Ok(found) => found,
        Err(error) => {
            complain(&error);
            return Ok(Exit::Usage);
        }
    };
    let options = Options {
        seed,
        subject,
        world: arguments.world.into(),
        ..Options::default()
    };
    let played = suite::play_timed(Play {
        entry: &entry,
        options,
    });
    let replay = replay_of_play(&played.play) + &arguments.server.flags();
    let event = Event::Played {
        played: &played,
        replay: &replay,
    };
    let mut files = ReportFiles::default();
    if let Some(file) = &arguments.timeline {
        files.add(file, TimelineReport::new(1));
    }
    files.report(&event)?;
    let is_written = files.write();
    let mut out = BufWriter::new(anstream::stdout());
    heard(print(arguments, &event, &mut out))?;
    heard(out.flush())?;
    let out: Box<dyn io::Write> = if arguments.is_for_machines() {
        Box::new(anstream::stderr())
    } else {
        Box::new(out)
    };
    let mut reporter = TerminalReporter::new(out, 0);
    let reported = reporter.report(&event);
    let finished = reporter.report(&Event::Finished { wall: played.wall });
    heard(reported.and(finished))?;
    Ok(if is_written {
        exit_of(&reporter.summary())
    } else {
        Exit::Harness
    })
}

/// Prints all that was observed, or a diagram of it. If the harness failed there is nothing to print.
fn print(arguments: &ReplayArguments, event: &Event, out: &mut impl Write) -> io::Result<()> {
    let Event::Played { played, replay } = *event else {
        return Ok(());
    };
    let Ok(verdict) = &played.verdict else {
        return Ok(());
    };
    if arguments.json {
        return verdict.trace.write_json_lines(out);
    }
    if arguments.mermaid {
        let mut diagram = Box::new(MermaidReport::default());
        diagram.report(event)?;
        return diagram.write(out);
    }
    let heading = Heading::of(&played.play, replay);
    match &arguments.source.source {
        Source::Seed(_) => writeln!(
            out,
            "{}\noptions: {}\n\n{}",
            heading.id,
            arguments.options(),
            played.play.entry.scenario.to_yaml()
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
