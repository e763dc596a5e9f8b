//! Ctrl-C and other termination signals: the first one requests the end, with all results written, and the second one
//! exits at once.

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;

use super::exit::{Exit, print_error};

/// The time in which a command must begin to write its results. After it, the process exits without them.
const PATIENCE: Duration = Duration::from_millis(900);
/// The time in which the results must be written. A file may be a pipe that nobody reads.
const WRITING_TIME: Duration = Duration::from_secs(20);

/// Whether a signal has requested the end. Static, because plays on other threads look at it until the process ends.
static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// Whether the command writes its results, and needs no more than the time for that.
static WRITING: AtomicBool = AtomicBool::new(false);
/// The exit status for the first signal.
static STATUS: AtomicU8 = AtomicU8::new(Exit::Interrupted as u8);

/// Termination signals of this process. Cheap to clone.
#[derive(Clone, Copy)]
pub(crate) struct Interruption(());

impl Interruption {
    /// Installs the signal handlers.
    pub fn listen() -> Self {
        let (sender, listening) = mpsc::channel();
        thread::spawn(move || listen(&sender));
        let error = match listening.recv() {
            Ok(Ok(())) => return Self(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the thread for signals ended".to_owned(),
        };
        print_error(&format!(
            "cannot handle Ctrl-C, which will exit without a summary: {error}"
        ));
        Self(())
    }

    /// The flag itself, for code that does not know this type.
    pub fn flag(self) -> &'static AtomicBool {
        &ASKED
    }

    /// As [`Self::flag`].
    pub fn shared_flag(self) -> Arc<AtomicBool> {
        Arc::clone(&ASKED)
    }

    /// Prints that the following result is partial.
    pub fn note() {
        anstream::eprintln!("interrupted: the result is partial");
    }

    /// Whether the end was requested.
    pub fn is_asked_for(self) -> bool {
        ASKED.load(Ordering::Relaxed)
    }

    /// Allows the command to take its time after a signal, because it writes its results.
    pub fn begin_to_write(self) {
        WRITING.store(true, Ordering::Relaxed);
    }

    /// The exit status: that of the signal if there was one, otherwise `exit`.
    pub fn exit(self, exit: Exit) -> Exit {
        match (self.is_asked_for(), STATUS.load(Ordering::Relaxed)) {
            (false, _) => exit,
            (true, status) if status == Exit::Terminated as u8 => Exit::Terminated,
            (true, status) if status == Exit::HungUp as u8 => Exit::HungUp,
            (true, _) => Exit::Interrupted,
        }
    }
}

/// Handles signals until the process ends. Reports to `listening` whether the handlers are installed.
fn listen(listening: &mpsc::Sender<io::Result<()>>) {
    let handled = Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| {
            let entered = runtime.enter();
            let signals = Signals::listen()?;
            drop(entered);
            Ok((signals, runtime))
        });
    match handled {
        Ok((signals, runtime)) => {
            // The listener waits for it.
            let _ = listening.send(Ok(()));
            runtime.block_on(handle(signals));
        }
        Err(error) => {
            let _ = listening.send(Err(error));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "signals come in real time")]
async fn handle(mut signals: Signals) {
    let status = signals.next().await as u8;
    STATUS.store(status, Ordering::Relaxed);
    ASKED.store(true, Ordering::Relaxed);
    let again = signals.next();
    if tokio::time::timeout(PATIENCE, again).await.is_err() && WRITING.load(Ordering::Relaxed) {
        // The end of the time is as good as another signal.
        let _ = tokio::time::timeout(WRITING_TIME, signals.next()).await;
    }
    process::exit(status.into());
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Exit {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Exit::Terminated,
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.hang_up.recv() => Exit::HungUp,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Exit {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Exit::Interrupted,
            Err(_) => std::future::pending().await,
        }
    }
}
