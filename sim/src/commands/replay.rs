//! `turnstile replay`.

use std::io::{self, BufWriter, Write};

use clap::{Args, ValueEnum};
use turnstile::report::{
    Document as _, Event, FailureDetail, Heading, MermaidReport, RecordingReport, Reporter as _,
    TerminalReporter, TimelineReport, replay_of_play,
};
use turnstile::script::Options;
use turnstile::suite::{self, Play};
use turnstile_scenarios::printable;
use turnstile_world::WorldKind;

use super::arguments::{REPORTER_OPTIONS, RUNNER_OPTIONS, SERVER_OPTIONS, WatchArguments};
use super::exit::{Exit, exit_of, ignore_broken_pipe};
use super::interruption::Interruption;
use super::output_file::{OutputFile, check_distinct};
use super::report_files::ReportFiles;
use super::seeds::{ServerArguments, Source, SourceArguments};

/// Arguments of `turnstile replay`.
#[derive(Args)]
pub(crate) struct ReplayArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// Print the trace as JSON lines
    #[arg(long, help_heading = REPORTER_OPTIONS, conflicts_with = "mermaid")]
    json: bool,
    /// Print a Mermaid sequence diagram
    #[arg(long, help_heading = REPORTER_OPTIONS)]
    mermaid: bool,
    /// Write an interactive timeline (HTML)
    #[arg(long, help_heading = REPORTER_OPTIONS, value_name = "FILE")]
    timeline: Option<OutputFile>,
    /// Write a recording (JSON lines), for `turnstile judge`
    #[arg(long, help_heading = REPORTER_OPTIONS, value_name = "FILE")]
    trace_file: Option<OutputFile>,
    /// Simulated world
    #[arg(long, help_heading = RUNNER_OPTIONS, value_name = "WORLD", value_enum, default_value_t)]
    world: WorldChoice,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    watch: WatchArguments,
    #[command(flatten, next_help_heading = SERVER_OPTIONS)]
    server: ServerArguments,
}

/// The simulated world, as an argument.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum WorldChoice {
    /// Event-driven world whose clock jumps
    #[default]
    Events,
    /// The loop of the crate `turmoil` with ticks of 10 ms; slow, for cross-checks
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
    /// Whether standard output is for machines, so that the verdict goes to standard error.
    fn is_for_machines(&self) -> bool {
        self.json || self.mermaid
    }

    /// The flags other than the scenario and its seed.
    fn options(&self) -> String {
        let world = self
            .world
            .to_possible_value()
            .expect("every world is a possible value");
        format!("--world {}{}", world.get_name(), self.server.flags())
    }
}

/// Plays one seed or script and prints its trace.
pub(crate) fn replay(arguments: &ReplayArguments) -> io::Result<Exit> {
    let outputs = [
        ("--timeline", arguments.timeline.as_ref()),
        ("--trace-file", arguments.trace_file.as_ref()),
    ];
    let outputs = check_distinct(&outputs);
    let (entry, seed, subject) = match arguments.source.against(&arguments.server, outputs) {
        Ok(found) => found,
        Err(exit) => return Ok(exit),
    };
    let interruption = Interruption::listen();
    let options = Options {
        seed,
        subject,
        world: arguments.world.into(),
        watch: Some(arguments.watch.watch(interruption)),
        ..Options::default()
    };
    let played = suite::play_timed(Play {
        entry: &entry,
        options,
    });
    interruption.begin_to_write();
    if played.was_interrupted() {
        return Ok(interruption.exit(Exit::Harness));
    }
    let replay = replay_of_play(&played.play);
    let event = Event::Played {
        played: &played,
        replay: &replay,
    };
    let mut files = ReportFiles::default();
    if let Some(file) = &arguments.timeline {
        files.add(file, TimelineReport::new(1));
    }
    if let Some(file) = &arguments.trace_file {
        files.add(file, RecordingReport::new(1));
    }
    files.report(&event)?;
    let is_written = files.write();
    let mut out = BufWriter::new(anstream::stdout());
    ignore_broken_pipe(print(arguments, &event, &mut out))?;
    ignore_broken_pipe(out.flush())?;
    let out: Box<dyn io::Write> = if arguments.is_for_machines() {
        Box::new(anstream::stderr())
    } else {
        Box::new(out)
    };
    let mut reporter = TerminalReporter::new(out, FailureDetail::default());
    let reported = reporter.report(&event);
    let finished = reporter.report(&Event::Finished { wall: played.wall });
    ignore_broken_pipe(reported.and(finished))?;
    Ok(if is_written {
        interruption.exit(exit_of(&reporter.summary()))
    } else {
        Exit::Harness
    })
}

/// Prints the trace or the diagram; nothing if the harness failed.
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
        writeln!(out, "{}", printable(&record.line(&verdict.labels)))?;
    }
    writeln!(out, "\ndigest {}", verdict.trace.digest())
}
