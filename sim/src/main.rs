//! The command line of `turnstile`. The commands are in `commands`.

mod commands;

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use fake_gateway::program::{
    AFTER_HELP as AFTER_FAKE_HELP, WRAPPER_ABOUT, WrapperArguments as FakeWrapperArguments, run_wrapper,
};
use turnstile_reference::program;

use commands::client::{ClientArguments, client};
use commands::completions::{CompletionsArguments, completions};
use commands::coverage::{CoverageArguments, coverage};
#[cfg(feature = "selftest")]
use commands::docs::{DocsArguments, docs};
use commands::exit::{Exit, print_error};
use commands::explain::{ExplainArguments, explain};
use commands::explore::{ExploreArguments, explore};
use commands::judge::{JudgeArguments, judge};
use commands::list::{ListArguments, list};
use commands::man::{ManArguments, man};
use commands::merge::{MergeArguments, merge};
#[cfg(feature = "selftest")]
use commands::mutants::{MutantsArguments, mutants};
use commands::mutate::{MutateArguments, mutate};
use commands::probe::{ProbeArguments, probe};
use commands::reference_server::{ServerProgramArguments, serve};
use commands::replay::{ReplayArguments, replay};
use commands::run::{RunArguments, run};
use commands::scenario_from::{ScenarioFromArguments, scenario_from};
use commands::schema::{SchemaArguments, print_schema};
use commands::selftest::{SelftestArguments, selftest};
use commands::shrink::{ShrinkArguments, shrink};
use commands::snapshots::{SnapshotsArguments, snapshots};
use commands::soak::{SoakArguments, soak};
use commands::stream::{StreamArguments, stream};
use commands::suggestions::similar_command;
use commands::sweep::{SweepArguments, sweep};
use commands::tokens::{TicketArguments, TokenArguments, ticket, token};
use commands::up::{UpArguments, up};
use commands::why::{WhyArguments, why};
use commands::wrapper::{WrapperArguments, wrapper};
use commands::{check::check, config};

/// A play allocates and frees many small JSON values, which is slower with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The version, and in release builds the commit.
const VERSION: &str = env!("TURNSTILE_VERSION");

const USAGE: &str = "turnstile [FILTER]... [RUN OPTIONS]\n       turnstile <COMMAND>";

const AFTER_HELP: &str = "\
Without a command, turnstile runs scenarios: `turnstile run --help` lists the options.

Exit status:
  0  everything passed
  1  something failed
  2  wrong usage, an invalid script, or no match
  3  the harness failed
  129, 130, 143  ended by SIGHUP, SIGINT or SIGTERM, with partial results";

/// Conformance tests for session servers: scripted and generated scenarios with injected faults
#[derive(Parser)]
#[command(
    name = "turnstile",
    version = VERSION,
    override_usage = USAGE,
    after_help = AFTER_HELP,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    default: RunArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Run scenarios (default command)
    Run(Box<RunArguments>),
    /// List scenarios
    List(ListArguments),
    /// Check scripts without running them
    Check {
        /// Paths of scripts
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Find out what a server under test is and can do
    ///
    /// Each step prints what it saw, and what to change if it failed. The exit status is 1 if a step failed.
    Probe(Box<ProbeArguments>),
    /// Explain a rule of the protocol, an oracle, a mutant, a fault or a command, or print a page
    Explain(ExplainArguments),
    /// Replay one seed or script and print its trace
    Replay(ReplayArguments),
    /// Judge a client in a separate process
    ///
    /// The harness is its server and its network. A client is a program that reads orders as JSON lines on standard input and
    /// prints its view (see sim/docs/clients.md).
    Client(Box<ClientArguments>),
    /// Judge a wrapper in a separate process
    ///
    /// The harness is its session server, its network and its gateway (see sim/docs/wrappers.md). With `--command`, each case
    /// starts the wrapper anew.
    Wrapper(Box<WrapperArguments>),
    /// Judge recordings by the rules for all runs
    ///
    /// A recording is a file of JSON lines that `--trace-file` or any other program writes. A rule whose records are missing
    /// is unknown and does not fail. The exit status is 2 if a file is no recording.
    Judge(JudgeArguments),
    /// Cut a script from a recording
    ///
    /// The script has the recorded calls, streams and faults, and no expectations.
    ScenarioFrom(ScenarioFromArguments),
    /// Run generated scenarios of many seeds
    Explore(ExploreArguments),
    /// Shrink a failing seed or script to a minimal script
    Shrink(ShrinkArguments),
    /// Run a script with one injected fault, at every moment
    Sweep(SweepArguments),
    /// Find the moment at which the cause of a failure of a seed or script happened
    ///
    /// Repeats the play up to a moment and changes what follows: nothing reaches the server any more, the script ends, or a party
    /// is down for a minute. The moment is where these begin to fail; the first one counts most. Further variations show how often
    /// it fails from some moments on. The exit status is 2 if nothing fails.
    Why(WhyArguments),
    /// Merge results of `turnstile explore --json`
    Merge(MergeArguments),
    /// Measure which parts of the protocol the scenarios cover
    ///
    /// The exit status is 1 if something is not covered and has no waiver, or if a waiver is stale.
    Coverage(CoverageArguments),
    /// Run scenarios against mutants of the server
    Selftest(SelftestArguments),
    /// List the mutants that `--breaking` accepts
    #[cfg(feature = "selftest")]
    Mutants(MutantsArguments),
    /// Run scenarios against generic mutants of the server
    ///
    /// A mutant drops, doubles, delays, swaps or changes one kind of effect, stored row, frame, reply or request, or has
    /// another duration or limit. They are drawn from all that occur in the scenarios. The exit status is 1 if oracles notice
    /// fewer of them than `--min-noticed`, if the unmodified server fails, or if a reviewed mutant is noticed.
    Mutate(MutateArguments),
    /// Compare payload snapshots with a git revision
    ///
    /// The exit status is 1 if a change can break an existing client: a field that is removed, renamed, null, or has
    /// another type or value.
    Snapshots(SnapshotsArguments),
    /// Load-test the reference server
    ///
    /// The server runs in a separate process. Clients and fakes run in this process and use the loopback interface. Each
    /// session sends its next message when the previous one has ended and called back. After a signal, the sessions end
    /// their turns first; a second signal exits at once.
    Soak(SoakArguments),
    /// Start the reference server with fakes on local ports
    ///
    /// The fakes are a wrapper with its agent, an LLM gateway and a callback receiver. Exit status: 0 after a signal, 3 if
    /// something cannot start, 130 after a second signal.
    Up(UpArguments),
    /// Run the reference server
    ///
    /// The same program as `turnstile-server`.
    #[command(after_help = program::AFTER_HELP)]
    Server(Box<ServerProgramArguments>),
    /// Run the fake wrapper
    #[command(long_about = WRAPPER_ABOUT, after_help = AFTER_FAKE_HELP)]
    FakeWrapper(Box<FakeWrapperArguments>),
    /// Print the stream of a session as JSON lines
    ///
    /// The exit status is 0 if the server closes the stream or the awaited event arrives, and 1 if the server refuses the
    /// stream, the connection fails, or the stream ends before the awaited event.
    Stream(StreamArguments),
    /// Print a token for a server's procedures
    Token(TokenArguments),
    /// Print a ticket for a session's stream
    Ticket(TicketArguments),
    /// Print the JSON Schema of scripts and other files
    Schema(SchemaArguments),
    /// Rewrite the generated regions of documents
    #[cfg(feature = "selftest")]
    Docs(DocsArguments),
    /// Print a shell completion script
    Completions(CompletionsArguments),
    /// Print the manual page
    Man(ManArguments),
}

