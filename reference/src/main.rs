//! `turnstile-server`: the reference server on real sockets and a real disk. All of it is in
//! [`turnstile_reference::program`].

use std::process::ExitCode;

use clap::Parser;
use turnstile_reference::program::{self, Arguments};

/// The reference session server.
#[derive(Parser)]
#[command(name = "turnstile-server", version, after_help = program::AFTER_HELP)]
struct Program {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    program::run(Program::parse().arguments)
}
