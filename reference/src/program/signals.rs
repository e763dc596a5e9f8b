//! The operator's signals: the first one ends the program in order, the second one at once.

use std::io;
use std::thread;

use tokio::sync::oneshot;
use turnstile_seams::BoxFuture;

/// The signals to come, in order.
pub struct Orders {
    /// Completes with the first signal's name.
    pub end: BoxFuture<'static, &'static str>,
    /// Completes with the second signal.
    pub end_at_once: BoxFuture<'static, ()>,
}

impl Orders {
    /// Installs the signal handlers. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn listen() -> io::Result<Self> {
        let mut signals = Signals::listen()?;
        let (first, end) = oneshot::channel();
        let (second, end_at_once) = oneshot::channel();
        tokio::spawn(async move {
            // The receiver may be gone, because the program is ending already.
            let _ = first.send(signals.next().await);
            let _ = second.send(signals.next().await);
        });
        Ok(Self {
            end: Box::pin(async { end.await.unwrap_or("the signal handler ended") }),
            end_at_once: Box::pin(async {
                if end_at_once.await.is_err() {
                    std::future::pending::<()>().await;
                }
            }),
        })
    }
}

/// Completes when standard input is closed.
pub(super) async fn stdin_closed() {
    let (closed, is_closed) = oneshot::channel::<()>();
    // A thread, because standard input may be a file, a pipe or a terminal, and only a blocking read works for all.
    thread::spawn(move || {
        let read = io::copy(&mut io::stdin().lock(), &mut io::sink());
        drop((read, closed));
    });
    // The sender sends nothing and is dropped at the end.
    let _ = is_closed.await;
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
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

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}
