//! The program `fake-wrapper`.

use std::process::ExitCode;

use clap::Parser;
use fake_gateway::program::{self, Arguments};
use fake_gateway::wrapper::{Wrapper, WrapperConfig};
use turnstile_fault::Lapse;

const LONG_ABOUT: &str = "\
Fake wrapper: the process in a session's sandbox, with its agent

It calls the gateway for every turn. It works for one session at a time, the one it was last made ready for.

Control route, which configures misbehaviour; {} restores normal behaviour:
  POST /test/behaviour  {\"deaf\":true,\"job\":{\"lose-reply\":1}}
The fields are those of the script step `wrapper`:
  ready: {delay, fail: {code, times}, answer}  job: {delay, fail: {code, times}, answer, lose-reply: N}
  answer: html-502, truncated, empty, endless, or {is, times}
  complete: {gate, branch, never, exit-code, stays}  finalize: {takes}  preparing: {step, message}
  fatal: TEXT  latency: TIME  heartbeat: TIME  commands: [NAME]  parts: reordered, updated, removed
  babble, late, long-text, abandons-opening: N
  deaf, silent, duplicate, ends-out-of-order, no-reply, unfinished-reply, child-idle, loses-buffer,
  keeps-old-socket, lone-surrogate: true";

/// Fake wrapper: the process in a session's sandbox, with its agent
#[derive(Parser)]
#[command(name = "fake-wrapper", version, long_about = LONG_ABOUT, after_help = program::AFTER_HELP)]
struct Program {
    /// Base URL of the gateway, without a path
    #[arg(long, value_name = "URL", value_parser = gateway_url)]
    gateway: String,
    /// Version that `GET /health` reports
    #[arg(long, value_name = "VERSION", default_value = WrapperConfig::VERSION)]
    reported_version: String,
    /// Time between the acceptance of a turn and its first event
    #[arg(long, value_name = "TIME", default_value = "0s")]
    latency: Lapse,
    #[command(flatten)]
    arguments: Arguments,
}

fn gateway_url(text: &str) -> Result<String, &'static str> {
    let text = text.trim_end_matches('/');
    let is_base_url = text.parse().is_ok_and(|url: http::Uri| {
        url.scheme_str() == Some("http")
            && url.host().is_some()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
    });
    if is_base_url {
        Ok(text.to_owned())
    } else {
        Err("expected a base URL without a path, such as http://127.0.0.1:9100")
    }
}

fn main() -> ExitCode {
    let Program {
        gateway,
        reported_version,
        latency,
        arguments,
    } = Program::parse();
    let config = WrapperConfig {
        version: reported_version,
        latency: *latency,
        ..WrapperConfig::new(gateway)
    };
    program::run("wrapper", arguments, |listener, seams, probe| {
        Box::pin(Wrapper::new(config, seams, probe).serve(listener))
    })
}
