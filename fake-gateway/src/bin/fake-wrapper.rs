//! The program `fake-wrapper`.

use std::process::ExitCode;

use clap::Parser;
use fake_gateway::program::{self, WrapperArguments, run_wrapper};

/// Fake wrapper: the process in a session's sandbox, with its agent
#[derive(Parser)]
#[command(
    name = "fake-wrapper",
    version,
    long_about = program::WRAPPER_ABOUT,
    after_help = program::AFTER_HELP
)]
struct Program {
    #[command(flatten)]
    arguments: WrapperArguments,
}

fn main() -> ExitCode {
    run_wrapper(Program::parse().arguments)
}
