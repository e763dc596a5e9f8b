//! The sessions of a server by key, and the services that procedures use: tokens, clock, store, wrapper client.
//!
//! It depends on no edge and no configuration. `server` builds it, `api` and `procedures` use it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use turnstile_profile::Profile;
use turnstile_seams::stop::{Stop, Stopper};
use turnstile_seams::{Randomness, Seams};

use crate::delivery::WrapperClient;
use crate::host::interception::Interceptor;
use crate::host::{self, Restore, Services, SessionHandle};
use crate::model::metadata::Metadata;
use crate::refusal::Refusal;
use crate::session::deletion::{beginning_of, calendar_day};
use crate::session::{Input, Session};
use crate::store::{SessionKey, Store, StoreError};
use crate::tokens::Tokens;

type Sessions = BTreeMap<SessionKey, SessionHandle>;

/// A server without its edges.
pub struct App {
    seams: Seams,
    tokens: Tokens,
    services: Arc<Services>,
    restore: Restore,
    sessions: Mutex<Sessions>,
    /// Tells connections to close when the server shuts down.
    stopper: Stopper,
}

impl App {
    /// Starts the app, and the sessions that have work after a restart.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub(crate) fn start(seams: Seams, tokens: Tokens, services: Services) -> Result<Arc<Self>, StoreError> {
        let restore = restorer(
            services.store.clone(),
            seams.randomness.clone(),
            services.profile.clone(),
            services.interceptor.clone(),
        );
        let app = Arc::new(Self {
            seams,
            tokens,
            services: Arc::new(services),
            restore,
            sessions: Mutex::default(),
            stopper: Stopper::default(),
        });
        for key in app.store().waking()? {
            // A session that cannot be read must not keep the others waiting.
            if let Err(refusal) = app.session(&key) {
                tracing::error!(%key, %refusal, "session not resumed");
            }
        }
        tokio::spawn(app.clone().expire_sessions());
        Ok(app)
    }

    /// Once a day, loads the sessions that may expire on it. A loaded session has a deadline for the exact time.
    async fn expire_sessions(self: Arc<Self>) {
        loop {
            let today = calendar_day(self.now());
            match self.store().expiring(today) {
                Ok(expiring) => {
                    for (day, key) in expiring {
                        self.load_or_forget(&key, day);
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

    fn load_or_forget(&self, key: &SessionKey, day: i64) {
        match self.store().forget_removed(key, day) {
            Ok(true) => {}
            Ok(false) => {
                if let Err(refusal) = self.session(key) {
                    tracing::error!(%key, %refusal, "expiring session not resumed");
                }
            }
            Err(error) => {
                tracing::error!(%key, error = &error as &dyn std::error::Error, "removed session not forgotten");
            }
        }
    }

    /// Starts a new session. Its first message stores it; if that fails, the caller must [forget](Self::forget) it.
    pub(crate) fn create(&self, key: &SessionKey, metadata: Metadata) -> SessionHandle {
        tracing::debug!(user = %key.user, session = %key.session, "session created");
        let session = Session::create(
            metadata,
            self.seams.randomness.clone(),
            self.services.profile.clone(),
        );
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        self.host(&mut sessions, key, session, None)
    }

    /// Removes a session that was never stored.
    pub(crate) fn forget(&self, key: &SessionKey) {
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }

    /// Returns the session of that key, restored from the store if necessary.
    ///
    /// # Errors
    ///
    /// A refusal if the session does not exist or cannot be read.
    pub(crate) fn session(&self, key: &SessionKey) -> Result<SessionHandle, Refusal> {
        // The lock is held throughout: a session must not be restored twice, and `Resume` must be its first input.
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = sessions.get(key).filter(|handle| !handle.is_over()) {
            return Ok(handle.clone());
        }
        match (self.restore)(key) {
            Ok(Some(session)) => {
                tracing::debug!(user = %key.user, session = %key.session, "session resumed");
                Ok(self.host(&mut sessions, key, session, Some(Input::Resume)))
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

    fn host(
        &self,
        sessions: &mut Sessions,
        key: &SessionKey,
        session: Session,
        first: Option<Input>,
    ) -> SessionHandle {
        let (restore, services) = (self.restore.clone(), self.services.clone());
        let handle = host::spawn(key.clone(), session, first, restore, services);
        sessions.insert(key.clone(), handle.clone());
        handle
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.seams.clock.now()
    }

    pub(crate) fn randomness(&self) -> &Randomness {
        &self.seams.randomness
    }

    /// A handle for connections, which outlive a request.
    pub(crate) fn stop(&self) -> Stop {
        self.stopper.stop()
    }

    /// The clock, the network and the randomness.
    pub(crate) fn seams(&self) -> &Seams {
        &self.seams
    }

    /// Tells connections to close.
    pub(crate) fn stopper(&self) -> &Stopper {
        &self.stopper
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.services.profile
    }

    pub(crate) fn wrapper(&self) -> &WrapperClient {
        &self.services.wrapper
    }

    pub(crate) fn store(&self) -> &Store {
        &self.services.store
    }
}

fn restorer(
    store: Arc<Store>,
    identifiers: Randomness,
    profile: Arc<Profile>,
    interceptor: Option<Arc<dyn Interceptor>>,
) -> Restore {
    Arc::new(move |key| {
        let Some(mut stored) = store.load(key)? else {
            return Ok(None);
        };
        if let Some(interceptor) = &interceptor {
            interceptor.read(&mut stored);
        }
        Ok(Some(Session::restore(
            stored,
            identifiers.clone(),
            profile.clone(),
        )))
    })
}
