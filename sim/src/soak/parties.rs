//! The fakes of a soak and the assignment of wrappers to sessions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fake_gateway::gateway::Gateway;
use fake_gateway::program::NoObserver;
use fake_gateway::receiver::Receiver;
use fake_gateway::wrapper::{Wrapper, WrapperConfig};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::Value;
use turnstile_events::observation::{Observation, Observer, Probe};
use turnstile_judge::parties::{GATEWAY, RECEIVER, WRAPPER};
use turnstile_seams::{ANY_PORT, Listener, Seams, http_client};
use turnstile_world::Route;
use turnstile_world::live::front;

use super::SoakError;
use super::ledger::Ledger;

/// The running fakes, on the runtime that started them.
pub(super) struct Fakes {
    /// URL template of a session's wrapper, with `{session}`.
    pub wrapper_url: String,
    /// Authority of the callback receiver.
    pub receiver: String,
    pub sandboxes: Sandboxes,
    gateway: String,
    seams: Seams,
}

impl Fakes {
    /// Starts a gateway, a receiver that records callbacks in `ledger`, and one wrapper per session.
    pub(super) async fn start(seams: &Seams, sessions: usize, ledger: &Ledger) -> Result<Self, SoakError> {
        let unobserved = |party: &str| Probe::new(party, Arc::new(NoObserver));
        let (listener, gateway) = listen(seams).await?;
        let serving = Gateway::new(seams.clone(), unobserved(GATEWAY));
        tokio::spawn(async move { serving.serve(listener).await });

        let (listener, receiver) = listen(seams).await?;
        let serving = Receiver::new(Probe::new(RECEIVER, Arc::new(CallbackRecorder(ledger.clone()))));
        tokio::spawn(serving.serve(listener));

        let sandboxes = Sandboxes::default();
        for _ in 0..sessions {
            let (listener, authority) = listen(seams).await?;
            let config = WrapperConfig::new(format!("http://{gateway}"));
            tokio::spawn(Wrapper::new(config, seams.clone(), unobserved(WRAPPER)).serve(listener));
            sandboxes.add(authority);
        }
        let (listener, front) = listen(seams).await?;
        let lookup = sandboxes.clone();
        let route: Route = Arc::new(move |session| lookup.authority_of(session));
        tokio::spawn(front::serve(listener, Arc::clone(&seams.network), route));
        Ok(Self {
            wrapper_url: format!("http://{front}/{{session}}"),
            receiver,
            sandboxes,
            gateway,
            seams: seams.clone(),
        })
    }

    /// Queries the pending requests of the gateway.
    pub(super) async fn waiters(&self) -> Option<Value> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("http://{}/test/waiters", self.gateway))
            .body(Full::default())
            .ok()?;
        let response = http_client::send(&self.seams.network, request).await.ok()?;
        let body = http_client::read_body(response).await.ok()?;
        serde_json::from_slice(&body).ok()
    }
}

async fn listen(seams: &Seams) -> Result<(Box<dyn Listener>, String), SoakError> {
    let listening = seams.network.listen(ANY_PORT).await;
    let listener = listening.map_err(SoakError::Listen)?;
    let authority = listener.authority();
    Ok((listener, authority))
}

/// Assignment of wrappers to sessions. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sandboxes(Arc<Mutex<Assignments>>);

#[derive(Default)]
struct Assignments {
    /// Authorities of idle wrappers.
    idle: Vec<String>,
    /// Authorities of assigned wrappers by session.
    assigned: BTreeMap<String, String>,
}

impl Sandboxes {
    fn add(&self, wrapper: String) {
        self.assignments().idle.push(wrapper);
    }

    /// Returns the wrapper of a session and assigns one if needed. Returns an empty authority if none is idle.
    fn authority_of(&self, session: &str) -> String {
        let mut assignments = self.assignments();
        if let Some(assigned) = assignments.assigned.get(session) {
            return assigned.clone();
        }
        let wrapper = assignments.idle.pop().unwrap_or_default();
        assignments.assigned.insert(session.to_owned(), wrapper.clone());
        wrapper
    }

    /// Makes the wrapper of a deleted session idle.
    pub(super) fn release(&self, session: &str) {
        let mut assignments = self.assignments();
        // Keep the entry: a late lookup for the deleted session must not assign another wrapper.
        if let Some(wrapper) = assignments.assigned.insert(session.to_owned(), String::new()) {
            assignments.idle.push(wrapper);
        }
    }

    fn assignments(&self) -> std::sync::MutexGuard<'_, Assignments> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records the callbacks of the receiver in the ledger.
struct CallbackRecorder(Ledger);

impl Observer for CallbackRecorder {
    fn observe(&self, _: &str, observation: Observation) {
        let Observation::RequestReceived { body, .. } = observation else {
            return;
        };
        let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        self.0
            .called_back(&field("messageId"), &field("idempotencyKey"), &field("status"));
    }
}
