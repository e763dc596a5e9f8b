//! The reference server of a playground. It has its own thread and runtime, so that it can crash.
//!
//! A crash drops the runtime: every task and connection of the server ends where it is. What was committed is left.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use turnstile_reference::program::{
    self, Arguments, CallbackArguments, LogFormat, ProgramError, SettingError, Settings,
};

use super::StartError;

/// The settings of every start of the server.
pub(super) struct ServerSettings {
    pub(super) data: PathBuf,
    pub(super) api_secret: String,
    pub(super) ticket_secret: String,
    pub(super) internal_api_key: String,
    pub(super) wrapper_url: String,
    pub(super) ingest_url: String,
    pub(super) log: String,
}

impl ServerSettings {
    fn read(&self) -> Result<Settings, Vec<SettingError>> {
        Settings::read(Arguments {
            listen: super::ANY_PORT.to_owned(),
            data: Some(self.data.clone()),
            api_secret: Some(self.api_secret.clone()),
            ticket_secret: Some(self.ticket_secret.clone()),
            internal_api_key: Some(self.internal_api_key.clone()),
            wrapper_url: Some(self.wrapper_url.clone()),
            ingest_url: Some(self.ingest_url.clone()),
            callbacks: CallbackArguments::default(),
            imports: Vec::new(),
            speed: None,
            speed_since: None,
            test_clock: None,
            end_with_stdin: false,
            log: self.log.clone(),
            log_format: LogFormat::Text,
        })
    }
}

/// The server and its thread, while it is up.
pub(super) struct ServerThread {
    settings: ServerSettings,
    running: Mutex<Option<Run>>,
    /// Held while the server starts or ends, so that each of two changes at once finds the other one done.
    changing: tokio::sync::Mutex<()>,
}

struct Run {
    /// Where it listens.
    authority: String,
    /// Ends it in order.
    stop: oneshot::Sender<()>,
    /// Ends it at once.
    crash: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl ServerThread {
    pub(super) fn new(settings: ServerSettings) -> Self {
        Self {
            settings,
            running: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// Where the server listens; `None` while it is down.
    pub(super) fn authority(&self) -> Option<String> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|run| run.authority.clone())
    }

    /// Starts the server, unless it is up. `after` is called after that.
    ///
    /// # Errors
    ///
    /// If a setting is wrong, or the server does not start.
    pub(super) async fn start(&self, after: impl FnOnce()) -> Result<(), StartError> {
        let _changing = self.changing.lock().await;
        if self.authority().is_some() {
            return Ok(());
        }
        let settings = self.settings.read().map_err(StartError::settings)?;
        settings.install_log();
        let (stop, stopped) = oneshot::channel();
        let (crash, crashed) = oneshot::channel();
        let (started, starting) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || run(settings, started, stopped, crashed))
            .map_err(StartError::Thread)?;
        // A thread that ended before it answered has panicked.
        let authority = starting.await.map_err(|_| StartError::Panicked)??;
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(Run {
            authority,
            stop,
            crash,
            thread,
        });
        after();
        Ok(())
    }

    /// Ends the server at once, if it is up. `before` is called before that.
    pub(super) async fn crash(&self, before: impl FnOnce()) {
        let _changing = self.changing.lock().await;
        if let Some(run) = self.take() {
            before();
            // It may have ended itself.
            let _ = run.crash.send(());
            join(run.thread).await;
            drop(run.stop);
        }
    }

    /// Ends the server in order, if it is up.
    pub(super) async fn stop(&self) {
        let _changing = self.changing.lock().await;
        if let Some(run) = self.take() {
            let _ = run.stop.send(());
            join(run.thread).await;
            drop(run.crash);
        }
    }

    fn take(&self) -> Option<Run> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Waits for the end of a thread, which has released its files and its port then.
async fn join(thread: JoinHandle<()>) {
    let joined = tokio::task::spawn_blocking(move || thread.join()).await;
    if !matches!(joined, Ok(Ok(()))) {
        tracing::warn!("the server's thread panicked");
    }
}

/// Runs a server until it is stopped or crashes.
fn run(
    settings: Settings,
    started: oneshot::Sender<Result<String, ProgramError>>,
    stopped: oneshot::Receiver<()>,
    crashed: oneshot::Receiver<()>,
) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            // The starter waits for it.
            let _ = started.send(Err(ProgramError::Threads(error)));
            return;
        }
    };
    runtime.block_on(async move {
        let server = match program::start(settings).await {
            Ok(server) => server,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok(server.authority().to_owned()));
        let serving = server.serve(async {
            let _ = stopped.await;
        });
        tokio::select! {
            biased;
            _ = crashed => {}
            () = serving => {}
        }
    });
}
