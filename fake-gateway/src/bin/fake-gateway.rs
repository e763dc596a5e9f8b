//! The program `fake-gateway`.

use std::process::ExitCode;

use clap::Parser;
use fake_gateway::gateway::Gateway;
use fake_gateway::program::{self, Arguments};

const LONG_ABOUT: &str = "\
A fake LLM gateway, shaped like OpenRouter's API, that answers as its prompts say

The last user message of a request says how it is to be answered:
  __fake__:echo:TEXT          one chunk with the leading letters, digits, _ and - of TEXT
  __fake__:slow:CHUNKS:MS     so many chunks, MS milliseconds apart
  __fake__:idle               an empty answer
  __fake__:hang               an answer that never ends
  __fake__:error:TEXT         a refusal, 402, with that text
  __fake__:gate:TAG           an answer that waits until TAG is released, then says `done`
Anything else is refused with 402.

Side doors:
  POST /test/release?tag=TAG      lets those go on that wait at TAG: 204, or 404 if nobody does
  GET  /test/gate-status?tag=TAG  whether anybody waits there
  GET  /test/waiters              how many wait, by tag, and how many answers are under way";

/// Fake LLM gateway that takes its answers from the prompts
#[derive(Parser)]
#[command(name = "fake-gateway", version, long_about = LONG_ABOUT, after_help = program::AFTER_HELP)]
struct Program {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    let Program { arguments } = Program::parse();
    program::run("gateway", arguments, |listener, seams, witness| {
        Box::pin(Gateway::new(seams, witness).serve(listener))
    })
}
