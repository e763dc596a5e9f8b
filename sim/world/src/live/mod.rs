//! A world in real time: the parties of the harness run on threads of this process and use the machine's
//! sockets and clock. The server under test is a separate process.
//!
//! # Common with the other worlds
//!
//! The parties, their names and their authorities, and the faults of links and connections. At least one end
//! of every connection belongs to the harness, and faults are applied there (`line`), so a server needs no
//! support for them.
//!
//! # Differences
//!
//! * Time passes on its own, at a [`Pace`] that the server is configured with. How exact a time is depends on
//!   the machine: see [`AnyWorld::timing_tolerance`](super::AnyWorld::timing_tolerance).
//! * The same seed does not give the same run, because the order of sockets and threads varies.
//! * Faults inside of a server are not possible: of its disk, its callback queue, or at points of its work.
//!   It cannot lose power either: when its process is killed, the operating system keeps what it has written.
//!
//! `any` implements the common interface of worlds, `host` is a party's thread, `network` the network as a
//! party sees it, `line` one connection, `server` the process under test, `server_clock` its test clock, `jump`
//! decides when the clocks are moved, `quiet` how long nothing has happened, `cutoff` when runs end early.

mod any;
mod cutoff;
mod doors;
mod end;
pub mod front;
mod host;
mod jump;
mod line;
mod network;
mod quiet;
mod server;
mod server_clock;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use turnstile_events::world::{Cause, WorldEvent};
use turnstile_fault::{Fault, Link, Place};
use turnstile_seams::error_chain::with_sources;
use turnstile_seams::real::{MachineClock, Pace};
use turnstile_seams::test_clock::TestClock;
use turnstile_seams::{Clock, Randomness, Seams};

pub use self::cutoff::Cutoff;
pub use self::doors::{Door, Doors};
use self::host::{Host, Run};
use self::network::{HostNetwork, SharedNetwork};
use self::quiet::Quiet;
use self::server::ANY_PORT;
pub use self::server::{GivenServer, Process, ServerError, StartedServer};
use self::server_clock::ServerClock;
pub use self::server_clock::{Advanced, ClockError};
use super::any::{AnyWorld as _, BootFunction, Listener, Route, ScheduledAction};
use super::condition::Condition;
use super::disk::Disk;
use super::error::WorldError;
use super::host::Machine;
use super::power::PowerSwitch;
use super::streams::Streams;

/// Authority of the front of all sandboxes.
const FRONT: &str = "sandboxes:9000";

/// The tolerated delay of a machine, unless another one is set.
pub const LATENESS: Duration = Duration::from_millis(150);

/// The server under test, and its environment.
#[derive(Debug, Clone)]
pub struct LiveSetup {
    /// The server under test.
    pub server: ServerUnderTest,
    /// Name of the server as a party.
    pub party: String,
    /// Authority at which parties reach the server.
    pub authority: String,
    /// Another authority that the server uses for itself towards wrappers.
    pub alias: Option<String>,
    /// Authority of the only wrapper that the server is configured with, unless there is a front.
    pub wrapper: String,
    /// Where the front of all sandboxes listens, if each session has its own sandbox: the server reaches a
    /// session's wrapper at a path that begins with the session id.
    pub front: Option<SocketAddr>,
    /// The place of this world behind addresses that it shares with others.
    pub door: Option<Arc<Door>>,
    /// Where parties of the harness listen, by authority; default a free port of the loopback.
    pub listening: BTreeMap<String, SocketAddr>,
    /// Authorities at which the server reaches parties of the harness, where they differ from the addresses
    /// that they listen on.
    pub reached_at: BTreeMap<String, String>,
    /// When runs end with [`Stopped::Interrupted`](super::Stopped::Interrupted).
    pub cutoff: Cutoff,
    /// How much faster than the machine's clock time passes for all parties.
    pub speed: u32,
    /// Tolerated delay of the machine, by its own clock: transmission, processing, and other load.
    pub lateness: Duration,
    /// Whether the world jumps over idle time, which needs a server with a test clock that no other world uses.
    pub jumps: bool,
}

