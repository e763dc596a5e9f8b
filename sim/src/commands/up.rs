//! `turnstile up`: starts the reference server with the fakes on local ports, and prints how to use them.
//!
//! The place itself is the library's `playground`; here are its arguments, its signals and its instructions.

mod instructions;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Builder;
use turnstile::playground::{Playground, Settings, StartError};
use turnstile::stage::identity::USER;
use turnstile_reference::program::{Orders, ProgramError};
use turnstile_seams::error_chain::with_sources;
use turnstile_seams::{Randomness, real};

use self::instructions::Instructions;
use super::exit::{Exit, print_error};

/// The exit status after a second signal.
const FORCED: u8 = 130;
/// The length of a generated secret in bytes.
const SECRET_LENGTH: usize = 32;

/// Arguments of `turnstile up`.
#[derive(Args)]
pub(crate) struct UpArguments {
    /// Port of the server and of the page [default: a free port]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Directory of the server's state, created if missing [default: a temporary directory]
    #[arg(long, env = "TURNSTILE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// User of the printed token
    #[arg(long, env = "TURNSTILE_USER", value_name = "USER", default_value = USER)]
    user: String,
    /// Secret of user tokens [default: random]
    #[arg(
        long,
        env = "TURNSTILE_API_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    api_secret: Option<String>,
    /// Secret of stream tickets [default: random]
    #[arg(
        long,
        env = "TURNSTILE_TICKET_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    ticket_secret: Option<String>,
    /// API key of internal procedures [default: random]
    #[arg(
        long,
        env = "TURNSTILE_INTERNAL_API_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    internal_api_key: Option<String>,
    /// Log filter of the server, such as info
    #[arg(long, env = "TURNSTILE_LOG", value_name = "FILTER", default_value = "warn")]
    log: String,
}

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
enum UpError {
    #[error("cannot create a temporary directory")]
    Directory(#[source] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Signals(#[from] ProgramError),
    #[error("cannot print the instructions")]
    Instructions(#[source] io::Error),
}

/// Runs the playground until a signal.
pub(crate) fn up(arguments: UpArguments) -> ExitCode {
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error),
    };
    let code = match runtime.block_on(run(arguments)) {
        Ok(code) => code,
        Err(error) => failure(&error),
    };
    // The fakes have no state to save.
    runtime.shutdown_background();
    code
}

fn failure(error: &dyn Error) -> ExitCode {
    print_error(&with_sources(error));
    ExitCode::from(Exit::Harness as u8)
}

async fn run(arguments: UpArguments) -> Result<ExitCode, UpError> {
    let Orders { end, end_at_once } = Orders::listen().map_err(ProgramError::Signals)?;
    let (directory, temporary) = directory(arguments.data)?;
    let randomness = real::seams().randomness;
    let secret = |given: Option<String>| given.unwrap_or_else(|| draw_secret(&randomness));
    let api_secret = secret(arguments.api_secret);
    let ticket_secret = secret(arguments.ticket_secret);
    let settings = Settings {
        port: arguments.port,
        data: directory.clone(),
        user: arguments.user.clone(),
        api_secret: api_secret.clone(),
        ticket_secret: ticket_secret.clone(),
        internal_api_key: secret(arguments.internal_api_key),
        log: arguments.log,
    };
    let playground = Playground::start(settings, Box::new(print_callback)).await?;
    let instructions = Instructions {
        server: &playground.authority,
        receiver: &playground.receiver,
        directory: &directory,
        is_temporary: temporary.is_some(),
        user: &arguments.user,
        api_secret: &api_secret,
        ticket_secret: &ticket_secret,
    };
    instructions.print().map_err(UpError::Instructions)?;
    let serving = playground.serve(async {
        end.await;
    });
    tokio::select! {
        biased;
        () = serving => Ok(ExitCode::SUCCESS),
        () = end_at_once => Ok(ExitCode::from(FORCED)),
    }
}

/// The directory of the server's state, with a guard that removes it if it is temporary.
fn directory(kept: Option<PathBuf>) -> Result<(PathBuf, Option<TempDir>), UpError> {
    if let Some(kept) = kept {
        return Ok((kept, None));
    }
    let temporary = tempfile::Builder::new()
        .prefix("turnstile-")
        .tempdir()
        .map_err(UpError::Directory)?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

fn draw_secret(randomness: &Randomness) -> String {
    let bytes = randomness.bytes::<SECRET_LENGTH>();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Prints a callback that the receiver gets.
fn print_callback(path: &str, body: &Value) {
    // The reader of standard output may stop.
    let _ = writeln!(io::stdout().lock(), "callback at {path}: {body}");
}
