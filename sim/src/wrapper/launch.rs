//! Starts the process of a wrapper: its environment, and a thread on which it runs while the harness works elsewhere.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use turnstile_seams::{ClockExt as _, http_client, real};

use super::Target;
use super::port::Port;
use crate::role::process::{Log, Process};

/// Time between two requests while the process starts.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A wrapper that was started, or that runs already.
pub(super) struct Launched {
    /// Its process, if the harness has started one.
    pub process: Option<Process>,
    /// Its authority.
    pub authority: String,
    /// Its port, which nothing else may take while the process runs.
    _port: Option<Port>,
}

/// Starts a wrapper that calls a gateway at this authority.
pub(super) fn launch(target: &Target, gateway: &str, pauses: &[Duration]) -> io::Result<Launched> {
    let command = match target {
        Target::Running { authority, .. } => {
            return Ok(Launched {
                process: None,
                authority: authority.clone(),
                _port: None,
            });
        }
        Target::Command(command) => command,
    };
    let port = Port::choose()?;
    let pauses: Vec<String> = pauses.iter().map(|pause| pause.as_millis().to_string()).collect();
    let environment = [
        ("PORT", port.number().to_string()),
        ("GATEWAY_URL", format!("http://{gateway}")),
        ("RECONNECT_PAUSES_MS", pauses.join(",")),
    ];
    let log = Log::default();
    let lines = log.clone();
    let process = Process::start(command, &environment, log, move |line| {
        lines.push(line);
        true
    })?;
    Ok(Launched {
        process: Some(process),
        authority: port.authority(),
        _port: Some(port),
    })
}

/// A wrapper that runs on a thread of its own until this is dropped.
pub(super) struct Running {
    /// Its authority.
    pub authority: String,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Option<String>>,
}

/// Why a wrapper does not run.
pub(super) enum StartError {
    /// The harness failed.
    Harness(io::Error),
    /// It does not answer, for this reason.
    Wrapper(String),
}

impl Running {
    /// Starts a wrapper, and waits until it answers `GET /health` with 200.
    pub(super) fn start(
        target: &Target,
        gateway: &str,
        pauses: &[Duration],
        within: Duration,
    ) -> Result<Self, StartError> {
        let (stop, stopped) = oneshot::channel();
        let (sender, started) = mpsc::channel();
        let (target, gateway, pauses) = (target.clone(), gateway.to_owned(), pauses.to_vec());
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::Harness)?;
        let thread = thread::Builder::new().name("wrapper".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let mut launched = match launch(&target, &gateway, &pauses) {
                    Ok(launched) => launched,
                    Err(error) => {
                        // The receiver waits for it.
                        let _ = sender.send(Err(StartError::Harness(error)));
                        return None;
                    }
                };
                let authority = launched.authority.clone();
                let is_up = answers(launched.process.as_mut(), &authority, within).await;
                let _ = sender.send(is_up.map(|()| authority).map_err(StartError::Wrapper));
                // The result and a dropped sender have the same effect.
                let _ = stopped.await;
                how_it_ended(launched.process.as_mut()).await
            })
        });
        let thread = thread.map_err(StartError::Harness)?;
        let authority = started
            .recv()
            .map_err(|error| StartError::Harness(io::Error::other(error)))??;
        Ok(Self {
            authority,
            stop,
            thread,
        })
    }

    /// Ends it. Returns how it ended before, if it did.
    pub(super) fn end(self) -> Option<String> {
        drop(self.stop);
        self.thread.join().ok().flatten()
    }
}

/// Waits until a wrapper answers, or says why it does not.
async fn answers(mut process: Option<&mut Process>, authority: &str, within: Duration) -> Result<(), String> {
    let seams = real::seams();
    let deadline = seams.clock.now() + within;
    loop {
        let request = Request::get(format!("http://{authority}/health")).body(Full::<Bytes>::default());
        let request = request.map_err(|error| error.to_string())?;
        let asked = seams
            .clock
            .timeout(within, http_client::send(&seams.network, request));
        let seen = match asked.await {
            Ok(Ok(answer)) if answer.status() == StatusCode::OK => return Ok(()),
            Ok(Ok(answer)) => format!("status {}", answer.status().as_u16()),
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        let has_ended = match process.as_deref_mut() {
            Some(process) => process.has_ended(),
            // It should run already.
            None => true,
        };
        if has_ended || seams.clock.now() >= deadline {
            let condition = match process {
                Some(process) => {
                    process.settle().await;
                    format!("; the process: {}", process.condition())
                }
                None => String::new(),
            };
            return Err(format!(
                "`GET /health` is not answered with 200: {seen}{condition}"
            ));
        }
        seams.clock.sleep(POLL_INTERVAL).await;
    }
}

/// How a process has ended, if it has.
async fn how_it_ended(process: Option<&mut Process>) -> Option<String> {
    let process = process?;
    if !process.has_ended() {
        return None;
    }
    process.settle().await;
    Some(process.condition())
}
