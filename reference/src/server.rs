//! The server put together: its configuration, its sessions, its start.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use redb::StorageBackend;
use turnstile_seams::stop::{Stop, Stopper};
use turnstile_seams::{BoxFuture, ClockExt as _, Listener, Randomness, Seams, http_server};

use crate::api;
use crate::api::auth::Tokens;
use crate::callbacks::{CallbackQueue, CallbackSettings, DurableQueue, NoQueue};
use crate::delivery::{Sandboxes, WrapperClient};
use crate::host::{self, Checkpoint, Checkpoints, Restore, Services, SessionHandle};
use crate::limits::SHUTDOWN_PATIENCE;
use crate::refusal::Refusal;
use crate::sabotage::Sabotage;
use crate::session::deletion::{beginning_of, calendar_day};
use crate::session::metadata::Metadata;
use crate::session::{Input, Session};
use crate::store::{SessionKey, Store, StoreError};

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
    /// What becomes of callbacks.
    pub callbacks: CallbackSettings,
    /// Which of its rules are broken, for a test of the harness.
    pub sabotage: Sabotage,
}

/// Puts something between sessions and the callback queue.
pub type WrapQueue = Box<dyn FnOnce(Arc<dyn CallbackQueue>) -> Arc<dyn CallbackQueue> + Send>;

