//! The server put together: its configuration, its start, its end.

use std::io;
use std::sync::Arc;

use axum::Router;
use redb::StorageBackend;
use turnstile_profile::Profile;
use turnstile_seams::{BoxFuture, ClockExt as _, Listener, Seams, http_server};

use crate::api;
use crate::app::App;
use crate::callbacks::{CallbackQueue, DurableQueue, NoQueue};
use crate::delivery::{Sandboxes, WrapperClient};
use crate::host::interception::Interceptor;
use crate::host::{Checkpoint, Checkpoints, Services};
use crate::store::{Store, StoreError};
use crate::tokens::Tokens;

/// How a server is set up. It has secrets in it, and so is not for printing.
#[derive(Clone)]
pub struct Config {
    /// Where it listens, `host:port`.
    pub listen: String,
    /// Where wrappers reach its WebSockets, for example `ws://server:8787`.
    pub ingest_url: String,
    /// Where it reaches wrappers: one for all, for example `http://wrapper:9000`, or each session's own.
    pub sandboxes: Arc<dyn Sandboxes>,
    /// Secret under which users' tokens are signed.
    pub api_secret: String,
    /// Secret under which stream tickets are signed.
    pub ticket_secret: String,
    /// What callers of internal procedures have to know besides.
    pub internal_api_key: String,
    /// Whether there is a callback queue. Without one callbacks stay with their sessions, which try again and again
    /// to hand them in, and what an earlier server's queue had left stays in the store.
    pub callback_queue: bool,
    /// The durations, limits and numbers of attempts.
    pub profile: Arc<Profile>,
}

/// Puts something between sessions and the callback queue.
pub type WrapQueue = Box<dyn FnOnce(Arc<dyn CallbackQueue>) -> Arc<dyn CallbackQueue> + Send>;

/// Puts something between callers and what answers them.
pub type WrapRouter = Box<dyn FnOnce(Router) -> Router + Send>;

/// What a caller may put between the server and what it acts through.
pub struct Hooks {
    /// Wraps the callback queue.
    pub queue: WrapQueue,
    /// Is told of checkpoints.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// Stands between sessions and their hosts.
    pub interceptor: Option<Arc<dyn Interceptor>>,
    /// Wraps what answers requests.
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

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its state cannot be read.
    #[error("the server's state cannot be read")]
    Store(#[from] StoreError),
    /// It cannot listen where it should.
    #[error("cannot listen at {address}")]
    Listen {
        /// Where.
        address: String,
        /// What the network said.
        #[source]
        source: io::Error,
    },
}

/// A server at work. Its callers are answered once [`Server::serve`] is polled.
pub struct Server {
    app: Arc<App>,
    router: Router,
    listener: Box<dyn Listener>,
}

impl Server {
    /// Runs a server with its state in what `backend` gives, for ever. What an earlier one left undone is taken up.
    ///
    /// # Errors
    ///
    /// If it cannot start; see [`StartError`].
    pub async fn run<B: StorageBackend>(
        config: Config,
        seams: Seams,
        backend: impl Fn() -> io::Result<B> + Send + Sync + 'static,
        hooks: Hooks,
    ) -> Result<(), StartError> {
        let listener = Self::listen(&config.listen, &seams).await?;
        let started = Self::start(listener, config, seams, backend, hooks)?;
        started.serve(std::future::pending()).await;
        Ok(())
    }

    /// Takes the address at which a server shall listen. Nobody is answered yet.
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

    /// Starts a server that will be found at `listener`, whatever address `config` names: its sessions are at
    /// work from now on.
    ///
    /// # Errors
    ///
    /// [`StartError::Store`].
    pub fn start<B: StorageBackend>(
        listener: Box<dyn Listener>,
        config: Config,
        seams: Seams,
        backend: impl Fn() -> io::Result<B> + Send + Sync + 'static,
        hooks: Hooks,
    ) -> Result<Self, StartError> {
        let store = Arc::new(Store::open(backend)?);
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

    /// Serves until `shutdown` completes. Then nobody is accepted any more, WebSockets are closed with 1001, and
    /// requests under way are given [a short while](Profile::shutdown_patience) to be answered.
    ///
    /// Sessions are not told of it: what they do is committed before it shows, so that a server that is put an
    /// end to at any moment, this way or by force, is one that crashed. The next one takes it up from there.
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
                stopper.ask();
                let leaving = async {
                    serving.await;
                    stopper.all_are_through().await;
                };
                let patience = app.profile().shutdown_patience;
                if app.seams().clock.timeout(patience, leaving).await.is_err() {
                    tracing::warn!("not everybody left in time");
                }
            }
        }
    }
}
