//! A world in real time: the harness's own parties on threads of this process, on the machine's sockets and by its
//! clock, around a server under test that is a process of its own.
//!
//! # What is the same as in the other worlds
//!
//! The parties, their names and the authorities that they are reached at; links and connections fail by the same
//! verbs. Of every connection at least one end is the harness's, and faults strike it there (`line`), so a server
//! needs to know nothing of them.
//!
//! # What differs
//!
//! * Time passes by itself, at a [`Pace`] that the server is told. How exact a moment is depends on the machine: see
//!   [`AnyWorld::timing_tolerance`].
//! * The same seed does not make the same run: sockets and threads have an order of their own.
//! * What is done inside of a server cannot be done here: its disk, its callback queue, the points of its work.
//!   It loses no power either, only its process: a kill leaves to the operating system what it has written.
//!
//! `any` is what is asked of any world, `host` is a party's thread, `network` what it sees of the machine's sockets, `line` one connection, `server`
//! the process under test.

mod any;
pub mod front;
mod host;
mod line;
mod network;
mod server;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use serde_json::Value;
use turnstile_events::world::{Cause, WorldEvent};
use turnstile_fault::{Fault, Link, Place};
use turnstile_seams::error_chain::with_sources;
use turnstile_seams::real::{MachineClock, Pace};
use turnstile_seams::{Clock, Randomness, Seams};

use self::host::{Host, Run};
use self::network::{HostNetwork, Neighbourhood};
pub use self::server::{GivenServer, Process, ServerError, StartedServer};
use super::any::{AnyWorld as _, BootFunction, Deed, Listener, Route};
use super::condition::Condition;
use super::disk::Disk;
use super::error::WorldError;
use super::host::{Machine, PowerSwitch};
use super::streams::Streams;

/// The authority of the front of all sandboxes.
const FRONT: &str = "sandboxes:9000";

/// A server under test, and what it is to know of the harness.
#[derive(Debug, Clone)]
pub struct LiveSetup {
    /// Who is tested.
    pub server: ServerUnderTest,
    /// What the harness calls it, as a party.
    pub party: String,
    /// The authority under which parties reach it.
    pub authority: String,
    /// Another authority by which the server itself calls itself towards wrappers, if it does.
    pub alias: Option<String>,
    /// The authority of the one wrapper that the server is told of, unless there is a front.
    pub wrapper: String,
    /// Where the front of all sandboxes listens, if each session is to have one of its own: the server reaches a
    /// session's wrapper at a path that begins with the session's id.
    pub front: Option<SocketAddr>,
    /// Where parties of the harness listen, by authority; on a free port of the loopback if it is not said.
    pub listening: BTreeMap<String, SocketAddr>,
    /// Authorities at which the server reaches parties of the harness where those are not what they listen at.
    pub reached_at: BTreeMap<String, String>,
    /// True when everything is to end.
    pub interruption: Arc<AtomicBool>,
    /// How fast time passes for everybody beside the machine's clock.
    pub speed: u32,
}

/// Where the server under test comes from.
#[derive(Debug, Clone)]
pub enum ServerUnderTest {
    /// The harness starts it, anew for each world.
    Started(StartedServer),
    /// Somebody has started it.
    Given(GivenServer),
}

