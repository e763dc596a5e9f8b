//! The server as a program: the same code as everywhere, on the machine's sockets, clock and disk.
//!
//! | file | what is in it |
//! |---|---|
//! | `arguments` | what can be said on the command line and by the environment, as it is said |
//! | `settings` | what it means, and what is wrong with it |
//! | `wrapper_url` | where the wrapper of a session is, by a template |
//! | `data` | the directory with the server's state |
//! | `import` | sessions of an older service, taken over before the start |
//! | `log`, `signals` | what the operator sees, and how the operator ends it |
//!
//! Nothing here knows what a session is.

mod arguments;
mod data;
mod import;
mod log;
mod problem;
mod settings;
mod signals;
mod wrapper_url;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::runtime::Builder;
use turnstile_seams::error_chain::with_sources;
use turnstile_seams::real;

pub use self::arguments::{Arguments, CallbackArguments, LogFormat, Switch};
pub use self::data::DataError;
pub use self::import::ImportError;
pub use self::settings::{Settings, WrongSetting};
pub use self::signals::Orders;
pub use self::wrapper_url::{WrapperUrl, WrongWrapperUrl};
use crate::server::{Config, Hooks, Server, StartError};

/// What the help says after the settings.
pub const AFTER_HELP: &str = "\
Once it is at work it prints one line to standard output, `listening on http://HOST:PORT`, and nothing else; its log goes \
to standard error.

SIGTERM and SIGINT end it: it accepts nobody any more, closes WebSockets with 1001, gives requests under way 5 s, and \
ends with 0. A second signal ends it at once. Killed at any moment, it goes on where it was when it is started again.

Exit status: 0 ended by a signal, 1 it could not start, 2 a setting is missing or wrong, 130 ended by a second signal.";

/// It could not start.
const NOT_STARTED: u8 = 1;
/// A setting is missing or wrong.
const WRONG_USAGE: u8 = 2;
/// Somebody did not want to wait for its end.
const FORCED: u8 = 130;

/// Why the program could not start.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// There is no runtime for it.
    #[error("no threads can be had")]
    Threads(#[source] io::Error),
    /// Nobody could end it in order.
    #[error("signals cannot be listened for")]
    Signals(#[source] io::Error),
    /// Its directory is of no use.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A session of an older service's was not taken over.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The server itself could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Nobody could learn where it is.
    #[error("standard output cannot be written to")]
    Announce(#[source] io::Error),
}

/// How a server ended that had started.
enum Ended {
    InOrder,
    Forced,
}

/// Runs a server until a signal ends it. The program's only output is described in [`AFTER_HELP`].
pub fn run(arguments: Arguments) -> ExitCode {
    let settings = match Settings::read(arguments) {
        Ok(settings) => settings,
        Err(wrong) => {
            for setting in wrong {
                eprintln!("error: {setting}");
            }
            eprintln!("\nFor more information, try '--help'.");
            return WRONG_USAGE.into();
        }
    };
    settings.install_log();
    match run_with(settings) {
        Ok(Ended::InOrder) => ExitCode::SUCCESS,
        Ok(Ended::Forced) => FORCED.into(),
        Err(error) => {
            eprintln!("error: {}", with_sources(&error));
            NOT_STARTED.into()
        }
    }
}

fn run_with(settings: Settings) -> Result<Ended, ProgramError> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ProgramError::Threads)?;
    let ended = runtime.block_on(serve(settings));
    if let Ok(Ended::Forced) = ended {
        // Nothing is waited for.
        runtime.shutdown_background();
    }
    ended
}

async fn serve(settings: Settings) -> Result<Ended, ProgramError> {
    // From here on a signal is an order, also if it comes before there is anything to end.
    let Orders { end, end_at_once } = Orders::listen().map_err(ProgramError::Signals)?;
    let end_with_stdin = settings.end_with_stdin;
    let running = start(settings).await?;
    real::announce(running.authority()).map_err(ProgramError::Announce)?;
    let serving = running.serve(async {
        let reason = tokio::select! {
            biased;
            signal = end => signal,
            () = signals::stdin_closed(), if end_with_stdin => "standard input is closed",
        };
        tracing::info!(reason, "server ending");
    });
    tokio::select! {
        biased;
        () = serving => {
            tracing::info!("server ended");
            Ok(Ended::InOrder)
        }
        () = end_at_once => {
            tracing::warn!("server ended at once");
            Ok(Ended::Forced)
        }
    }
}

/// A server of such settings at work, whose callers wait at its door. Needs a tokio runtime with I/O and time.
///
/// # Errors
///
/// If it cannot start.
pub async fn start(settings: Settings) -> Result<Running, ProgramError> {
    let seams = real::seams_at(settings.pace);
    let listener = Server::listen(&settings.listen, &seams).await?;
    let authority = listener.authority();
    let ingest_url = settings.ingest_url.unwrap_or_else(|| format!("ws://{authority}"));

    let database = data::prepare(&settings.data)?;
    for file in &settings.imports {
        import::take_over(file, &database)?;
    }
    tracing::info!(
        authority,
        ingest_url,
        wrapper_url = %settings.wrapper_url,
        data = %settings.data.display(),
        callback_queue = settings.callback_queue,
        speed = settings.pace.times,
        version = env!("CARGO_PKG_VERSION"),
        "server starting"
    );
    let config = Config {
        listen: settings.listen,
        ingest_url,
        sandboxes: Arc::new(settings.wrapper_url),
        api_secret: settings.api_secret,
        ticket_secret: settings.ticket_secret,
        internal_api_key: settings.internal_api_key,
        callback_queue: settings.callback_queue,
        profile: Arc::new(settings.profile),
    };
    let files = database.clone();
    let server =
        Server::start(listener, config, seams, move || files.open(), Hooks::default()).map_err(|error| {
            match error {
                StartError::Store(error) => data::explain(error, &database).into(),
                StartError::Listen { .. } => ProgramError::from(error),
            }
        })?;
    tracing::info!(authority, "server listening");
    Ok(Running { authority, server })
}

/// A server at work.
pub struct Running {
    authority: String,
    server: Server,
}

impl Running {
    /// Where it is found, `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Serves until `shutdown` completes; see [`Server::serve`].
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        self.server.serve(shutdown).await;
    }
}
