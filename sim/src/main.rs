//! The command line of `turnstile`.

use std::fs;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use turnstile::coverage::{self, Report, Survey};
use turnstile::report::{Summary, TerminalReporter};
use turnstile::script::Options;
use turnstile::suite::{self, Play};
use turnstile_scenarios::{Entry, Library, LibraryErrors, Scenario, Surface};

/// A play makes and drops many small JSON values, over which the system's allocator takes longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// All held.
    Held = 0,
    /// Something did not hold.
    Broke = 1,
    /// The call was wrong, a script is wrong, or nothing matched.
    Usage = 2,
    /// The harness itself failed: nothing is said about the server.
    Harness = 3,
}

const AFTER_HELP: &str = "\
Exit status: 0 all held, 1 something did not, 2 wrong usage, a wrong script or nothing that matches, \
3 the harness itself failed.";

/// Plays scripted scenarios with faults against a session server in a simulated world, and says what held.
#[derive(Parser)]
#[command(name = "turnstile", version, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Play scenarios and judge them (what is done if no command is given)
    Run(RunArguments),
    /// List scenarios with their titles
    List {
        /// Only those whose id contains this
        filter: Option<String>,
        #[command(flatten)]
        library: LibraryArguments,
    },
    /// Check scripts without playing them
    Check {
        /// The scripts
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Play one script and print all that was observed
    Replay {
        /// The script
        file: PathBuf,
        /// The seed that every choice follows from
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// The surface that it is played on; the first of its surfaces if left out
        #[arg(long, value_name = "SURFACE")]
        api: Option<Surface>,
        /// Print the trace as JSON, one record a line
        #[arg(long)]
        json: bool,
    },
    /// Play scenarios, and tell what of the protocol they reach and what they never do
    ///
    /// It is also something that did not hold (exit status 1) if a row of the protocol or a kind of fault is
    /// reached by no scenario and nobody argues why, or is reached against such an argument.
    Coverage(CoverageArguments),
    /// Print the JSON Schema of scripts, for editors
    Schema,
    /// Play scenarios against servers that break one rule each, and say which of them are noticed
    Selftest(SelftestArguments),
}

#[derive(Args)]
struct RunArguments {
    /// Only scenarios whose id contains this
    filter: Option<String>,
    /// The seed that every choice follows from, or a range of seeds such as 0..10 (10 not included)
    #[arg(long, default_value = "0", value_name = "SEED|A..B")]
    seed: Seeds,
    /// How many scenarios are played at once; as many as there are cores if left out
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// How many last lines of the trace are shown where something did not hold
    #[arg(long, default_value_t = 12, value_name = "N")]
    trace_lines: usize,
    /// Show the digest of each trace
    #[arg(long)]
    digest: bool,
    #[command(flatten)]
    library: LibraryArguments,
}

#[derive(Args)]
struct SelftestArguments {
    /// Only scenarios whose id contains this
    filter: Option<String>,
    /// Only servers that break a rule whose name contains this
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// The seed that every choice follows from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A server plays no more once so many scenarios noticed, and the oracle of its rule if there is one
    #[arg(long, default_value = "3", value_name = "N")]
    enough: NonZeroUsize,
    /// Play all scenarios against each server, however many noticed
    #[arg(long, conflicts_with = "enough")]
    all: bool,
    /// How many scenarios are played at once; as many as there are cores if left out
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    library: LibraryArguments,
}

#[derive(Args)]
struct CoverageArguments {
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

#[derive(Args)]
struct LibraryArguments {
    /// The folder with the scenarios: its `suite` and its `regressions`
    #[arg(
        long,
        default_value = "scenarios",
        env = "TURNSTILE_SCENARIOS",
        value_name = "DIR"
    )]
    scenarios: PathBuf,
}

/// A seed, or all seeds of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seeds(Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<u64>()
                .map_err(|_| format!("{text:?} is not a seed: 0 to {}", u64::MAX))
        };
        let range = match text.split_once("..") {
            Some((start, end)) => number(start)?..number(end)?,
            None => {
                let seed = number(text)?;
                seed..seed.checked_add(1).ok_or("the last seed is reserved")?
            }
        };
        if range.is_empty() {
            Err(format!("{text} has no seeds in it"))
        } else {
            Ok(Self(range))
        }
    }
}

