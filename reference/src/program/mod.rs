//! The server as a program, on the machine's sockets, clock and disk.
//!
//! | file | what is in it |
//! |---|---|
//! | `arguments` | the command line, as clap parses it |
//! | `settings` | checks and converts the arguments |
//! | `wrapper_url` | the template for the URLs of wrappers |
//! | `data` | the data directory |
//! | `import` | the import of sessions of an older service |
//! | `test_clock` | the address at which a test moves the clock |
//! | `log`, `signals` | the log, and the operator's signals |
//!
//! Nothing here depends on what a session is.

mod arguments;
mod data;
mod import;
mod log;
mod problem;
mod settings;
mod signals;
mod test_clock;
mod wrapper_url;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::runtime::Builder;
use turnstile_seams::Seams;
use turnstile_seams::error_chain::with_sources;
use turnstile_seams::real::{self, MachineClock};
use turnstile_seams::test_clock::TestClock;

pub use self::arguments::{Arguments, CallbackArguments, LogFormat, Switch};
pub use self::data::DataError;
pub use self::import::ImportError;
pub use self::settings::{SettingError, Settings};
pub use self::signals::Orders;
pub use self::wrapper_url::{WrapperUrl, WrapperUrlError};
use crate::server::{Config, Hooks, Server, StartError};

/// The text after the options in the help.
pub const AFTER_HELP: &str = "\
When the server is ready, it prints `listening on http://HOST:PORT` to standard output, and nothing else. With \
--test-clock, a line `test clock on http://HOST:PORT` comes before it. The log goes to standard error.

At the first SIGTERM or SIGINT the server stops accepting connections, closes WebSockets with 1001, allows pending \
requests 5 s, and exits. A second signal ends it at once. A killed server continues where it was when it is restarted.

Exit status: 0 ended by a signal, 1 failed to start, 2 a setting is missing or invalid, 130 ended by a second signal.";

/// Exit status if the server fails to start.
const NOT_STARTED: u8 = 1;
/// Exit status if a setting is missing or invalid.
const WRONG_USAGE: u8 = 2;
/// Exit status after a second signal.
const FORCED: u8 = 130;

/// Why the server failed to start.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The runtime cannot be created.
    #[error("cannot start the runtime's threads")]
    Threads(#[source] io::Error),
    /// The signal handlers cannot be installed.
    #[error("cannot install signal handlers")]
    Signals(#[source] io::Error),
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A session cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The time by which the test clock was moved cannot be read.
    #[error("the file `test-clock` in the data directory cannot be read")]
    TestClock(#[source] io::Error),
    /// The server cannot listen, or its store cannot be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The `listening` line cannot be printed.
    #[error("cannot write to standard output")]
    Announce(#[source] io::Error),
}

/// How a running server ended.
enum Ended {
    InOrder,
    Forced,
}

/// Changes what a server is started with, in a test of the harness.
pub type Adapt = Box<dyn FnOnce(&mut Config, &mut Hooks, &mut Seams) + Send>;

/// Runs a server until a signal ends it, and returns its exit status. [`AFTER_HELP`] describes its output.
pub fn run(arguments: Arguments) -> ExitCode {
    run_adapted(arguments, Box::new(|_, _, _| {}))
}

/// As [`run`], with a server that `adapt` changes before it starts.
pub fn run_adapted(arguments: Arguments, adapt: Adapt) -> ExitCode {
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
    match run_with(settings, adapt) {
        Ok(Ended::InOrder) => ExitCode::SUCCESS,
        Ok(Ended::Forced) => FORCED.into(),
        Err(error) => {
            eprintln!("error: {}", with_sources(&error));
            NOT_STARTED.into()
        }
    }
}

fn run_with(settings: Settings, adapt: Adapt) -> Result<Ended, ProgramError> {
    let mut builder = match &settings.test_clock {
        None => Builder::new_multi_thread(),
        // See `test_clock::serve`.
        Some(_) => Builder::new_current_thread(),
    };
    let runtime = builder.enable_all().build().map_err(ProgramError::Threads)?;
    let ended = runtime.block_on(serve(settings, adapt));
    if let Ok(Ended::Forced) = ended {
        // Do not wait for tasks in progress.
        runtime.shutdown_background();
    }
    ended
}

async fn serve(settings: Settings, adapt: Adapt) -> Result<Ended, ProgramError> {
    // Listen from here on, so that a signal during the start also ends the server.
    let Orders { end, end_at_once } = Orders::listen().map_err(ProgramError::Signals)?;
    let end_with_stdin = settings.end_with_stdin;
    let running = start_adapted(settings, adapt).await?;
    if let Some(authority) = &running.test_clock {
        real::announce("test clock", authority).map_err(ProgramError::Announce)?;
    }
    real::announce("listening", running.authority()).map_err(ProgramError::Announce)?;
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

/// Starts a server. Its port is open when this returns, and connections wait until [`Running::serve`] runs. Needs a
/// tokio runtime with I/O and time.
///
/// # Errors
///
/// If the server cannot start.
pub async fn start(settings: Settings) -> Result<Running, ProgramError> {
    start_adapted(settings, Box::new(|_, _, _| {})).await
}

async fn start_adapted(settings: Settings, adapt: Adapt) -> Result<Running, ProgramError> {
    let machine = MachineClock::new(settings.pace);
    let mut seams = real::seams_at(settings.pace);
    let test_clock = match &settings.test_clock {
        None => None,
        Some(address) => {
            let advanced = test_clock::kept(&settings.data).map_err(ProgramError::TestClock)?;
            let clock = TestClock::new(machine, advanced);
            seams.clock = Arc::new(clock.clone());
            Some((Server::listen(address, &seams).await?, clock))
        }
    };
    let listener = Server::listen(&settings.listen, &seams).await?;
    let authority = listener.authority();
    let ingest_url = settings.ingest_url.unwrap_or_else(|| format!("ws://{authority}"));

    let database = data::prepare(&settings.data)?;
    for file in &settings.imports {
        import::import_file(file, &database)?;
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
    let mut config = Config {
        listen: settings.listen,
        ingest_url,
        sandboxes: Arc::new(settings.wrapper_url),
        api_secret: settings.api_secret,
        ticket_secret: settings.ticket_secret,
        internal_api_key: settings.internal_api_key,
        callback_queue: settings.callback_queue,
        profile: Arc::new(settings.profile),
    };
    let mut hooks = Hooks::default();
    adapt(&mut config, &mut hooks, &mut seams);
    let files = database.clone();
    let started = Server::start(listener, config, seams, move || files.open(), hooks);
    let server = started.map_err(|error| match error {
        StartError::Store(error) => data::explain(error, &database).into(),
        StartError::Listen { .. } => ProgramError::from(error),
    })?;
    tracing::info!(authority, "server listening");
    let test_clock = test_clock.map(|(listener, clock)| {
        let authority = listener.authority();
        tracing::warn!(
            authority,
            "test clock offered: whoever reaches it moves the server's time"
        );
        tokio::spawn(async move { test_clock::serve(listener, clock, &settings.data).await });
        authority
    });
    Ok(Running {
        authority,
        test_clock,
        server,
    })
}

/// A started server.
pub struct Running {
    authority: String,
    /// The listening address of the test clock.
    test_clock: Option<String>,
    server: Server,
}

impl Running {
    /// The listening address, as `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Serves until `shutdown` completes; see [`Server::serve`].
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        self.server.serve(shutdown).await;
    }
}
