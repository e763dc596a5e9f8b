//! The program `fake-gateway`.

use std::process::ExitCode;

use clap::Parser;
use fake_gateway::gateway::Gateway;
use fake_gateway::program::{self, Arguments};

const LONG_ABOUT: &str = "\
Fake LLM gateway that takes its answers from the prompts

The API has the shape of OpenRouter's. A directive in the last user message selects the answer:
  __fake__:echo:TEXT          one chunk with the leading letters, digits, _ and - of TEXT
  __fake__:slow:CHUNKS:MS     CHUNKS chunks, MS milliseconds apart
  __fake__:idle               an empty answer
  __fake__:hang               an answer that begins and never continues
  __fake__:error:TEXT         status 402 with TEXT
  __fake__:gate:TAG           waits until TAG is released, then one chunk, `done`
Anything else gets status 402.

Control routes:
  POST /test/release?tag=TAG      release the requests that wait at TAG: 204, or 404 if none waits
  GET  /test/gate-status?tag=TAG  whether a request waits at TAG
  GET  /test/waiters              number of waiting requests by tag, and of unfinished answers";

/// Fake LLM gateway that takes its answers from the prompts
#[derive(Parser)]
#[command(name = "fake-gateway", version, long_about = LONG_ABOUT, after_help = program::AFTER_HELP)]
struct Program {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    let Program { arguments } = Program::parse();
    program::run("gateway", arguments, |listener, seams, probe| {
        Box::pin(Gateway::new(seams, probe).serve(listener))
    })
}
