//! The fake wrapper as a program: its arguments and their text.

use std::process::ExitCode;

use clap::Args;
use turnstile_fault::Lapse;

use super::{Arguments, run};
#[cfg(feature = "mutants")]
use crate::wrapper::mutants::Mutant;
use crate::wrapper::{Wrapper, WrapperConfig};

/// The long text about the fake wrapper in its help.
pub const WRAPPER_ABOUT: &str = "\
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

/// Arguments of the fake wrapper.
#[derive(Args)]
pub struct WrapperArguments {
    /// Base URL of the gateway, without a path
    #[arg(long, value_name = "URL", value_parser = gateway_url)]
    gateway: String,
    /// Version that `GET /health` reports
    #[arg(long, value_name = "VERSION", default_value = WrapperConfig::VERSION)]
    reported_version: String,
    /// Time between the acceptance of a turn and its first event
    #[arg(long, value_name = "TIME", default_value = "0s")]
    latency: Lapse,
    /// Pause before each attempt to reconnect, separated by commas
    #[arg(long, value_name = "TIMES", value_delimiter = ',', default_value = "1s,2s,4s")]
    reconnect_pauses: Vec<Lapse>,
    /// Maximum number of events kept while the ingest is lost
    #[arg(long, value_name = "COUNT", default_value_t = WrapperConfig::BUFFER)]
    buffer: usize,
    /// Be a mutant, which breaks one rule
    #[cfg(feature = "mutants")]
    #[arg(long, value_name = "MUTANT")]
    breaking: Option<Mutant>,
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

/// Runs the fake wrapper until the process is killed. Returns only if it cannot start, with exit status 1.
pub fn run_wrapper(arguments: WrapperArguments) -> ExitCode {
    let pauses = arguments.reconnect_pauses;
    let config = WrapperConfig {
        version: arguments.reported_version,
        latency: *arguments.latency,
        reconnect_pauses: pauses.iter().map(|pause| **pause).collect(),
        buffer: arguments.buffer,
        ..WrapperConfig::new(arguments.gateway)
    };
    #[cfg(feature = "mutants")]
    let mutant = arguments.breaking;
    run("wrapper", arguments.arguments, |listener, seams, probe| {
        let wrapper = Wrapper::new(config, seams, probe);
        #[cfg(feature = "mutants")]
        let wrapper = match mutant {
            Some(mutant) => wrapper.breaking(mutant),
            None => wrapper,
        };
        Box::pin(wrapper.serve(listener))
    })
}
