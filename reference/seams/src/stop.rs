//! Requests to stop, and waiting until everything has stopped.
//!
//! Holders of a [`Stop`] decide what stopping means; nothing here ends a task.

use tokio::sync::watch;

/// Requests all holders of its [`Stop`]s to stop.
#[derive(Debug, Default)]
pub struct Stopper(watch::Sender<bool>);

/// Receives a request to stop. A holder keeps it until it has stopped. Clones receive the same request.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stopper {
    /// Creates a [`Stop`].
    pub fn stop(&self) -> Stop {
        Stop(self.0.subscribe())
    }

    /// Requests all holders to stop, including holders of a [`Stop`] that is created later.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Completes when all [`Stop`]s are dropped.
    pub async fn all_stopped(&self) {
        self.0.closed().await;
    }
}

impl Stop {
    /// Completes once stopping is requested; never if the [`Stopper`] is dropped before. Cancel-safe.
    pub async fn requested(&mut self) {
        if self.0.wait_for(|is_requested| *is_requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
