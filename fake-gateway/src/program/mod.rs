//! The command-line shell that the three fake programs share: arguments, listening, and the wire log.
//!
//! It provides real sockets and the real clock. The behaviour of the fakes is not here.

mod wrapper;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use tokio::runtime::Builder;
use turnstile_events::observation::{Observation, Observer, Probe};
use turnstile_seams::real::{self, MachineClock};
use turnstile_seams::{BoxFuture, Clock as _, Listener, Seams};

pub use self::wrapper::{WRAPPER_ABOUT, WrapperArguments, run_wrapper};

/// Last paragraph of every fake's help.
pub const AFTER_HELP: &str = "\
When ready, it prints `listening on http://HOST:PORT` to standard output, and nothing else. It has no persistent \
state: killing the process simulates a crash.";

/// Arguments of every fake.
#[derive(Args)]
pub struct Arguments {
    /// Address to listen on; port 0 selects a free port
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: String,
    /// Print requests, replies and frames to standard error, one JSON object per line; the output contains
    /// tokens
    #[arg(long)]
    log_wire: bool,
}

/// Runs a fake until the process is killed. Returns only if the fake cannot start, with exit status 1.
pub fn run(
    party: &str,
    arguments: Arguments,
    fake: impl FnOnce(Box<dyn Listener>, Seams, Probe) -> BoxFuture<'static, ()>,
) -> ExitCode {
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&format!("cannot start threads: {error}")),
    };
    runtime.block_on(async {
        let seams = real::seams();
        let listener = match seams.network.listen(&arguments.listen).await {
            Ok(listener) => listener,
            Err(error) => return failure(&format!("cannot listen on {}: {error}", arguments.listen)),
        };
        let observer: Arc<dyn Observer> = if arguments.log_wire {
            Arc::new(WireLog)
        } else {
            Arc::new(NoObserver)
        };
        if let Err(error) = real::announce("listening", &listener.authority()) {
            return failure(&format!("cannot write to standard output: {error}"));
        }
        fake(listener, seams, Probe::new(party, observer)).await;
        ExitCode::SUCCESS
    })
}

fn failure(text: &str) -> ExitCode {
    eprintln!("error: {text}");
    ExitCode::FAILURE
}

/// Discards observations.
#[derive(Debug, Clone, Copy)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn observe(&self, _: &str, _: Observation) {}
}

/// Prints observations as JSON lines.
struct WireLog;

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    party: &'a str,
    #[serde(flatten)]
    observation: &'a Observation,
}

impl Observer for WireLog {
    fn observe(&self, party: &str, observation: Observation) {
        let line = Line {
            at: MachineClock::default().now().to_string(),
            party,
            observation: &observation,
        };
        let text = serde_json::to_string(&line).expect("an observation has only string keys");
        // The reader of standard error may close it.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}
