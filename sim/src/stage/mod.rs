//! The parties of a run in a world: the server under test, the fakes and the clients.
//!
//! Defines authorities and secrets. The parties and the script define behaviour.

mod checkpoints;
pub mod client;
#[cfg(feature = "selftest")]
pub mod decisions;
mod faults;
mod frames;
pub mod identity;
mod ingest;
mod journal;
mod queue;
mod recorder;
mod sandboxes;
mod showing;
mod small_reads;
mod stand_in;
mod stored;
pub mod stream;
mod subject;

use std::sync::Arc;
use std::time::Duration;

use fake_gateway::gateway::Gateway;
use fake_gateway::receiver::Receiver;
use fake_gateway::wrapper::{Wrapper, WrapperConfig};
use jiff::Timestamp;
use percent_encoding::utf8_percent_encode;
use turnstile_events::observation::Probe;
use turnstile_judge::oracle::history::RunContext;
pub use turnstile_judge::parties::RECEIVER_AUTHORITY;
use turnstile_judge::parties::{
    GATEWAY, OBSERVER, RECEIVER, SERVER, Secrets, WRAPPER, ingest_party, wrapper_of,
};
use turnstile_judge::trace::{WORLD, What};
use turnstile_profile::Profile;
use turnstile_reference::server::{Config, Hooks, Server};
use turnstile_reference::store::{Storage, StoreError};
use turnstile_scenarios::Scenario;
use turnstile_seams::error_chain::with_sources;
use turnstile_seams::{Listener, Seams};
use turnstile_world::{AnyWorld, Machine, WorldError, WorldKind};

use self::checkpoints::CrashPlan;
use self::client::{Awaited, Client, QUERY};
pub use self::faults::{Applied, Faults};
use self::frames::Frames;
use self::identity::{Claim, PlayIdentity, USER};
use self::ingest::Opener;
pub use self::ingest::{Ingest, IngestOrder, SWITCHING_PROTOCOLS};
use self::queue::QueueControl;
pub use self::recorder::Recorder;
pub use self::sandboxes::SandboxPlan;
pub use self::stand_in::StandIn;
pub use self::stored::StoredSession;
#[cfg(feature = "selftest")]
pub use self::subject::name_of;
pub use self::subject::{StoreChoice, Subject};

/// Authority of the server.
pub const SERVER_AUTHORITY: &str = "server:8787";
/// Authority of the gateway.
pub const GATEWAY_AUTHORITY: &str = "gateway:9100";
/// Port of every wrapper.
const WRAPPER_PORT: u16 = 9000;
/// Path of the wrapper's control route that sets its behaviour.
pub const BEHAVIOUR_PATH: &str = "/test/behaviour";
/// Path of the gateway's control route that releases requests. The tag follows.
pub const RELEASE_PATH: &str = "/test/release?tag=";

/// Start of every simulated run.
const EPOCH: &str = "2026-01-01T00:00:00Z";

/// Settings of every wrapper.
#[derive(Debug, Clone, Default)]
pub struct Wrappers {
    /// The time between the acceptance of a turn and its first event.
    pub latency: Duration,
    /// The version that `/health` reports; `None` for the fake's own.
    pub version: Option<String>,
    /// The wrapper of the default session, if it is not the fake one. It has its own latency, version and pauses.
    pub stand_in: Option<StandIn>,
}

/// The parties in their world.
pub struct Stage {
    /// The world.
    pub world: Box<dyn AnyWorld>,
    /// The trace of the run.
    pub recorder: Recorder,
    /// Applies faults to the stage.
    pub faults: Faults,
    /// Assignment of wrappers to sessions.
    pub sandboxes: SandboxPlan,
    /// Authority at which the server reaches the receiver.
    pub receiver: String,
    /// The secrets of the parties.
    pub secrets: Arc<Secrets>,
    /// Durations, limits and numbers of attempts that the server must observe.
    pub profile: Arc<Profile>,
    /// What distinguishes this play from others against the same server.
    pub identity: PlayIdentity,
    /// The server under test, or a mutant of it or of the wrapper.
    pub(crate) subject: Subject,
    wrappers: Wrappers,
    observer: Client,
    epoch: Timestamp,
}

