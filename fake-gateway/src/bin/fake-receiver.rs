//! The program `fake-receiver`.

use std::process::ExitCode;

use clap::Parser;
use fake_gateway::program::{self, Arguments};
use fake_gateway::receiver::Receiver;

const LONG_ABOUT: &str = "\
Fake callback receiver that accepts every request

It accepts POST and PUT on any path and answers 200, unless other answers are queued, one per callback:
  POST /test/answers  replace the queue, for example with [{\"status\":500},{\"stall\":true}]
  GET  /test/answers  show the queue
An answer is one of:
  {\"status\":500}  {\"status\":200,\"delayMs\":5000}  {\"stall\":true}  {\"drop\":true}  {\"twice\":true}

Use --log-wire to print the callbacks.";

/// Fake callback receiver that accepts every request
#[derive(Parser)]
#[command(name = "fake-receiver", version, long_about = LONG_ABOUT, after_help = program::AFTER_HELP)]
struct Program {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    let Program { arguments } = Program::parse();
    program::run("receiver", arguments, |listener, seams, probe| {
        Box::pin(Receiver::new(probe).with_clock(seams.clock).serve(listener))
    })
}