fn main() -> ExitCode {
    // The options of the default command are listed by its own help.
    let program = match config::with_defaults(Arguments::command()) {
        Ok(program) => program.mut_args(|arg| arg.hide(true)),
        Err(error) => {
            print_error(&error);
            return ExitCode::from(Exit::Usage as u8);
        }
    };
    let parsed = program
        .try_get_matches()
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    if let Some((word, name)) = misspelt_command(parsed.as_ref().ok()) {
        print_error(&format!("no such command `{word}`; did you mean `{name}`?"));
        return ExitCode::from(Exit::Usage as u8);
    }
    let Arguments { command, default } = parsed.unwrap_or_else(|error| error.exit());
    let exit = match command.unwrap_or(Command::Run(Box::new(default))) {
        Command::Run(arguments) => run(&arguments),
        Command::List(arguments) => list(&arguments),
        Command::Check { files } => check(&files),
        #[cfg(feature = "selftest")]
        Command::Docs(arguments) => docs(&arguments),
        Command::Explain(arguments) => explain(&arguments),
        Command::Explore(arguments) => explore(&arguments),
        Command::Probe(arguments) => probe(&arguments),
        Command::Merge(arguments) => merge(&arguments),
        Command::Client(arguments) => client(&arguments),
        Command::Judge(arguments) => judge(&arguments),
        Command::Replay(arguments) => replay(&arguments),
        Command::ScenarioFrom(arguments) => scenario_from(&arguments),
        Command::Coverage(arguments) => coverage(&arguments),
        Command::Schema(arguments) => print_schema(&arguments),
        Command::Completions(arguments) => completions(&arguments, Arguments::command()),
        Command::Man(arguments) => man(&arguments, Arguments::command()),
        #[cfg(feature = "selftest")]
        Command::Mutants(arguments) => mutants(&arguments),
        Command::Mutate(arguments) => mutate(&arguments),
        Command::Selftest(arguments) => selftest(&arguments),
        Command::Server(arguments) => return serve(*arguments),
        Command::Shrink(arguments) => shrink(&arguments),
        Command::Snapshots(arguments) => snapshots(&arguments),
        Command::Stream(arguments) => stream(&arguments),
        Command::Soak(arguments) => soak(&arguments),
        Command::Sweep(arguments) => sweep(&arguments),
        Command::Ticket(arguments) => ticket(&arguments),
        Command::Token(arguments) => token(&arguments),
        Command::Up(arguments) => return up(arguments),
        Command::Why(arguments) => why(&arguments),
        Command::Wrapper(arguments) => wrapper(&arguments),
        Command::FakeWrapper(arguments) => return run_wrapper(*arguments),
    };
    let exit = exit.unwrap_or_else(|error| {
        // The reader of a pipe may stop early.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Exit::Passed;
        }
        print_error(&format!("cannot write: {error}"));
        Exit::Harness
    });
    ExitCode::from(exit as u8)
}

/// The first argument and the command that it is probably a misspelling of. It is one if parsing failed, or if it was
/// taken for a filter that matches no scenario.
fn misspelt_command(parsed: Option<&Arguments>) -> Option<(String, String)> {
    let word = env::args_os().nth(1)?.into_string().ok()?;
    let name = similar_command(&word, &Arguments::command())?;
    let is_misspelt = match parsed {
        None => true,
        Some(Arguments { command: Some(_), .. }) => false,
        Some(Arguments {
            command: None,
            default,
        }) => default.unmatched_filter().as_ref() == Some(&word),
    };
    is_misspelt.then_some((word, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