impl Stage {
    /// Creates all parties in a new event world. All random choices follow from `seed`.
    ///
    /// # Panics
    ///
    /// The thread already has a world.
    pub fn new(seed: u64, subject: Subject) -> Self {
        Self::with_stored(seed, subject, None)
    }

    /// The same with an optional session on the server's disk.
    ///
    /// # Panics
    ///
    /// The thread already has a world.
    pub fn with_stored(seed: u64, subject: Subject, stored: Option<StoredSession>) -> Self {
        let world = WorldKind::Events.create(seed, epoch());
        let (secrets, profile) = (Secrets::default(), Profile::default());
        let (wrappers, identity) = (Wrappers::default(), PlayIdentity::default());
        Self::in_world(world, secrets, profile, wrappers, identity, subject, stored)
            .expect("a world of events carries everything")
    }

    /// Creates all parties in a given world, which must be new and empty except for a server that it provides. A
    /// server that the world does not provide gets `profile`; one that it provides has a profile already.
    ///
    /// # Errors
    ///
    /// The world provides a server that cannot import a session, or has no address for the receiver.
    pub fn in_world(
        mut world: Box<dyn AnyWorld>,
        secrets: Secrets,
        profile: Profile,
        wrappers: Wrappers,
        identity: PlayIdentity,
        subject: Subject,
        stored: Option<StoredSession>,
    ) -> Result<Self, WorldError> {
        let (epoch, secrets) = (world.now(), Arc::new(secrets));
        let profile = Arc::new(profile);
        let receiver = world.reached_at(RECEIVER_AUTHORITY)?;
        let (queue, crash_plan) = (QueueControl::default(), CrashPlan::default());
        let sandboxes = SandboxPlan::default();

        let seams = add_client_host(&mut *world, OBSERVER);
        let recorder = Recorder::new(epoch, world.clock());
        let frames = Frames::default();
        let observer = Client::new(OBSERVER, seams, recorder.clone(), Arc::clone(&secrets), frames);

        if world.brings(SERVER) {
            if let Some(session) = &stored {
                world.store(USER, &session.record, &session.executions)?;
            }
            let plan = sandboxes.clone();
            world.route(Arc::new(move |session| match session {
                "" => String::new(),
                session => plan.authority_of(session),
            }));
        } else {
            let wiring = Wiring {
                queue: queue.clone(),
                crash_plan: crash_plan.clone(),
                sandboxes: sandboxes.clone(),
                secrets: Arc::clone(&secrets),
                profile: Arc::clone(&profile),
                recorder: recorder.clone(),
                subject,
                stored,
            };
            wiring.add_server(&mut *world);
        }
        add_wrapper_host(&mut *world, &recorder, WRAPPER, &wrappers, &profile);
        add_gateway_host(&mut *world, &recorder);
        add_receiver_host(&mut *world, &recorder, &identity.callback_prefix);
        let (records, watcher) = (recorder.clone(), observer.clone());
        world.set_listener(Box::new(move |_, event| {
            // A server without power closes no connection. Reconnect the observer explicitly, so that findings do not depend
            // on when it detects the loss.
            let is_new_server = event.restarted() == Some(SERVER);
            records.record(WORLD, What::World(event));
            if is_new_server {
                watcher.close_streams();
            }
        }));
        Ok(Self {
            world,
            faults: Faults::new(queue, crash_plan, recorder.clone()),
            recorder,
            sandboxes,
            receiver,
            secrets,
            profile,
            identity,
            subject,
            wrappers,
            observer,
            epoch,
        })
    }

    /// The harness's own client, which observes every session.
    pub fn observer(&self) -> Client {
        self.observer.clone()
    }

    /// Adds a wrapper for the session that scripts call `name`.
    ///
    /// # Panics
    ///
    /// The session already has a wrapper.
    pub fn add_wrapper(&mut self, name: &str) {
        add_wrapper_host(
            &mut *self.world,
            &self.recorder,
            &wrapper_of(name),
            &self.wrappers,
            &self.profile,
        );
    }

    /// Adds a client on a new host.
    ///
    /// # Panics
    ///
    /// The name is taken.
    pub fn add_client(&mut self, name: &str) -> Client {
        let seams = add_client_host(&mut *self.world, name);
        let frames = self.observer.frames.clone();
        Client::new(
            name,
            seams,
            self.recorder.clone(),
            Arc::clone(&self.secrets),
            frames,
        )
    }

