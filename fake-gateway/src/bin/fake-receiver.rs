//! The program `fake-receiver`.

use std::process::ExitCode;

use clap::Parser;
use fake_gateway::program::{self, Arguments};
use fake_gateway::receiver::Receiver;

const LONG_ABOUT: &str = "\
A fake receiver of callbacks, which takes whatever is sent to it, at any path

It answers 200 until it is given other answers, one for each callback that comes:
  POST /test/answers  [{\"status\":500},{\"status\":200,\"delayMs\":5000},{\"stall\":true},{\"drop\":true},{\"twice\":true}]
  GET  /test/answers  those that are left

With --log-wire it shows what it was sent.";

/// Fake callback receiver that accepts every request
#[derive(Parser)]
#[command(name = "fake-receiver", version, long_about = LONG_ABOUT, after_help = program::AFTER_HELP)]
struct Program {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    let Program { arguments } = Program::parse();
    program::run("receiver", arguments, |listener, seams, witness| {
        Box::pin(Receiver::new(witness).with_clock(seams.clock).serve(listener))
    })
}