fn main() -> ExitCode {
    let Arguments { command, run } = Arguments::parse();
    let exit = match command.unwrap_or(Command::Run(run)) {
        Command::Run(arguments) => play(&arguments),
        Command::List { filter, library } => list(filter.as_deref(), &library),
        Command::Check { files } => check(&files),
        Command::Replay {
            file,
            seed,
            api,
            json,
        } => replay(&file, seed, api, json),
        Command::Coverage(arguments) => coverage(&arguments),
        Command::Schema => print_schema(),
        Command::Selftest(arguments) => selftest(&arguments),
    };
    let exit = exit.unwrap_or_else(|error| {
        // Whoever reads from a pipe may stop when it has seen enough.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Exit::Held;
        }
        complain(&format!("cannot write: {error}"));
        Exit::Harness
    });
    ExitCode::from(exit as u8)
}

fn play(arguments: &RunArguments) -> io::Result<Exit> {
    let library = match load(&arguments.library) {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = library.matching(arguments.filter.as_deref());
    if entries.is_empty() {
        return Ok(nothing_matches(arguments.filter.as_deref()));
    }
    let seeds = &arguments.seed.0;
    let plays = plays_of(&entries, seeds);
    let bar = progress_bar(plays.len());
    let mut reporter = TerminalReporter::new(anstream::stdout(), arguments.trace_lines)
        .with_seed(seeds.end - seeds.start > 1)
        .with_digest(arguments.digest);
    let mut failure = None;
    #[expect(
        clippy::disallowed_methods,
        reason = "how long it takes here is for the person who waits"
    )]
    let start = Instant::now();
    let jobs = arguments.jobs.unwrap_or_else(suite::all_cores);
    suite::play_all(
        &plays,
        jobs,
        |count| bar.set_position(count as u64),
        |played| {
            let told = bar.suspend(|| reporter.tell(&played));
            failure = failure.take().or(told.err());
        },
    );
    bar.finish_and_clear();
    if let Some(error) = failure {
        return Err(error);
    }
    let summary = reporter.finish(start.elapsed())?;
    Ok(exit_of(&summary))
}