    /// Opens an ingest socket of a session from the wrapper's host, with these parameters. Sets `opened` to the answer, with
    /// status [`SWITCHING_PROTOCOLS`] if it is open.
    ///
    /// # Errors
    ///
    /// The wrapper's host is down.
    pub fn open_ingest(
        &mut self,
        name: &str,
        session: &str,
        query: &str,
        claim: &Claim,
        opened: Awaited,
    ) -> Result<Ingest, WorldError> {
        let opener = Opener {
            seams: self.world.machine(WRAPPER)?.seams,
            probe: Probe::new(&ingest_party(name), Arc::new(self.recorder.clone())),
            token: self.observer.ingest_token(session, claim),
            credentials: claim.credentials,
        };
        let user = utf8_percent_encode(&claim.user, &QUERY);
        let path = format!("/sessions/{user}/{session}/ingest?{query}");
        let (ingest, orders) = Ingest::new();
        self.world.spawn(WRAPPER, opener.run(path, opened, orders))?;
        Ok(ingest)
    }

    /// The context that judges need in addition to the trace.
    pub fn context(&self) -> RunContext {
        RunContext {
            time_error: self.world.reported_time_error(),
            timing_tolerance: self.world.timing_tolerance(),
            in_real_time: self.world.is_in_real_time(),
            secrets: self.secrets.all().map(str::to_owned).into(),
            receiver: self.receiver.clone(),
            profile: Arc::clone(&self.profile),
        }
    }

    /// Converts time since the start to a timestamp.
    pub fn moment(&self, elapsed: Duration) -> Timestamp {
        self.epoch + elapsed
    }

    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.world
            .now()
            .duration_since(self.epoch)
            .try_into()
            .unwrap_or_default()
    }
}

/// Everything that a simulated server is started with.
struct Wiring {
    queue: QueueControl,
    crash_plan: CrashPlan,
    sandboxes: SandboxPlan,
    secrets: Arc<Secrets>,
    profile: Arc<Profile>,
    recorder: Recorder,
    subject: Subject,
    stored: Option<StoredSession>,
}

impl Wiring {
    fn add_server(self, world: &mut dyn AnyWorld) {
        world.add_host(SERVER, move |mut machine| {
            let mut hooks = Hooks {
                queue: self
                    .queue
                    .wrap(self.profile.callback_job_limit, self.recorder.clone()),
                checkpoints: self.crash_plan.checkpoints(machine.power.clone()),
                ..Hooks::default()
            };
            let mut config = Config {
                listen: SERVER_AUTHORITY.to_owned(),
                ingest_url: format!("ws://{SERVER_AUTHORITY}"),
                sandboxes: Arc::new(self.sandboxes.clone()),
                api_secret: self.secrets.api.clone(),
                ticket_secret: self.secrets.ticket.clone(),
                internal_api_key: self.secrets.internal_api_key.clone(),
                callback_queue: true,
                profile: Arc::clone(&self.profile),
            };
            self.subject.set_up(&mut config, &mut hooks, &mut machine.seams);
            #[cfg(feature = "selftest")]
            decisions::note(&mut hooks, &mut machine.seams, &self.recorder);
            let stored = self.stored.clone().filter(|_| machine.restarts == 0);
            let (subject, disk) = (self.subject, machine.disk.clone());
            let open = move || subject.open_store(disk.clone());
            #[cfg(feature = "selftest")]
            let open = decisions::noting_jobs(open, self.recorder.clone());
            Box::pin(run_server(machine, open, config, hooks, stored))
        });
    }
}

async fn run_server(
    machine: Machine,
    open: impl Fn() -> Result<Arc<dyn Storage>, StoreError>,
    config: Config,
    hooks: Hooks,
    stored: Option<StoredSession>,
) {
    let disk = machine.disk;
    if let Some(session) = stored
        && let Err(error) = open().and_then(|store| stored::import(&*store, &session))
    {
        panic!("the stored session was not taken over: {}", with_sources(&error));
    }
    let Err(error) = Server::run(config, machine.seams, open, hooks).await else {
        return;
    };
    // A server that cannot read its state exits; it is restarted once the disk works.
    assert!(
        disk.is_faulty(),
        "the server did not start: {}",
        with_sources(&error)
    );
    machine.power.crash();
}

