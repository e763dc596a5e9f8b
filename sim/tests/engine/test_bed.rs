//! A server with the fakes and one client in a simulated world.
//!
//! The client sends and receives bytes and JSON, and shares no type with the server. Imported sessions are planted in
//! the server's database as records of an older service.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fake_gateway::gateway::Gateway;
use fake_gateway::receiver::Receiver;
use fake_gateway::wrapper::{Wrapper, WrapperConfig};
use jiff::Timestamp;
use redb::StorageBackend;
use serde_json::Value;
use turnstile_events::observation::{Observation, Observer, Probe};
use turnstile_profile::Profile;
use turnstile_reference::server::{Config, Hooks, Server};
use turnstile_reference::store::{Storage, Store};
use turnstile_seams::{Listener, Seams};
use turnstile_world::{DiskFile, Machine, World};

use crate::wire::{Answer, RequestSpec, exchange};

/// Host of the server.
pub const SERVER: &str = "server";
/// Host of the client.
pub const CLIENT: &str = "client";
/// Authority of the server.
pub const SERVER_AUTHORITY: &str = "server:8787";
/// Authority of the callback receiver.
pub const RECEIVER_AUTHORITY: &str = "receiver:9200";
/// Authority of the wrapper.
pub const WRAPPER_AUTHORITY: &str = "wrapper:9000";
const GATEWAY_AUTHORITY: &str = "gateway:9100";
const DATABASE: &str = "data/turnstile.redb";
/// Time limit of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(70);

/// Secret that signs user tokens.
pub const API_SECRET: &str = "Planted0ApiSecret0Planted";
/// Secret that signs stream tickets.
pub const TICKET_SECRET: &str = "Planted0TicketSecret0Planted";
/// Key of internal callers.
pub const INTERNAL_API_KEY: &str = "Planted0InternalKey0Planted";

/// A session imported from an older service.
#[derive(Clone)]
pub struct LeftBehind {
    /// Its owner.
    pub user: &'static str,
    /// The flat record.
    pub record: Value,
    /// Its executions.
    pub executions: Vec<Value>,
}

/// Observations of the fakes, each with its party.
#[derive(Clone, Default)]
pub struct Observations(Arc<Mutex<Vec<(String, Observation)>>>);

impl Observations {
    /// Returns all observations so far.
    pub fn all(&self) -> Vec<(String, Observation)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bodies of the requests that a party received at a path, in order.
    pub fn bodies(&self, of: &str, to: &str) -> Vec<Value> {
        let received = self
            .all()
            .into_iter()
            .filter_map(|(party, observation)| match observation {
                Observation::RequestReceived { path, body, .. } if party == of && path.starts_with(to) => {
                    Some(body)
                }
                _ => None,
            });
        received.collect()
    }
}

impl Observer for Observations {
    fn observe(&self, party: &str, observation: Observation) {
        let mut observations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        observations.push((party.to_owned(), observation));
    }
}

/// The parties in their world.
pub struct TestBed {
    /// The world.
    pub world: World,
    /// Observations of the fakes.
    pub observations: Observations,
    client: Seams,
    writes: Arc<AtomicU64>,
}

impl TestBed {
    /// Starts all parties and runs until the world is idle.
    pub fn open(left_behind: Vec<LeftBehind>) -> Self {
        Self::with_profile(Profile::default(), left_behind)
    }