/// What a caller may put between the server and what it acts through.
pub struct Hooks {
    /// Wraps the callback queue.
    pub queue: WrapQueue,
    /// Is told of checkpoints.
    pub checkpoints: Arc<dyn Checkpoints>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            queue: Box::new(|queue| queue),
            checkpoints: Arc::new(Unchecked),
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

type Sessions = BTreeMap<SessionKey, SessionHandle>;

/// A running server.
pub struct Server {
    seams: Seams,
    tokens: Tokens,
    services: Arc<Services>,
    restore: Restore,
    sabotage: Sabotage,
    sessions: Mutex<Sessions>,
    /// Asks whoever is served to leave.
    stopper: Stopper,
}

/// A server at work, whose callers wait at its door.
pub struct Started {
    server: Arc<Server>,
    listener: Box<dyn Listener>,
}

impl Started {
    /// Serves until `shutdown` completes. Then nobody is accepted any more, WebSockets are closed with 1001, and
    /// requests under way are given [a short while](SHUTDOWN_PATIENCE) to be answered.
    ///
    /// Sessions are not told of it: what they do is committed before it shows, so that a server that is put an
    /// end to at any moment, this way or by force, is one that crashed. The next one takes it up from there.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { server, listener } = self;
        let stopper = &server.stopper;
        let serving = http_server::serve_until(listener, api::router(server.clone()), stopper.stop());
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
                if server.seams.clock.timeout(SHUTDOWN_PATIENCE, leaving).await.is_err() {
                    tracing::warn!("not everybody left in time");
                }
            }
        }
    }
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
    ) -> Result<Started, StartError> {
        let store = Arc::new(Store::open(backend)?);
        let tokens = Tokens::new(
            &config.api_secret,
            &config.ticket_secret,
            &config.internal_api_key,
        );
        let queue: Arc<dyn CallbackQueue> = if config.callbacks.has_queue {
            let queue = DurableQueue::new(store.clone(), seams.clone(), config.callbacks);
            queue.resume()?;
            Arc::new(queue)
        } else {
            Arc::new(NoQueue)
        };
        let services = Arc::new(Services {
            store: store.clone(),
            clock: seams.clock.clone(),
            wrapper: WrapperClient::new(seams.clone(), tokens.clone(), config.sandboxes, config.ingest_url),
            queue: (hooks.queue)(queue),
            checkpoints: hooks.checkpoints,
        });
        let sabotage = config.sabotage;
        let restore = restorer(store, seams.randomness.clone(), sabotage);
        let server = Arc::new(Self {
            seams,
            tokens,
            services,
            restore,
            sabotage,
            sessions: Mutex::default(),
            stopper: Stopper::default(),
        });
        for key in server.store().waking()? {
            // A session that cannot be read is no reason to keep the others waiting.
            if let Err(refusal) = server.session(&key) {
                tracing::error!(%key, %refusal, "session not taken up");
            }
        }
        tokio::spawn(server.clone().expire_sessions());
        Ok(Started { server, listener })
    }

    /// Looks, once a day, after the sessions that expire on it: each that is taken up knows its own moment.
    async fn expire_sessions(self: Arc<Self>) {
        loop {
            let today = calendar_day(self.now());
            match self.store().expiring(today) {
                Ok(expiring) => {
                    for (day, key) in expiring {
                        self.look_after_expiring(&key, day);
                    }
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "calendar cannot be read"
                    );
                }
            }
            self.seams.clock.sleep_until(beginning_of(today + 1)).await;
        }
    }

    fn look_after_expiring(&self, key: &SessionKey, day: i64) {
        match self.store().forget_removed(key, day) {
            Ok(true) => {}
            Ok(false) => {
                if let Err(refusal) = self.session(key) {
                    tracing::error!(%key, %refusal, "expiring session not taken up");
                }
            }
            Err(error) => {
                tracing::error!(%key, error = &error as &dyn std::error::Error, "removed session not forgotten");
            }
        }
    }

    /// Starts a new session. It is stored with its first message, and is to be forgotten if that fails.
    pub(crate) fn create(&self, key: &SessionKey, metadata: Metadata) -> SessionHandle {
        tracing::debug!(user = %key.user, session = %key.session, "session begun");
        let session = Session::create(metadata, self.seams.randomness.clone(), self.sabotage);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        self.host(&mut sessions, key, session)
    }

    /// Forgets a session that was never stored.
    pub(crate) fn forget(&self, key: &SessionKey) {
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }

    /// The session of that key.
    ///
    /// # Errors
    ///
    /// A refusal that says that there is none, or that it cannot be read.
    pub(crate) fn session(&self, key: &SessionKey) -> Result<SessionHandle, Refusal> {
        // Held throughout: a session that is being restored must not be restored a second time, and nothing
        // may reach it before it resumes.
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = sessions.get(key).filter(|handle| !handle.is_over()) {
            return Ok(handle.clone());
        }
        match (self.restore)(key) {
            Ok(Some(session)) => {
                tracing::debug!(user = %key.user, session = %key.session, "session taken up");
                let handle = self.host(&mut sessions, key, session);
                handle.tell(Input::Resume);
                Ok(handle)
            }
            Ok(None) => {
                sessions.remove(key);
                Err(Refusal::unknown_session())
            }
            Err(error) => {
                tracing::error!(%key, error = &error as &dyn std::error::Error, "session cannot be read");
                Err(Refusal::store_failed())
            }
        }
    }

    fn host(&self, sessions: &mut Sessions, key: &SessionKey, session: Session) -> SessionHandle {
        let handle = host::spawn(key.clone(), session, self.restore.clone(), self.services.clone());
        sessions.insert(key.clone(), handle.clone());
        handle
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.seams.clock.now()
    }

    pub(crate) fn randomness(&self) -> &Randomness {
        &self.seams.randomness
    }

    /// To be held by whoever serves somebody for longer than a request.
    pub(crate) fn stop(&self) -> Stop {
        self.stopper.stop()
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub(crate) fn sabotage(&self) -> Sabotage {
        self.sabotage
    }

    pub(crate) fn wrapper(&self) -> &WrapperClient {
        &self.services.wrapper
    }

    pub(crate) fn store(&self) -> &Store {
        &self.services.store
    }
}

fn restorer(store: Arc<Store>, identifiers: Randomness, sabotage: Sabotage) -> Restore {
    Arc::new(move |key| {
        let stored = store.load(key)?;
        Ok(stored.map(|stored| Session::restore(stored, identifiers.clone(), sabotage)))
    })
}