/// The number of hosts of a scenario's parties in a simulated world.
pub fn hosts_of(scenario: &Scenario) -> usize {
    let always = [SERVER, OBSERVER, WRAPPER, GATEWAY, RECEIVER];
    always.len() + scenario.other_sessions().len() + scenario.clients().len()
}

/// Start of every simulated run.
pub fn epoch() -> Timestamp {
    EPOCH.parse().expect("the epoch is a timestamp")
}

/// Authority of the wrapper on `host`.
pub fn wrapper_authority(host: &str) -> String {
    format!("{host}:{WRAPPER_PORT}")
}

/// URL of the wrapper's control route that sets its behaviour.
pub(crate) fn behaviour_url() -> String {
    format!("http://{}{BEHAVIOUR_PATH}", wrapper_authority(WRAPPER))
}

fn add_wrapper_host(
    world: &mut dyn AnyWorld,
    recorder: &Recorder,
    host: &str,
    wrappers: &Wrappers,
    profile: &Arc<Profile>,
) {
    let probe = probe_maker(recorder, host);
    let authority = wrapper_authority(host);
    // Reserves the address, so that a request before the wrapper has started waits. Without one, it ends when it listens.
    let _ = world.reached_at(&authority);
    let (wrappers, profile) = (wrappers.clone(), Arc::clone(profile));
    let is_default = host == WRAPPER;
    world.add_host(host, move |machine| {
        let (probe, authority, wrappers) = (probe(), authority.clone(), wrappers.clone());
        let profile = Arc::clone(&profile);
        Box::pin(async move {
            let listener = listen(&machine, &authority).await;
            if let Some(stand_in) = wrappers.stand_in.filter(|_| is_default) {
                return stand_in.serve(listener, machine.seams, probe).await;
            }
            let mut config = WrapperConfig::new(format!("http://{GATEWAY_AUTHORITY}"));
            config.latency = wrappers.latency;
            config.reconnect_pauses = profile.wrapper_reconnect_pauses.clone();
            config.buffer = profile.wrapper_buffer;
            config.abandons_after = profile.wrapper_abandons_after;
            config.version = wrappers.version.unwrap_or(config.version);
            Wrapper::new(config, machine.seams, probe).serve(listener).await;
        })
    });
}

fn add_gateway_host(world: &mut dyn AnyWorld, recorder: &Recorder) {
    let probe = probe_maker(recorder, GATEWAY);
    let _ = world.reached_at(GATEWAY_AUTHORITY);
    world.add_host(GATEWAY, move |machine| {
        let probe = probe();
        Box::pin(async move {
            let listener = listen(&machine, GATEWAY_AUTHORITY).await;
            Gateway::new(machine.seams, probe).serve(listener).await;
        })
    });
}

fn add_receiver_host(world: &mut dyn AnyWorld, recorder: &Recorder, prefix: &str) {
    let probe = probe_maker(recorder, RECEIVER);
    let prefix = prefix.to_owned();
    world.add_host(RECEIVER, move |machine| {
        let (probe, prefix) = (probe(), prefix.clone());
        Box::pin(async move {
            let listener = listen(&machine, RECEIVER_AUTHORITY).await;
            let receiver = Receiver::new(probe).below(&prefix);
            let receiver = receiver.with_clock(machine.seams.clock);
            receiver.serve(listener).await;
        })
    });
}

/// Makes a probe for each start of a party. Numbers of exchanges and sockets continue across restarts.
fn probe_maker(recorder: &Recorder, party: &str) -> impl Fn() -> Probe + 'static {
    let probe = Probe::new(party, Arc::new(recorder.clone()));
    move || probe.clone()
}

/// Adds a host without a process, and returns its seams.
fn add_client_host(world: &mut dyn AnyWorld, name: &str) -> Seams {
    world.add_host(name, |_| Box::pin(async {}));
    world.machine(name).expect("the host was just added").seams
}

async fn listen(machine: &Machine, authority: &str) -> Box<dyn Listener> {
    let listening = machine.seams.network.listen(authority).await;
    listening.unwrap_or_else(|error| panic!("nothing else listens at {authority}, and yet: {error}"))
}
