//! `turnstile up`: starts the reference server with the fakes on local ports, and prints how to use them.
//!
//! The server is the same program as `turnstile-server`, and the fakes are those of every play.

mod instructions;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use fake_gateway::gateway::Gateway;
use fake_gateway::program::NoObserver;
use fake_gateway::receiver::Receiver;
use fake_gateway::wrapper::{Wrapper, WrapperConfig};
use tempfile::TempDir;
use tokio::runtime::Builder;
use turnstile::stage::identity::USER;
use turnstile_events::observation::{Observation, Observer, Probe};
use turnstile_judge::parties::{GATEWAY, RECEIVER, WRAPPER};
use turnstile_reference::program::{
    self, Arguments, CallbackArguments, LogFormat, Orders, ProgramError, Running, Settings,
};
use turnstile_seams::error_chain::with_sources;
use turnstile_seams::{BoxFuture, Listener, Randomness, real};

use self::instructions::Instructions;
use super::exit::{Exit, print_error};

/// A loopback address with a free port.
const ANY_PORT: &str = "127.0.0.1:0";
/// The exit status after a second signal.
const FORCED: u8 = 130;
/// The length of a generated secret in bytes.
const SECRET_LENGTH: usize = 32;

/// Arguments of `turnstile up`.
#[derive(Args)]
pub(crate) struct UpArguments {
    /// Port of the server [default: a free port]
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

/// Why the server or a fake did not start.
#[derive(Debug, thiserror::Error)]
enum UpError {
    #[error("cannot create a temporary directory")]
    Directory(#[source] io::Error),
    #[error("cannot listen on {ANY_PORT}")]
    Listen(#[source] io::Error),
    #[error("{0}")]
    Settings(String),
    #[error(transparent)]
    Server(#[from] ProgramError),
    #[error("cannot print the instructions")]
    Instructions(#[source] io::Error),
}

/// Runs the server and the fakes until a signal.
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

    let fakes = Fakes::start().await?;
    let settings = Settings::read(Arguments {
        listen: format!("127.0.0.1:{}", arguments.port),
        data: Some(directory.clone()),
        api_secret: Some(api_secret.clone()),
        ticket_secret: Some(ticket_secret.clone()),
        internal_api_key: Some(secret(arguments.internal_api_key)),
        wrapper_url: Some(format!("http://{}", fakes.wrapper)),
        ingest_url: None,
        callbacks: CallbackArguments::default(),
        imports: Vec::new(),
        speed: None,
        speed_since: None,
        test_clock: None,
        end_with_stdin: false,
        log: arguments.log,
        log_format: LogFormat::Text,
    });
    let settings = settings.map_err(|wrong| {
        let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        UpError::Settings(lines.join("\n"))
    })?;
    settings.install_log();
    let server = program::start(settings).await?;
    let instructions = Instructions {
        server: server.authority(),
        fakes: &fakes,
        directory: &directory,
        is_temporary: temporary.is_some(),
        user: &arguments.user,
        api_secret: &api_secret,
        ticket_secret: &ticket_secret,
    };
    instructions.print().map_err(UpError::Instructions)?;
    Ok(serve(server, end, end_at_once).await)
}

async fn serve(
    server: Running,
    end: BoxFuture<'static, &'static str>,
    end_at_once: BoxFuture<'static, ()>,
) -> ExitCode {
    let serving = server.serve(async {
        end.await;
    });
    tokio::select! {
        biased;
        () = serving => ExitCode::SUCCESS,
        () = end_at_once => ExitCode::from(FORCED),
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

/// Addresses of the running fakes.
struct Fakes {
    wrapper: String,
    gateway: String,
    receiver: String,
}

impl Fakes {
    async fn start() -> Result<Self, UpError> {
        let unwatched: Arc<dyn Observer> = Arc::new(NoObserver);
        let (listener, gateway) = listen().await?;
        let fake = Gateway::new(real::seams(), Probe::new(GATEWAY, Arc::clone(&unwatched)));
        tokio::spawn(fake.serve(listener));

        let (listener, wrapper) = listen().await?;
        let config = WrapperConfig::new(format!("http://{gateway}"));
        let fake = Wrapper::new(config, real::seams(), Probe::new(WRAPPER, unwatched));
        tokio::spawn(fake.serve(listener));

        let (listener, receiver) = listen().await?;
        let fake = Receiver::new(Probe::new(RECEIVER, Arc::new(CallbackLog)));
        tokio::spawn(fake.with_clock(real::seams().clock).serve(listener));
        Ok(Self {
            wrapper,
            gateway,
            receiver,
        })
    }
}

async fn listen() -> Result<(Box<dyn Listener>, String), UpError> {
    let listening = real::seams().network.listen(ANY_PORT).await;
    let listener = listening.map_err(UpError::Listen)?;
    let authority = listener.authority();
    Ok((listener, authority))
}

/// Prints the callbacks that the receiver gets.
struct CallbackLog;

impl Observer for CallbackLog {
    fn observe(&self, _: &str, observation: Observation) {
        if let Observation::RequestReceived { path, body, .. } = observation {
            // The reader of standard output may stop.
            let _ = writeln!(io::stdout().lock(), "callback at {path}: {body}");
        }
    }
}