fn list(filter: Option<&str>, library: &LibraryArguments) -> io::Result<Exit> {
    let library = match load(library) {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = library.matching(filter);
    if entries.is_empty() {
        return Ok(nothing_matches(filter));
    }
    let mut out = anstream::stdout();
    for Entry { id, scenario, .. } in entries {
        writeln!(out, "{id:<52} {}", scenario.title)?;
    }
    Ok(Exit::Held)
}

fn check(files: &[PathBuf]) -> io::Result<Exit> {
    let mut exit = Exit::Held;
    for file in files {
        match read(file) {
            Ok(scenario) => {
                let (steps, expectations) = (scenario.steps.len(), scenario.expect.len());
                writeln!(
                    anstream::stdout(),
                    "{}: can be played ({steps} steps, {expectations} expectations)",
                    file.display()
                )?;
            }
            Err(error) => {
                complain(&error);
                exit = Exit::Usage;
            }
        }
    }
    Ok(exit)
}

fn replay(file: &Path, seed: u64, surface: Option<Surface>, json: bool) -> io::Result<Exit> {
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

fn coverage(arguments: &CoverageArguments) -> io::Result<Exit> {
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

fn print_schema() -> io::Result<Exit> {
    let schema = serde_json::to_string_pretty(&turnstile_scenarios::schema())?;
    writeln!(anstream::stdout(), "{schema}")?;
    Ok(Exit::Held)
}

#[cfg(not(feature = "selftest"))]
fn selftest(_: &SelftestArguments) -> io::Result<Exit> {
    complain("no server can be broken in this build: build it with `--features selftest`");
    Ok(Exit::Usage)
}

#[cfg(feature = "selftest")]
fn selftest(arguments: &SelftestArguments) -> io::Result<Exit> {
    use turnstile::selftest::{self, Progress, Selftest};

    let library = match load(&arguments.library) {
        Ok(library) => library,
        Err(exit) => return Ok(exit),
    };
    let entries = library.matching(arguments.filter.as_deref());
    if entries.is_empty() {
        return Ok(nothing_matches(arguments.filter.as_deref()));
    }
    let rules = selftest::rules_matching(arguments.rule.as_deref());
    if rules.is_empty() {
        let names: Vec<String> = selftest::rules_matching(None)
            .into_iter()
            .map(selftest::name_of)
            .collect();
        complain(&format!("no rule has that name; there are {}", names.join(", ")));
        return Ok(Exit::Usage);
    }
    let mut out = anstream::stdout();
    let mut summary = selftest::Summary::default();
    let bar = progress_bar(0);
    let advance = |progress: Progress| {
        bar.set_length(progress.at_most as u64);
        bar.set_position(progress.played as u64);
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "how long it takes here is for the person who waits"
    )]
    let start = Instant::now();
    let jobs = arguments.jobs.unwrap_or_else(suite::all_cores);
    let mut selftest = Selftest::new(entries, arguments.seed, jobs);
    let unclean = selftest.play_clean(advance);
    bar.suspend(|| selftest::tell_clean(&mut out, &unclean, &mut summary))?;
    let is_enough = |trial: &selftest::Trial| {
        !arguments.all && trial.noticed.len() >= arguments.enough.get() && trial.is_caught_by_its_oracle()
    };
    let trials = selftest.try_rules(&rules, is_enough, advance);
    bar.finish_and_clear();
    selftest::tell_trials(&mut out, &trials, &mut summary)?;
    summary.finish(&mut out, start.elapsed())?;
    Ok(match (summary.failed, summary.unclean + summary.missed) {
        (0, 0) => Exit::Held,
        (0, _) => Exit::Broke,
        _ => Exit::Harness,
    })
}

/// Every scenario with every seed.
fn plays_of<'a>(entries: &[&'a Entry], seeds: &Range<u64>) -> Vec<Play<'a>> {
    let play = |entry, seed| Play {
        entry,
        options: Options {
            seed,
            ..Options::default()
        },
    };
    let with_seed = |seed| entries.iter().map(move |&entry| play(entry, seed));
    seeds.clone().flat_map(with_seed).collect()
}

fn exit_of(summary: &Summary) -> Exit {
    match (summary.failed, summary.broken) {
        (0, 0) => Exit::Held,
        (0, _) => Exit::Broke,
        _ => Exit::Harness,
    }
}

fn load(arguments: &LibraryArguments) -> Result<Library, Exit> {
    let folder = &arguments.scenarios;
    if !folder.is_dir() {
        complain(&format!(
            "there is no folder {}: run from the top of the project, or name the folder with --scenarios",
            folder.display()
        ));
        return Err(Exit::Usage);
    }
    Library::load(folder).map_err(|errors: LibraryErrors| {
        complain(&errors.to_string());
        Exit::Usage
    })
}

fn read(file: &Path) -> Result<Scenario, String> {
    let source =
        fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Scenario::parse(&source, file).map_err(|errors| errors.to_string())
}

fn nothing_matches(filter: Option<&str>) -> Exit {
    complain(&match filter {
        Some(filter) => format!("no scenario has {filter:?} in its id; `turnstile list` shows all ids"),
        None => "there are no scenarios in the folder".to_owned(),
    });
    Exit::Usage
}

fn complain(text: &str) {
    let style = anstyle::AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{style}error:{style:#} {text}");
}

/// A bar on a terminal, nothing in a pipe.
fn progress_bar(length: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} played, {elapsed}")
        .expect("the template is valid");
    ProgressBar::new(length as u64).with_style(style)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_seed_is_a_number_or_a_range_with_something_in_it() {
        assert_eq!("7".parse(), Ok(Seeds(7..8)));
        assert_eq!("0..10".parse(), Ok(Seeds(0..10)));
        for text in ["", "x", "3..3", "-1", "1..x"] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
    }
}
