//! The fake wrapper as a program.

use std::process::ExitCode;

use clap::Parser;
use fake_gateway::program::{self, Arguments};
use fake_gateway::wrapper::{Wrapper, WrapperConfig};

const LONG_ABOUT: &str = "\
A fake wrapper: the process in a session's sandbox, with its agent, which asks the gateway for every turn

It works for one session at a time, the one whose server made it ready last.

Side door, which takes what the script step `wrapper` takes, as JSON; {} is to behave:
  POST /test/behaviour  {\"deaf\":true,\"job\":{\"lose-reply\":1}}
  ready: {delay, fail: {code, times}}         job: {delay, fail: {code, times}, lose-reply: N}
  complete: {gate, branch, never, exit-code}  fatal: TEXT  babble: N  late: N
  deaf, silent, duplicate, ends-out-of-order, no-reply, unfinished-reply, child-idle, loses-buffer,
  keeps-old-socket: true";

/// A fake wrapper: the process in a session's sandbox, with its agent
#[derive(Parser)]
#[command(name = "fake-wrapper", version, long_about = LONG_ABOUT, after_help = program::AFTER_HELP)]
struct Program {
    /// Where the gateway is, without a path
    #[arg(long, value_name = "URL", value_parser = gateway_url)]
    gateway: String,
    #[command(flatten)]
    arguments: Arguments,
}

fn gateway_url(text: &str) -> Result<String, &'static str> {
    let text = text.trim_end_matches('/');
    let is_one = text.parse().is_ok_and(|url: http::Uri| {
        url.scheme_str() == Some("http")
            && url.host().is_some()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
    });
    if is_one {
        Ok(text.to_owned())
    } else {
        Err("give a URL such as http://127.0.0.1:9100")
    }
}

fn main() -> ExitCode {
    let Program { gateway, arguments } = Program::parse();
    let config = WrapperConfig { gateway_url: gateway };
    program::run("wrapper", arguments, |listener, seams, witness| {
        Box::pin(Wrapper::new(config, seams, witness).serve(listener))
    })
}
