//! Being asked to stop, and waiting until all who were asked are through.
//!
//! What stopping means is up to whoever is asked; nothing here ends anything.

use tokio::sync::watch;

/// Asks all holders of its [`Stop`]s to stop.
#[derive(Debug, Default)]
pub struct Stopper(watch::Sender<bool>);

/// Held by somebody who can be asked to stop, for as long as that takes. Clones are asked together.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stopper {
    /// Something to be asked through.
    pub fn stop(&self) -> Stop {
        Stop(self.0.subscribe())
    }

    /// Asks everybody, those too who come to hold a [`Stop`] later.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Completes when nobody holds a [`Stop`] any more.
    pub async fn all_are_through(&self) {
        self.0.closed().await;
    }
}

impl Stop {
    /// Completes as soon as it is asked for; never if nobody is left to ask. Nothing is lost by dropping it.
    pub async fn asked(&mut self) {
        if self.0.wait_for(|is_asked| *is_asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
