//! The command line of `turnstile`. What each command does is in `commands`.

mod commands;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use turnstile_reference::program;

use commands::coverage::{CoverageArguments, coverage};
use commands::exit::{Exit, complain};
use commands::explore::{ExploreArguments, explore};
use commands::library::ScenarioArguments;
use commands::merge::{MergeArguments, merge};
use commands::replay::{ReplayArguments, replay};
use commands::run::{RunArguments, run};
use commands::selftest::{SelftestArguments, selftest};
use commands::shrink::{ShrinkArguments, shrink};
use commands::snapshots::{SnapshotsArguments, snapshots};
use commands::soak::{SoakArguments, soak};
use commands::stream::{StreamArguments, stream};
use commands::sweep::{SweepArguments, sweep};
use commands::tokens::{TicketArguments, TokenArguments, ticket, token};
use commands::up::{UpArguments, up};
use commands::{check::check, list::list, schema::print_schema};

/// A play makes and drops many small JSON values, over which the system's allocator takes longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    default: RunArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Play scenarios and judge them (what is done if no command is given)
    Run(RunArguments),
    /// List scenarios with their titles
    List(ScenarioArguments),
    /// Check scripts without playing them
    Check {
        /// The scripts
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Play the scenarios of many seeds, and tell what they find that no script was written for
    Explore(ExploreArguments),
    /// Put the results of several explorations together
    Merge(MergeArguments),
    /// Play one seed or script again and print all that was observed
    Replay(ReplayArguments),
    /// Play scenarios, and tell what of the protocol they reach and what they never do
    ///
    /// It is also something that did not hold (exit status 1) if a row of the protocol or a kind of fault is
    /// reached by no scenario and nobody argues why, or is reached against such an argument.
    Coverage(CoverageArguments),
    /// Print the JSON Schema of scripts, for editors
    Schema,
    /// Play scenarios against servers that break one rule each, and say which of them are noticed
    Selftest(SelftestArguments),
    /// Run the reference server on real sockets and a real disk
    ///
    /// It is the very program `turnstile-server`.
    #[command(after_help = program::AFTER_HELP)]
    Server(Box<program::Arguments>),
    /// Make a scenario in which something breaks as small as it goes, and write it as a script
    Shrink(ShrinkArguments),
    /// Tell what changed of the payloads under review, and what of it breaks a client
    ///
    /// It is something that did not hold (exit status 1) if a client that was written before can fail over a
    /// change: a field that is gone, renamed, of another type, null, or of another value.
    Snapshots(SnapshotsArguments),
    /// Listen to a session of a running server, and print what comes, a JSON object a line
    ///
    /// It ends with 0 when the server closes the stream or when what it waits for has come, and with 1 if it was
    /// refused, broke, or ended before.
    Stream(StreamArguments),
    /// Put the reference server under load on real sockets, and say whether anything was lost or left over
    ///
    /// The server is a process of its own, the clients and the fakes are in this one, all on the loopback. Each session
    /// sends a message as soon as the one before has ended and called back.
    Soak(SoakArguments),
    /// Play one script again and again, each time with one fault more, at each moment of it
    Sweep(SweepArguments),
    /// Print a ticket for a session's stream, for any server whose secret is known
    Ticket(TicketArguments),
    /// Print a token for the procedures, for any server whose secret is known
    Token(TokenArguments),
    /// Run the reference server among the fakes on this machine, and say how to talk to it, until Ctrl-C
    ///
    /// The server is the very program `turnstile-server`; a wrapper with its agent, an LLM gateway and a callback
    /// receiver are faked. Exit status: 0 ended by a signal, 3 something could not start, 130 ended by a second signal.
    Up(UpArguments),
}

fn main() -> ExitCode {
    let Arguments { command, default } = Arguments::parse();
    let exit = match command.unwrap_or(Command::Run(default)) {
        Command::Run(arguments) => run(&arguments),
        Command::List(arguments) => list(&arguments),
        Command::Check { files } => check(&files),
        Command::Explore(arguments) => explore(&arguments),
        Command::Merge(arguments) => merge(&arguments),
        Command::Replay(arguments) => replay(&arguments),
        Command::Coverage(arguments) => coverage(&arguments),
        Command::Schema => print_schema(),
        Command::Selftest(arguments) => selftest(&arguments),
        Command::Server(arguments) => return program::run(*arguments),
        Command::Shrink(arguments) => shrink(&arguments),
        Command::Snapshots(arguments) => snapshots(&arguments),
        Command::Stream(arguments) => stream(&arguments),
        Command::Soak(arguments) => soak(&arguments),
        Command::Sweep(arguments) => sweep(&arguments),
        Command::Ticket(arguments) => ticket(&arguments),
        Command::Token(arguments) => token(&arguments),
        Command::Up(arguments) => return up(arguments),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
