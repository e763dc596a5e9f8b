//! Who takes part in a soak: the server as a process of its own, and the fakes around it in this one.

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
use turnstile_seams::{Listener, Seams, http_client};
use turnstile_world::Route;
use turnstile_world::live::front;

use super::SoakError;
use super::ledger::Ledger;

/// An address of the loopback with any free port: load goes nowhere else.
const ANY_PORT: &str = "127.0.0.1:0";

/// The fakes, at work on the runtime that they were started on.
pub(super) struct Fakes {
    /// Where the server finds the wrapper of a session, with `{session}` in it.
    pub wrapper_url: String,
    /// The authority of the receiver.
    pub receiver: String,
    pub sandboxes: Sandboxes,
    gateway: String,
    seams: Seams,
}

impl Fakes {
    /// Starts a gateway, a receiver that tells `ledger`, and as many wrappers as there are sessions.
    pub(super) async fn start(seams: &Seams, sessions: usize, ledger: &Ledger) -> Result<Self, SoakError> {
        let unwatched = |party: &str| Probe::new(party, Arc::new(NoObserver));
        let (listener, gateway) = listen(seams).await?;
        let serving = Gateway::new(seams.clone(), unwatched(GATEWAY));
        tokio::spawn(async move { serving.serve(listener).await });

        let (listener, receiver) = listen(seams).await?;
        let serving = Receiver::new(Probe::new(RECEIVER, Arc::new(Clerk(ledger.clone()))));
        tokio::spawn(serving.serve(listener));

        let sandboxes = Sandboxes::default();
        for _ in 0..sessions {
            let (listener, authority) = listen(seams).await?;
            let config = WrapperConfig {
                gateway_url: format!("http://{gateway}"),
            };
            tokio::spawn(Wrapper::new(config, seams.clone(), unwatched(WRAPPER)).serve(listener));
            sandboxes.add(authority);
        }
        let (listener, door) = listen(seams).await?;
        let tenants = sandboxes.clone();
        let route: Route = Arc::new(move |session| tenants.authority_of(session));
        tokio::spawn(front::serve(listener, Arc::clone(&seams.network), route));
        Ok(Self {
            wrapper_url: format!("http://{door}/{{session}}"),
            receiver,
            sandboxes,
            gateway,
            seams: seams.clone(),
        })
    }

    /// What the gateway says of who waits there.
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

/// Which session has which wrapper. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sandboxes(Arc<Mutex<Tenancies>>);

#[derive(Default)]
struct Tenancies {
    /// Authorities of wrappers that work for nobody.
    free: Vec<String>,
    /// Authorities of wrappers by session.
    taken: BTreeMap<String, String>,
}

impl Sandboxes {
    fn add(&self, wrapper: String) {
        self.tenancies().free.push(wrapper);
    }

    /// The wrapper of a session; nowhere if there is none left.
    fn authority_of(&self, session: &str) -> String {
        let mut tenancies = self.tenancies();
        if let Some(taken) = tenancies.taken.get(session) {
            return taken.clone();
        }
        let wrapper = tenancies.free.pop().unwrap_or_default();
        tenancies.taken.insert(session.to_owned(), wrapper.clone());
        wrapper
    }

    /// The session is gone, and its wrapper is free for another one.
    pub(super) fn release(&self, session: &str) {
        let mut tenancies = self.tenancies();
        // Whoever still looks for the wrapper of that session must not be given another one's.
        if let Some(wrapper) = tenancies.taken.insert(session.to_owned(), String::new()) {
            tenancies.free.push(wrapper);
        }
    }

    fn tenancies(&self) -> std::sync::MutexGuard<'_, Tenancies> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Enters what the receiver sees into the ledger.
struct Clerk(Ledger);

impl Observer for Clerk {
    fn observe(&self, _: &str, observation: Observation) {
        let Observation::RequestReceived { body, .. } = observation else {
            return;
        };
        let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        self.0
            .called_back(&field("messageId"), &field("idempotencyKey"), &field("status"));
    }
}
