//! The sessions of a playground: each has its own wrapper and gateway, and links to the server and between them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use fake_gateway::gateway::Gateway;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use turnstile_judge::parties::{GATEWAY, WRAPPER};
use turnstile_seams::Seams;

use super::log::Log;
use super::wrapper::WrapperPlace;
use super::{ANY_PORT, relay};
use crate::tunnel::link::Link;

/// The links of a session.
#[derive(Clone, Default)]
pub(super) struct Links {
    /// Between its clients and the server.
    pub(super) client: Link,
    /// Between its wrapper and the server.
    pub(super) wrapper: Link,
    /// Between its wrapper and the gateway.
    pub(super) gateway: Link,
}

/// A session with its fakes, which end when it is dropped.
pub(super) struct Session {
    pub(super) links: Links,
    pub(super) gateway: Gateway,
    pub(super) wrapper: WrapperPlace,
    _tasks: JoinSet<()>,
}

impl Session {
    async fn start(id: &str, seams: &Seams, log: &Log) -> io::Result<Self> {
        let links = Links::default();
        let mut tasks = JoinSet::new();

        let listener = seams.network.listen(ANY_PORT).await?;
        let gateway_authority = listener.authority();
        let gateway = Gateway::new(seams.clone(), log.probe(id, GATEWAY));
        tasks.spawn(gateway.clone().serve(listener));

        let listener = seams.network.listen(ANY_PORT).await?;
        let gateway_url = format!("http://{}", listener.authority());
        let link = links.gateway.clone();
        let network = Arc::clone(&seams.network);
        tasks.spawn(relay::serve(listener, gateway_authority, link, network));

        let wrapper = WrapperPlace::start(seams.clone(), gateway_url, log.probe(id, WRAPPER)).await?;
        Ok(Self {
            links,
            gateway,
            wrapper,
            _tasks: tasks,
        })
    }
}

/// The known sessions by id.
pub(super) struct Sessions {
    seams: Seams,
    log: Log,
    known: Mutex<BTreeMap<String, Arc<Session>>>,
}

impl Sessions {
    pub(super) fn new(seams: Seams, log: Log) -> Self {
        Self {
            seams,
            log,
            known: Mutex::default(),
        }
    }

    /// The session with this id in lower case, if it is known.
    pub(super) async fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.known.lock().await.get(id).cloned()
    }

    /// The links of the session with this id in lower case. If it is not known, its links are not cut.
    pub(super) async fn links_of(&self, id: &str) -> Links {
        let session = self.get(id).await;
        session.map(|session| session.links.clone()).unwrap_or_default()
    }

    /// The session with this id in lower case. Its fakes start when it becomes known.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub(super) async fn meet(&self, id: &str) -> io::Result<Arc<Session>> {
        let mut known = self.known.lock().await;
        if let Some(session) = known.get(id) {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(Session::start(id, &self.seams, &self.log).await?);
        known.insert(id.to_owned(), Arc::clone(&session));
        Ok(session)
    }

    /// All known sessions.
    pub(super) async fn all(&self) -> Vec<(String, Arc<Session>)> {
        let known = self.known.lock().await;
        known
            .iter()
            .map(|(id, session)| (id.clone(), Arc::clone(session)))
            .collect()
    }
}