/// Origin of the server under test.
#[derive(Debug, Clone)]
pub enum ServerUnderTest {
    /// The harness starts a new process for each world.
    Started(StartedServer),
    /// It is already running.
    Given(GivenServer),
}

/// A world in real time. See the [module](self).
pub struct LiveWorld {
    setup: LiveSetup,
    clock: TestClock,
    /// The clock of the server, if it can be moved.
    server_clock: Option<ServerClock>,
    quiet: Quiet,
    pace: Pace,
    streams: Streams,
    server: Server,
    hosts: Vec<Host>,
    /// The front of all sandboxes.
    front: Option<Run>,
    route: Option<Route>,
    shared_network: SharedNetwork,
    agenda: BTreeMap<(Timestamp, u64), ScheduledAction>,
    scheduled: u64,
    /// Why the server is missing, once it is.
    without_server: Option<String>,
    /// Parties that ended with a panic that no run has reported yet.
    panics: VecDeque<(String, String)>,
    listener: Option<Listener>,
}

enum Server {
    Started {
        process: Process,
        import: Option<Value>,
        has_begun: bool,
    },
    Given(GivenServer),
}

impl LiveWorld {
    /// A world with only the server, which starts with the first run. The clock of all parties starts now.
    ///
    /// # Errors
    ///
    /// If the server's data folder cannot be created, or a party cannot listen on its address.
    pub fn new(seed: u64, setup: LiveSetup) -> Result<Self, ServerError> {
        let machine = MachineClock::default();
        let pace = Pace {
            since: machine.now(),
            times: setup.speed,
        };
        let server_clock = match &setup.server {
            ServerUnderTest::Given(server) => server.clock()?,
            ServerUnderTest::Started(_) => None,
        };
        // The server's clock may have been moved in an earlier world.
        let advanced = match &server_clock {
            Some(clock) => clock.advance(Duration::ZERO)?.in_all,
            None => Duration::ZERO,
        };
        let clock = TestClock::new(MachineClock::new(pace), advanced);
        let shared_network = SharedNetwork::new(&setup.party, Arc::new(clock.clone()));
        for (authority, address) in &setup.listening {
            let (party, address) = (authority.clone(), *address);
            shared_network
                .reserve(authority, address)
                .map_err(|source| ServerError::Address {
                    party,
                    address,
                    source,
                })?;
        }
        if let Some(alias) = &setup.alias {
            shared_network.add_alias(alias);
        }
        if let Some(door) = &setup.door {
            let front = shared_network.address_of(FRONT);
            door.set_front(front.map_err(ServerError::Folder)?);
        }
        let server = match &setup.server {
            ServerUnderTest::Started(server) => Server::Started {
                process: Process::new(server.clone())?,
                import: None,
                has_begun: false,
            },
            ServerUnderTest::Given(server) => {
                shared_network.set_address(&setup.authority, server.address);
                Server::Given(server.clone())
            }
        };
        Ok(Self {
            setup,
            clock,
            server_clock,
            quiet: Quiet::new(),
            pace,
            streams: Streams::new(seed),
            server,
            hosts: Vec::new(),
            front: None,
            route: None,
            shared_network,
            agenda: BTreeMap::new(),
            scheduled: 0,
            without_server: None,
            panics: VecDeque::new(),
            listener: None,
        })
    }

