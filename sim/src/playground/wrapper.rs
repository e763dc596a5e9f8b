//! The wrapper process of a session. It can crash, and a new one can take its place.

use std::io;

use fake_gateway::wrapper::{Wrapper, WrapperConfig};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use turnstile_events::observation::Probe;
use turnstile_seams::Seams;

use super::ANY_PORT;

/// The place of a wrapper, with its process while one runs.
pub(super) struct WrapperPlace {
    seams: Seams,
    gateway_url: String,
    /// All processes share it, so that the numbers of their exchanges differ.
    probe: Probe,
    running: Mutex<Option<Process>>,
}

struct Process {
    /// Where it listens.
    authority: String,
    /// Its tasks, which end when it is dropped.
    tasks: JoinSet<()>,
}

impl WrapperPlace {
    /// A place with a wrapper that runs.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub(super) async fn start(seams: Seams, gateway_url: String, probe: Probe) -> io::Result<Self> {
        let place = Self {
            seams,
            gateway_url,
            probe,
            running: Mutex::default(),
        };
        place.restart(|| ()).await?;
        Ok(place)
    }

    /// Where the wrapper listens; `None` while none runs.
    pub(super) async fn authority(&self) -> Option<String> {
        let running = self.running.lock().await;
        running.as_ref().map(|process| process.authority.clone())
    }

    /// Ends the wrapper at once, if it runs. `before` is called before that.
    pub(super) async fn crash(&self, before: impl FnOnce()) {
        let mut running = self.running.lock().await;
        if let Some(mut process) = running.take() {
            before();
            process.tasks.shutdown().await;
        }
    }

    /// Starts a wrapper without a session, unless one runs. `after` is called after that.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub(super) async fn restart(&self, after: impl FnOnce()) -> io::Result<()> {
        let mut running = self.running.lock().await;
        if running.is_none() {
            *running = Some(self.launch().await?);
            after();
        }
        Ok(())
    }

    async fn launch(&self) -> io::Result<Process> {
        let listener = self.seams.network.listen(ANY_PORT).await?;
        let authority = listener.authority();
        let wrapper = Wrapper::new(
            WrapperConfig::new(self.gateway_url.clone()),
            self.seams.clone(),
            self.probe.clone(),
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(wrapper.serve(listener));
        Ok(Process { authority, tasks })
    }
}
