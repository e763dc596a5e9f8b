//! The sessions of a server by key, and what the edges act through: tokens, time, the store, the wrappers.
//!
//! It knows no edge and no configuration. `server` makes it from a configuration, `api` and `procedures` use it.

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
    /// Asks those who are served to leave.
    stopper: Stopper,
}

impl App {
    /// Puts an app together. Sessions that have something to do after a restart begin with it.
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
            // A session that cannot be read is no reason to keep the others waiting.
            if let Err(refusal) = app.session(&key) {
                tracing::error!(%key, %refusal, "session not taken up");
            }
        }
        tokio::spawn(app.clone().expire_sessions());
        Ok(app)
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
        let session = Session::create(
            metadata,
            self.seams.randomness.clone(),
            self.services.profile.clone(),
        );
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

    /// Held by those who serve somebody for longer than a request.
    pub(crate) fn stop(&self) -> Stop {
        self.stopper.stop()
    }

    /// The clock and the network.
    pub(crate) fn seams(&self) -> &Seams {
        &self.seams
    }

    /// Asks those who are served to leave.
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