    /// The address at which a party of the harness listens or will listen.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub fn address_of(&self, authority: &str) -> io::Result<SocketAddr> {
        self.shared_network.address_of(authority)
    }

    /// Stores a session of an older service for the server, before its first start.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unsupported`] if the harness does not start the server.
    pub fn import(&mut self, session: Value) -> Result<(), WorldError> {
        match &mut self.server {
            Server::Started { import, .. } => {
                *import = Some(session);
                Ok(())
            }
            Server::Given(_) => Err(WorldError::Unsupported("a session that is stored before the run")),
        }
    }

    /// Starts the server, unless it runs already or the harness does not start it.
    fn begin(&mut self) -> Result<(), ServerError> {
        if let (Some(address), Some(route), None) = (self.setup.front, &self.route, &self.front) {
            let route = Arc::clone(route);
            let boot: BootFunction = Box::new(move |machine| {
                let (route, network) = (Arc::clone(&route), machine.seams.network);
                Box::pin(async move {
                    let listening = network.listen(FRONT).await;
                    let listener = listening
                        .unwrap_or_else(|error| panic!("the front of the sandboxes cannot listen: {error}"));
                    front::serve(listener, network, route).await;
                })
            });
            if address.port() != 0 {
                self.shared_network.set_address(FRONT, address);
            }
            // Forwarded requests count as the server's: faults of its links and connections apply to them.
            let machine = self.machine_of(&self.setup.party, 0);
            self.front = Some(Run::start(machine, &boot).map_err(ServerError::Folder)?);
        }
        match &self.server {
            Server::Started { has_begun: false, .. } => self.start_server(),
            Server::Started { .. } | Server::Given(_) => Ok(()),
        }
    }

    fn start_server(&mut self) -> Result<(), ServerError> {
        let (wrapper, path) = match self.front {
            Some(_) => (FRONT, "/{session}"),
            None => (&*self.setup.wrapper, ""),
        };
        let wrapper = self
            .shared_network
            .address_of(wrapper)
            .map_err(ServerError::Folder)?;
        let Server::Started {
            process,
            import,
            has_begun,
        } = &mut self.server
        else {
            return Ok(());
        };
        let mut arguments = vec![
            "--ingest-url".to_owned(),
            format!("ws://{}", self.setup.authority),
            "--wrapper-url".to_owned(),
            format!("http://{wrapper}{path}"),
        ];
        if self.pace.times > 1 {
            let since = self.pace.since.to_string();
            let speed = self.pace.times.to_string();
            arguments.extend(["--speed".to_owned(), speed, "--speed-since".to_owned(), since]);
        }
        if let (Some(session), false) = (import, *has_begun) {
            let file = process.put("import.json", session.to_string().as_bytes())?;
            arguments.extend(["--import".to_owned(), file.display().to_string()]);
        }
        if self.setup.jumps {
            arguments.extend(["--test-clock".to_owned(), ANY_PORT.to_owned()]);
        }
        *has_begun = true;
        let address = process.start(&arguments)?;
        self.server_clock = process
            .test_clock()
            .map(|at| ServerClock::at(&at.to_string()))
            .transpose()?;
        self.catch_up()?;
        self.shared_network.set_address(&self.setup.authority, address);
        Ok(())
    }

    fn is_server(&self, host: &str) -> bool {
        *host == *self.setup.party
    }

    fn find(&self, name: &str) -> Result<usize, WorldError> {
        let index = self.hosts.iter().position(|host| *host.name == *name);
        index.ok_or_else(|| WorldError::UnknownHost(name.to_owned()))
    }

    fn pair(&self, one: &str, other: &str) -> Result<(), WorldError> {
        for name in [one, other] {
            if !self.is_server(name) {
                self.find(name)?;
            }
        }
        match one == other {
            true => Err(WorldError::OneHost(one.to_owned())),
            false => Ok(()),
        }
    }

    fn report(&mut self, event: WorldEvent) {
        let now = self.clock.now();
        if let Some(listener) = &mut self.listener {
            listener(now, event);
        }
    }

    /// Starts the host at this index, which is down.
    fn start(&mut self, index: usize) {
        let host = &self.hosts[index];
        let machine = self.machine_of(&host.name, host.restarts);
        match Run::start(machine, &host.boot) {
            Ok(run) => self.hosts[index].run = Some(run),
            Err(error) => {
                let message = format!("it could not be started: {error}");
                self.panics.push_back((host.name.to_string(), message));
            }
        }
    }

    fn machine_of(&self, name: &str, restarts: u32) -> Machine {
        // Parties of the harness have no data on a disk.
        let disk = Disk::new(0);
        let name: Arc<str> = name.into();
        let label = format!("host:{name}:{restarts}");
        Machine {
            restarts,
            seams: Seams {
                network: Arc::new(HostNetwork {
                    host: Arc::clone(&name),
                    shared_network: self.shared_network.clone(),
                }),
                clock: Arc::new(self.clock.clone()),
                randomness: Randomness::new(self.streams.stream(&label)),
            },
            power: PowerSwitch::new(&disk),
            disk,
            name,
        }
    }

    fn perform_due(&mut self) {
        let now = self.clock.now();
        while let Some(next) = self.agenda.first_entry()
            && next.key().0 <= now
        {
            next.remove()(self);
        }
    }

    /// Handles hosts that ended without being stopped.
    fn handle_ended_hosts(&mut self) {
        let party = self.setup.party.clone();
        if let Server::Started { process, .. } = &mut self.server
            && let Some(how) = process.has_ended()
        {
            self.panics.push_back((party.clone(), how));
            self.report(crashed(&party, Cause::Panic));
        }
        for index in 0..self.hosts.len() {
            let Some(run) = self.hosts[index].run.take_if(|run| run.has_died()) else {
                continue;
            };
            let name = self.hosts[index].name.to_string();
            let message = run.end().unwrap_or_else(|| "its thread ended".to_owned());
            self.report(crashed(&name, Cause::Panic));
            self.panics.push_back((name, message));
        }
    }

    fn on_link(&mut self, link: &Link, change: impl Fn(&mut Condition)) -> Result<(), WorldError> {
        self.pair(&link.from, &link.to)?;
        self.shared_network.change_links(|links| {
            links.change((link.from.clone(), link.to.clone()), &change);
            if !link.one_way {
                links.change((link.to.clone(), link.from.clone()), &change);
            }
        });
        Ok(())
    }

    fn crash(&mut self, host: &str) -> Result<(), WorldError> {
        if self.is_server(host) {
            return self.crash_server();
        }
        let index = self.find(host)?;
        let run = self.hosts[index]
            .run
            .take()
            .ok_or_else(|| WorldError::Down(host.to_owned()))?;
        // Whatever its tasks still send while they end belongs to no party, so the crash is reported first.
        self.report(crashed(host, Cause::Order));
        if let Some(message) = run.end() {
            self.panics.push_back((host.to_owned(), message));
        }
        Ok(())
    }

    fn restart(&mut self, host: &str) -> Result<(), WorldError> {
        if self.is_up(host)? {
            return Err(WorldError::Up(host.to_owned()));
        }
        if self.is_server(host) {
            if let Err(error) = self.start_server() {
                self.without_server = Some(with_sources(&error));
                return Ok(());
            }
        } else {
            let index = self.find(host)?;
            self.hosts[index].restarts += 1;
            self.shared_network.listen_again(host);
            self.start(index);
        }
        let place = Place::Host(host.to_owned());
        self.report(WorldEvent::Ended { place });
        Ok(())
    }

    fn crash_server(&mut self) -> Result<(), WorldError> {
        let party = self.setup.party.clone();
        match &mut self.server {
            Server::Started { process, .. } => {
                if !process.is_up() {
                    return Err(WorldError::Down(party));
                }
                process.kill();
                self.report(crashed(&party, Cause::Order));
                Ok(())
            }
            Server::Given(server) => {
                let server = server.clone();
                self.report(crashed(&party, Cause::Order));
                let Some(restarted) = server.restart() else {
                    return Err(WorldError::Unsupported(
                        "a crash of a server that it cannot start again",
                    ));
                };
                match restarted.and_then(|()| Ok(self.catch_up()?)) {
                    Ok(()) => self.report(WorldEvent::Ended {
                        place: Place::Host(party),
                    }),
                    Err(error) => self.without_server = Some(with_sources(&error)),
                }
                Ok(())
            }
        }
    }
}

fn crashed(host: &str, cause: Cause) -> WorldEvent {
    WorldEvent::began(Fault::crash(host), cause)
}

impl Drop for LiveWorld {
    fn drop(&mut self) {
        for run in self
            .hosts
            .iter_mut()
            .filter_map(|host| host.run.take())
            .chain(self.front.take())
        {
            // The world is ending, so a panic is not reported.
            let _ = run.end();
        }
    }
}
