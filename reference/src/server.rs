//! The server: its configuration, start and shutdown.

use std::io;
use std::sync::Arc;

use axum::Router;
use turnstile_profile::Profile;
use turnstile_seams::{BoxFuture, ClockExt as _, Listener, Seams, http_server};

use crate::api;
use crate::app::App;
use crate::callbacks::{CallbackQueue, DurableQueue, NoQueue};
use crate::delivery::{Sandboxes, WrapperClient};
use crate::host::interception::Interceptor;
use crate::host::{Checkpoint, Checkpoints, Services};
use crate::store::{Storage, StoreError};
use crate::tokens::Tokens;

/// The configuration of a server. Not `Debug`, because it contains secrets.
#[derive(Clone)]
pub struct Config {
    /// The listening address, `host:port`.
    pub listen: String,
    /// The URL at which wrappers reach this server's WebSockets, for example `ws://server:8787`.
    pub ingest_url: String,
    /// The URLs of wrappers: one for all sessions, for example `http://wrapper:9000`, or one for each session.
    pub sandboxes: Arc<dyn Sandboxes>,
    /// The secret that signs users' tokens.
    pub api_secret: String,
    /// The secret that signs stream tickets.
    pub ticket_secret: String,
    /// The key that internal procedures require besides the token.
    pub internal_api_key: String,
    /// Whether the server has a callback queue. Without one, sessions keep their callbacks and retry (R8.23), and
    /// jobs that an earlier server queued stay in the store.
    pub callback_queue: bool,
    /// The durations, limits and numbers of attempts.
    pub profile: Arc<Profile>,
}

/// Wraps the callback queue.
pub type WrapQueue = Box<dyn FnOnce(Arc<dyn CallbackQueue>) -> Arc<dyn CallbackQueue> + Send>;

/// Wraps the router that answers requests.
pub type WrapRouter = Box<dyn FnOnce(Router) -> Router + Send>;

/// Hooks for tests of the harness.
pub struct Hooks {
    /// Wraps the callback queue.
    pub queue: WrapQueue,
    /// Receives checkpoints.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// Intercepts the inputs and decisions of sessions.
    pub interceptor: Option<Arc<dyn Interceptor>>,
    /// Wraps the router that answers requests.
    pub router: WrapRouter,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            queue: Box::new(|queue| queue),
            checkpoints: Arc::new(Unchecked),
            interceptor: None,
            router: Box::new(|router| router),
        }
    }
}

struct Unchecked;

impl Checkpoints for Unchecked {
    fn pass(&self, _: Checkpoint) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// Why a server failed to start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened or read.
    #[error("cannot read the server's state")]
    Store(#[from] StoreError),
    /// The listening address is taken or not available.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address, `host:port`.
        address: String,
        /// The network's error.
        #[source]
        source: io::Error,
    },
}

/// A started server. It accepts connections once [`Server::serve`] is polled.
pub struct Server {
    app: Arc<App>,
    router: Router,
    listener: Box<dyn Listener>,
}

impl Server {
    /// Runs a server without end. Its state is in the store that `open` returns; unfinished work of an earlier server is
    /// resumed.
    ///
    /// # Errors
    ///
    /// If it cannot start; see [`StartError`].
    pub async fn run(
        config: Config,
        seams: Seams,
        open: impl FnOnce() -> Result<Arc<dyn Storage>, StoreError>,
        hooks: Hooks,
    ) -> Result<(), StartError> {
        let listener = Self::listen(&config.listen, &seams).await?;
        let started = Self::start(listener, config, seams, open()?, hooks)?;
        started.serve(std::future::pending()).await;
        Ok(())
    }

    /// Binds the listening address. Connections wait until [`Server::serve`] is polled.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`].
    pub async fn listen(address: &str, seams: &Seams) -> Result<Box<dyn Listener>, StartError> {
        let listening = seams.network.listen(address).await;
        listening.map_err(|source| StartError::Listen {
            address: address.to_owned(),
            source,
        })
    }

    /// Starts a server that accepts connections at `listener`; the address in `config` is not used. Its sessions run
    /// from now on.
    ///
    /// # Errors
    ///
    /// [`StartError::Store`].
    pub fn start(
        listener: Box<dyn Listener>,
        config: Config,
        seams: Seams,
        store: Arc<dyn Storage>,
        hooks: Hooks,
    ) -> Result<Self, StartError> {
        let tokens = Tokens::new(
            &config.api_secret,
            &config.ticket_secret,
            &config.internal_api_key,
            config.profile.worker_token_lifetime,
        );
        let queue: Arc<dyn CallbackQueue> = if config.callback_queue {
            let queue = DurableQueue::new(store.clone(), seams.clone(), config.profile.clone());
            queue.resume()?;
            Arc::new(queue)
        } else {
            Arc::new(NoQueue)
        };
        let services = Services {
            profile: config.profile.clone(),
            store,
            clock: seams.clock.clone(),
            wrapper: WrapperClient::new(
                config.profile.clone(),
                seams.clone(),
                tokens.clone(),
                config.sandboxes,
                config.ingest_url,
            ),
            queue: (hooks.queue)(queue),
            checkpoints: hooks.checkpoints,
            interceptor: hooks.interceptor,
        };
        let app = App::start(seams, tokens, services)?;
        let router = (hooks.router)(api::router(app.clone()));
        Ok(Self {
            app,
            router,
            listener,
        })
    }

    /// Serves until `shutdown` completes. Then it stops accepting connections, closes WebSockets with 1001, and
    /// allows pending requests [a time](Profile::shutdown_patience) to finish.
    ///
    /// Sessions are not involved: every effect is committed before it is visible, so a shutdown equals a crash, and
    /// the next server continues from the store.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self {
            app,
            router,
            listener,
        } = self;
        let stopper = app.stopper();
        let serving = http_server::serve_until(listener, router, stopper.stop());
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            biased;
            () = serving.as_mut() => {}
            () = shutdown => {
                stopper.request();
                let leaving = async {
                    serving.await;
                    stopper.all_stopped().await;
                };
                let patience = app.profile().shutdown_patience;
                if app.seams().clock.timeout(patience, leaving).await.is_err() {
                    tracing::warn!("connections still open at shutdown");
                }
            }
        }
    }
}