    /// The same with another profile of the server.
    pub fn with_profile(profile: Profile, left_behind: Vec<LeftBehind>) -> Self {
        let profile = Arc::new(profile);
        let mut world = World::new(1, "2026-01-01T00:00:00Z".parse().expect("a timestamp"));
        let writes = Arc::<AtomicU64>::default();
        let counter = writes.clone();
        world.add_host(SERVER, move |machine| {
            let (left_behind, counter, profile) = (left_behind.clone(), counter.clone(), profile.clone());
            Box::pin(async move {
                let disk = machine.disk;
                let open = move || {
                    Ok(Counted {
                        file: disk.open(DATABASE)?,
                        writes: counter.clone(),
                    })
                };
                if machine.restarts == 0 {
                    take_over(&open, &left_behind);
                }
                let open_store = move || Ok(Arc::new(Store::open(open)?) as Arc<dyn Storage>);
                let running = Server::run(config(profile), machine.seams, open_store, Hooks::default()).await;
                running.expect("the server starts");
            })
        });
        let observations = Observations::default();
        let (wrapper, gateway, receiver) = (
            observations.probe("wrapper"),
            observations.probe("gateway"),
            observations.probe("receiver"),
        );
        world.add_host("wrapper", move |machine| {
            let probe = wrapper.clone();
            Box::pin(async move {
                let listener = listen(&machine, WRAPPER_AUTHORITY).await;
                let config = WrapperConfig::new(format!("http://{GATEWAY_AUTHORITY}"));
                Wrapper::new(config, machine.seams, probe).serve(listener).await;
            })
        });
        world.add_host("gateway", move |machine| {
            let probe = gateway.clone();
            Box::pin(async move {
                let listener = listen(&machine, GATEWAY_AUTHORITY).await;
                Gateway::new(machine.seams, probe).serve(listener).await;
            })
        });
        world.add_host("receiver", move |machine| {
            let probe = receiver.clone();
            Box::pin(async move {
                let listener = listen(&machine, RECEIVER_AUTHORITY).await;
                Receiver::new(probe).serve(listener).await;
            })
        });
        world.add_host(CLIENT, |_| Box::pin(async {}));
        let client = world.machine(CLIENT).expect("the host was just added").seams;
        let mut test_bed = Self {
            world,
            observations,
            client,
            writes,
        };
        test_bed.wait(Duration::from_secs(3));
        test_bed
    }

    /// The seams of the client's host.
    pub fn client(&self) -> Seams {
        self.client.clone()
    }

    /// The current virtual time.
    pub fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// Advances virtual time.
    pub fn wait(&mut self, duration: Duration) {
        let until = self.now() + duration;
        self.world.run_until(Some(until), || false);
    }

    /// Number of writes and syncs to the server's disk so far.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    ///
    /// Describes why there is no answer.
    pub fn ask(&mut self, request: &RequestSpec) -> Result<Answer, String> {
        let answer = Arc::new(Mutex::new(None));
        let (seams, place, request) = (self.client(), answer.clone(), request.clone());
        let asking = async move {
            let answered = exchange(&seams, &request).await;
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(answered);
        };
        self.world.spawn(CLIENT, asking).expect("the client is up");
        let deadline = self.now() + REQUEST_TIMEOUT;
        let take = || answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut answered = None;
        let stopped = self.world.run_until(Some(deadline), || {
            answered = answered.take().or_else(take);
            answered.is_some()
        });
        answered.unwrap_or_else(|| Err(format!("no answer: {stopped:?}")))
    }
}

impl Observations {
    fn probe(&self, party: &str) -> Probe {
        Probe::new(party, Arc::new(self.clone()))
    }
}

fn config(profile: Arc<Profile>) -> Config {
    Config {
        listen: SERVER_AUTHORITY.to_owned(),
        ingest_url: format!("ws://{SERVER_AUTHORITY}"),
        sandboxes: Arc::new(format!("http://{WRAPPER_AUTHORITY}")),
        api_secret: API_SECRET.to_owned(),
        ticket_secret: TICKET_SECRET.to_owned(),
        internal_api_key: INTERNAL_API_KEY.to_owned(),
        callback_queue: true,
        profile,
    }
}

fn take_over<B: StorageBackend>(
    open: &(impl Fn() -> io::Result<B> + Clone + Send + Sync + 'static),
    left_behind: &[LeftBehind],
) {
    if left_behind.is_empty() {
        return;
    }
    let store = Store::open(open.clone()).expect("a new database");
    for LeftBehind {
        user,
        record,
        executions,
    } in left_behind
    {
        let user = (*user).to_owned().try_into().expect("a user id");
        let taken_over = store.import(&user, record, executions);
        taken_over.expect("the record of an older service is readable");
    }
}

async fn listen(machine: &Machine, authority: &str) -> Box<dyn Listener> {
    let listening = machine.seams.network.listen(authority).await;
    listening.expect("the address is free")
}

/// A file that counts writes and syncs.
#[derive(Debug)]
struct Counted {
    file: DiskFile,
    writes: Arc<AtomicU64>,
}

impl Counted {
    fn count(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
    }
}

impl StorageBackend for Counted {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.count();
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.count();
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.count();
        self.file.write(offset, data)
    }
}
