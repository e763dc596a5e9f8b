//! The command-line shell that the three fake programs share: arguments, listening, and the wire log.
//!
//! It provides real sockets and the real clock. The behaviour of the fakes is not here.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use tokio::runtime::Builder;
use turnstile_events::observation::{Observer, Sight, Witness};
use turnstile_seams::real::{self, MachineClock};
use turnstile_seams::{BoxFuture, Clock as _, Listener, Seams};

/// Last paragraph of every fake's help.
pub const AFTER_HELP: &str = "\
Once it listens it prints one line to standard output, `listening on http://HOST:PORT`, and nothing else. It remembers \
nothing: ending it is its crash.";

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
    fake: impl FnOnce(Box<dyn Listener>, Seams, Witness) -> BoxFuture<'static, ()>,
) -> ExitCode {
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&format!("no threads can be had: {error}")),
    };
    runtime.block_on(async {
        let seams = real::seams();
        let listener = match seams.network.listen(&arguments.listen).await {
            Ok(listener) => listener,
            Err(error) => return failure(&format!("cannot listen at {}: {error}", arguments.listen)),
        };
        let observer: Arc<dyn Observer> = if arguments.log_wire {
            Arc::new(WireLog)
        } else {
            Arc::new(Unwatched)
        };
        if let Err(error) = real::announce(&listener.authority()) {
            return failure(&format!("standard output cannot be written to: {error}"));
        }
        fake(listener, seams, Witness::new(party, observer)).await;
        ExitCode::SUCCESS
    })
}

fn failure(text: &str) -> ExitCode {
    eprintln!("error: {text}");
    ExitCode::FAILURE
}

/// Discards observations.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Observer for Unwatched {
    fn observe(&self, _: &str, _: Sight) {}
}

/// Prints observations as JSON lines.
struct WireLog;

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    party: &'a str,
    #[serde(flatten)]
    sight: &'a Sight,
}

impl Observer for WireLog {
    fn observe(&self, party: &str, sight: Sight) {
        let line = Line {
            at: MachineClock::default().now().to_string(),
            party,
            sight: &sight,
        };
        let text = serde_json::to_string(&line).expect("sights are made of JSON's own kinds of values");
        // The reader of standard error may close it.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}