/// A world in real time. See the [module](self).
pub struct LiveWorld {
    setup: LiveSetup,
    clock: MachineClock,
    pace: Pace,
    streams: Streams,
    server: Server,
    hosts: Vec<Host>,
    /// The front of all sandboxes.
    front: Option<Run>,
    route: Option<Route>,
    neighbourhood: Neighbourhood,
    agenda: BTreeMap<(Timestamp, u64), Deed>,
    scheduled: u64,
    /// Why there is no server to test any more.
    without_server: Option<String>,
    /// Parties that ended of a panic, which no run has reported yet.
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
    /// A world with nobody in it but the server, which is started with the first run. The clock of all starts now.
    ///
    /// # Errors
    ///
    /// If there is no room for the server's data, or a party cannot listen where it is to.
    pub fn new(seed: u64, setup: LiveSetup) -> Result<Self, ServerError> {
        let machine = MachineClock::default();
        let pace = Pace {
            since: machine.now(),
            times: setup.speed,
        };
        let clock = MachineClock::new(pace);
        let neighbourhood = Neighbourhood::new(&setup.party, Arc::new(clock));
        for (authority, address) in &setup.listening {
            let (party, address) = (authority.clone(), *address);
            neighbourhood
                .reserve(authority, address)
                .map_err(|source| ServerError::Address {
                    party,
                    address,
                    source,
                })?;
        }
        if let Some(alias) = &setup.alias {
            neighbourhood.add_alias(alias);
        }
        let server = match &setup.server {
            ServerUnderTest::Started(server) => Server::Started {
                process: Process::new(server.clone())?,
                import: None,
                has_begun: false,
            },
            ServerUnderTest::Given(server) => {
                neighbourhood.set_address(&setup.authority, server.address);
                Server::Given(server.clone())
            }
        };
        Ok(Self {
            setup,
            clock,
            pace,
            streams: Streams::new(seed),
            server,
            hosts: Vec::new(),
            front: None,
            route: None,
            neighbourhood,
            agenda: BTreeMap::new(),
            scheduled: 0,
            without_server: None,
            panics: VecDeque::new(),
            listener: None,
        })
    }

    /// Has the server take over a session of an older service's before it first starts.
    ///
    /// # Errors
    ///
    /// [`WorldError::NotCarried`] if it is not the harness that starts it.
    pub fn import(&mut self, session: Value) -> Result<(), WorldError> {
        match &mut self.server {
            Server::Started { import, .. } => {
                *import = Some(session);
                Ok(())
            }
            Server::Given(_) => Err(WorldError::NotCarried("a session that is stored before the run")),
        }
    }

    /// Starts the server, if that has not been done and is the harness's to do.
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
                self.neighbourhood.set_address(FRONT, address);
            }
            // What is passed on is the server's: links and connections fail for it as if it had come itself.
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
            .neighbourhood
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
        *has_begun = true;
        let address = process.start(&arguments)?;
        self.neighbourhood.set_address(&self.setup.authority, address);
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

    fn tell(&mut self, event: WorldEvent) {
        let now = self.clock.now();
        if let Some(listener) = &mut self.listener {
            listener(now, event);
        }
    }

    /// Starts the host at that place, which is down.
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
        // Parties of the harness keep nothing on a disk.
        let disk = Disk::new(0);
        let name: Arc<str> = name.into();
        let label = format!("host:{name}:{restarts}");
        Machine {
            restarts,
            seams: Seams {
                network: Arc::new(HostNetwork {
                    host: Arc::clone(&name),
                    neighbourhood: self.neighbourhood.clone(),
                }),
                clock: Arc::new(self.clock),
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

    /// Who has ended without having been told to, and how.
    fn notice_deaths(&mut self) {
        let party = self.setup.party.clone();
        if let Server::Started { process, .. } = &mut self.server
            && let Some(how) = process.has_ended()
        {
            self.panics.push_back((party.clone(), how));
            self.tell(crashed(&party, Cause::Panic));
        }
        for index in 0..self.hosts.len() {
            let Some(run) = self.hosts[index].run.take_if(|run| run.has_died()) else {
                continue;
            };
            let name = self.hosts[index].name.to_string();
            let message = run.end().unwrap_or_else(|| "its thread ended".to_owned());
            self.tell(crashed(&name, Cause::Panic));
            self.panics.push_back((name, message));
        }
    }

    fn on_link(&mut self, link: &Link, change: impl Fn(&mut Condition)) -> Result<(), WorldError> {
        self.pair(&link.from, &link.to)?;
        self.neighbourhood.change_links(|links| {
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
        // What its tasks still send on their way out belongs to no party: the crash is reported first.
        self.tell(crashed(host, Cause::Order));
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
            self.start(index);
        }
        let place = Place::Host(host.to_owned());
        self.tell(WorldEvent::Ended { place });
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
                self.tell(crashed(&party, Cause::Order));
                Ok(())
            }
            Server::Given(server) => {
                let server = server.clone();
                self.tell(crashed(&party, Cause::Order));
                let Some(restarted) = server.restart() else {
                    return Err(WorldError::NotCarried(
                        "a crash of a server that it cannot start again",
                    ));
                };
                match restarted {
                    Ok(()) => self.tell(WorldEvent::Ended {
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
            // Nobody is left to hear of a panic now.
            let _ = run.end();
        }
    }
}
