//! The witness: the same machines on somebody else's loop, [`turmoil::Sim`].
//!
//! Whether [`World`](super::World) is to be believed cannot be seen from inside. So the same server, fakes and
//! clients are run here once more, on a loop, a scheduler and a TCP that are not ours, and must tell the
//! same story. It is slow, and knows time only by ticks; nothing is played here for its own sake.
//!
//! # What is turmoil's and what is not
//!
//! turmoil's: the loop, the runtimes and their timers, the sockets, the links; holding, losing and delaying
//! what is sent; crashing and starting hosts. Made up for at its edge, because no verb of turmoil's does it:
//! one direction of a link that works beside one that does not (`links`), connections that are reset,
//! finished or silenced, and what opening a connection to a host that is down comes to (`network`). Shared
//! with the other world, which it therefore says nothing about: the [`Disk`].
//!
//! # What differs
//!
//! * All that happens within a tick happens at its beginning, in the order in which hosts were added.
//! * A host that pulls its power switch still computes to the end of the tick. It writes to nobody, and its
//!   disk is dead.
//! * Nobody notices that nothing can ever happen any more, or that a host never comes to rest.
//! * After a panic, clocks of turmoil's own differ by a tick among the hosts.
//! * A fault that turmoil cannot carry is refused with [`WorldError::NotCarried`].

mod clock;
mod host;
mod links;
mod network;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use turmoil::Sim;
use turnstile_events::world::{Cause, WorldEvent};
use turnstile_fault::{ConnectionEnd, DiskBehaviour, Fault, FaultKind, Link, Place};
use turnstile_seams::{BoxFuture, Clock, Randomness, Seams};

use self::clock::TickClock;
use self::host::{Host, Order, Run};
use self::links::{LATENCY, send_on};
use self::network::{Fate, HostNetwork, Neighbour, Neighbourhood, SEGMENTS, Shared};
use super::any::{AnyWorld, BootFunction, Deed, Listener};
use super::condition::Condition;
use super::disk::Disk;
use super::error::WorldError;
use super::host::{Death, Machine, PowerSwitch};
use super::streams::Streams;
use super::{Stopped, panics};

/// How many ticks the way and the work take: between two attempts to deliver, say, lie a connection and two
/// exchanges, each of which takes some ticks.
const TICKS_ON_THE_WAY: u32 = 8;
/// Which stream of randomness turmoil's own is seeded from.
const TURMOIL: &str = "turmoil";
/// The effects on links that turmoil can be made to have.
const CARRIED: [FaultKind; 3] = [FaultKind::Cut, FaultKind::BlackHole, FaultKind::Delay];

/// A world on [`turmoil::Sim`]. See the [module](self).
pub struct WitnessWorld {
    sim: Sim<'static>,
    clock: TickClock,
    streams: Streams,
    hosts: Vec<Host>,
    neighbourhood: Neighbourhood,
    agenda: BTreeMap<(Timestamp, u64), Deed>,
    scheduled: u64,
    has_begun: bool,
    /// Panics that no run has reported yet, by host.
    panics: VecDeque<(usize, String)>,
    listener: Option<Listener>,
}

impl WitnessWorld {
    /// An empty world at the moment `epoch`, whose every choice follows from `seed` and whose clock moves by
    /// `tick`, which is a number of whole milliseconds.
    ///
    /// # Panics
    ///
    /// If `tick` is none or has a fraction: turmoil's timers know milliseconds only.
    pub fn new(seed: u64, epoch: Timestamp, tick: Duration) -> Self {
        let whole = tick.subsec_nanos().is_multiple_of(1_000_000) && !tick.is_zero();
        assert!(whole, "a tick is a number of whole milliseconds, not {tick:?}");
        let streams = Streams::new(seed);
        let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = streams.seed_of(TURMOIL);
        let sim = turmoil::Builder::new()
            // Left alone, turmoil takes these from the operating system and the wall clock.
            .rng_seed(u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]))
            .epoch(SystemTime::from(epoch))
            .tick_duration(tick)
            .simulation_duration(Duration::MAX)
            .min_message_latency(LATENCY)
            .max_message_latency(LATENCY)
            .tcp_capacity(SEGMENTS)
            .build();
        Self {
            sim,
            clock: TickClock::new(epoch, tick),
            streams,
            hosts: Vec::new(),
            neighbourhood: Neighbourhood::default(),
            agenda: BTreeMap::new(),
            scheduled: 0,
            has_begun: false,
            panics: VecDeque::new(),
            listener: None,
        }
    }

    fn find(&self, name: &str) -> Result<usize, WorldError> {
        let index = self.hosts.iter().position(|host| *host.name == *name);
        index.ok_or_else(|| WorldError::UnknownHost(name.to_owned()))
    }

    fn pair(&self, one: &str, other: &str) -> Result<(usize, usize), WorldError> {
        let pair = (self.find(one)?, self.find(other)?);
        if pair.0 == pair.1 {
            return Err(WorldError::OneHost(one.to_owned()));
        }
        Ok(pair)
    }

    fn run(&self, host: &str) -> Result<&Run, WorldError> {
        let run = self.hosts[self.find(host)?].run.as_ref();
        run.ok_or_else(|| WorldError::Down(host.to_owned()))
    }

    fn tell(&mut self, event: WorldEvent) {
        let now = self.clock.now();
        if let Some(listener) = &mut self.listener {
            listener(now, event);
        }
    }

    /// Lays out what turmoil is to pick up when it starts the host.
    fn prepare(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        host.disk = host.disk.reconnected();
        let power = PowerSwitch::new(&host.disk);
        let label = format!("host:{}:{}", host.name, host.restarts);
        let network = HostNetwork {
            host: index,
            neighbourhood: self.neighbourhood.clone(),
            clock: self.clock.clone(),
            power: power.clone(),
        };
        let (run, steward) = Run::new(Machine {
            name: Arc::clone(&host.name),
            restarts: host.restarts,
            seams: Seams {
                network: Arc::new(network),
                clock: Arc::new(self.clock.clone()),
                randomness: Randomness::new(self.streams.stream(&label)),
            },
            disk: host.disk.clone(),
            power,
        });
        host.run = Some(run);
        *host.next.borrow_mut() = Some(steward);
    }

    fn perform_due(&mut self) {
        let now = self.clock.now();
        while let Some(next) = self.agenda.first_entry()
            && next.key().0 <= now
        {
            next.remove()(self);
        }
    }

    /// Lets turmoil turn its loop once.
    fn step(&mut self) {
        self.has_begun = true;
        let shared = self.neighbourhood.lock();
        shared.links.let_through(&self.sim, &shared.addresses);
        drop(shared);
        let sim = &mut self.sim;
        let panic = panics::recorded(|| {
            let stepped = sim.step();
            stepped.expect("no host's software ends, and there is no end to the simulation");
        });
        self.clock.advance();
        if let Some(message) = panic {
            let died = |host: &Host| host.run.as_ref().is_some_and(Run::has_died);
            let index = self.hosts.iter().position(died);
            let index = index.expect("a panic takes its host with it");
            self.panics.push_back((index, message));
            self.bring_down(index, Death::Process, Cause::Panic);
        }
        for index in 0..self.hosts.len() {
            let run = self.hosts[index].run.as_ref();
            if let Some(death) = run.and_then(|run| run.machine.power.pulled()) {
                self.bring_down(index, death, Cause::Itself);
            }
        }
    }

    /// Ends a host's run, which there is.
    fn bring_down(&mut self, index: usize, death: Death, cause: Cause) {
        let host = &mut self.hosts[index];
        host.run = None;
        host.disk.disconnect();
        let mut shared = self.neighbourhood.lock();
        shared.hosts[index].down = Some(death);
        if death == Death::Power {
            shared.abandon(index);
        }
        drop(shared);
        let name = host.name.to_string();
        let sim = &mut self.sim;
        if let Some(message) = panics::recorded(|| sim.crash(name.as_str())) {
            self.panics.push_back((index, message));
        }
        self.hosts[index].disk.lose_unsynced();
        self.tell(WorldEvent::began(death.fault(&name), cause));
    }

    fn restart(&mut self, host: &str) -> Result<(), WorldError> {
        let index = self.find(host)?;
        if self.is_up(host)? {
            return Err(WorldError::Up(host.to_owned()));
        }
        self.hosts[index].restarts += 1;
        self.neighbourhood.lock().hosts[index].down = None;
        let place = Place::Host(host.to_owned());
        self.tell(WorldEvent::Ended { place });
        self.prepare(index);
        self.sim.bounce(host);
        Ok(())
    }

    fn on_link(&mut self, link: &Link, change: impl Fn(&mut Condition)) -> Result<(), WorldError> {
        let (from, to) = self.pair(&link.from, &link.to)?;
        let directions: &[_] = match link.one_way {
            true => &[(from, to)],
            false => &[(from, to), (to, from)],
        };
        let Shared { links, addresses, .. } = &mut *self.neighbourhood.lock();
        links.change(&self.sim, addresses, directions, change)
    }

    fn heal_directions(&mut self, directions: &[(usize, usize)]) -> Result<(), WorldError> {
        let Shared { links, addresses, .. } = &mut *self.neighbourhood.lock();
        for direction in directions {
            let healed = |condition: &mut Condition| *condition = Condition::default();
            links.change(&self.sim, addresses, &[*direction], healed)?;
        }
        send_on(&self.sim, addresses, directions);
        Ok(())
    }

    /// Ends the connections between two hosts. Returns how many there were.
    fn end_connections(&mut self, from: &str, to: &str, end: ConnectionEnd) -> Result<usize, WorldError> {
        let (one, other) = self.pair(from, to)?;
        let fate = match end {
            ConnectionEnd::Reset => Fate::Reset,
            ConnectionEnd::Silence => Fate::Silenced,
            ConnectionEnd::Finish => return Ok(self.finish(one, other)),
        };
        let shared = self.neighbourhood.lock();
        let (here, there) = (shared.lines(one, other), shared.lines(other, one));
        drop(shared);
        here.iter().chain(&there).for_each(|line| line.end(fate));
        Ok(here.len().max(there.len()))
    }

    /// Lets a host close its connections with another. Returns how many there were.
    fn finish(&mut self, one: usize, other: usize) -> usize {
        let lines = self.neighbourhood.lock().lines(one, other);
        let connections = lines.len();
        for line in lines {
            line.finish();
            let run = self.hosts[one].run.as_ref();
            run.expect("only a host that is up has connections")
                .order(Order::Finish(line));
        }
        connections
    }
}

impl AnyWorld for WitnessWorld {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn streams(&self) -> Streams {
        self.streams
    }

    fn set_listener(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }

    fn timing_tolerance(&self) -> Duration {
        self.clock.tick() * TICKS_ON_THE_WAY
    }

    fn add_host_boxed(&mut self, name: &str, boot: BootFunction) {
        assert!(self.find(name).is_err(), "there is a host `{name}` already");
        let index = self.hosts.len();
        let name: Arc<str> = name.into();
        let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = self.streams.seed_of(&format!("disk:{name}"));
        let next = Rc::new(RefCell::new(None));
        self.hosts.push(Host {
            name: Arc::clone(&name),
            disk: Disk::new(u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7])),
            restarts: 0,
            next: Rc::clone(&next),
            run: None,
        });
        let mut shared = self.neighbourhood.lock();
        shared.addresses.push(self.sim.lookup(&*name));
        shared.hosts.push(Neighbour {
            name: Arc::clone(&name),
            down: None,
        });
        drop(shared);
        self.prepare(index);
        let boot = Rc::new(boot);
        self.sim.host(&*name, move || {
            let steward = next.borrow_mut().take();
            let steward = steward.expect("a host is prepared before it is started");
            steward.serve(Rc::clone(&boot))
        });
    }

    fn host_names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.hosts.iter().map(|host| &*host.name))
    }

    fn is_up(&self, host: &str) -> Result<bool, WorldError> {
        Ok(self.hosts[self.find(host)?].run.is_some())
    }

    fn machine(&self, host: &str) -> Result<Machine, WorldError> {
        Ok(self.run(host)?.machine.clone())
    }

    fn spawn_boxed(&mut self, host: &str, task: BoxFuture<'static, ()>) -> Result<(), WorldError> {
        self.run(host)?.order(Order::Run(task));
        Ok(())
    }

    fn schedule_boxed(&mut self, at: Timestamp, deed: Deed) {
        self.scheduled += 1;
        self.agenda.insert((at, self.scheduled), deed);
    }

    fn run_until_dyn(&mut self, deadline: Option<Timestamp>, done: &mut dyn FnMut() -> bool) -> Stopped {
        loop {
            self.perform_due();
            if let Some((index, message)) = self.panics.pop_front() {
                let host = self.hosts[index].name.to_string();
                return Stopped::Panicked { host, message };
            }
            if done() {
                return Stopped::Done;
            }
            // Before its first tick no host has done anything.
            if self.has_begun && deadline.is_some_and(|deadline| self.clock.now() >= deadline) {
                return Stopped::DeadlinePassed;
            }
            self.step();
        }
    }

    fn apply(&mut self, fault: &Fault) -> Result<(), WorldError> {
        let event = match fault {
            Fault::Link { link, effect } => {
                if !CARRIED.contains(&effect.kind()) {
                    return Err(WorldError::NotCarried("this effect on a link"));
                }
                self.on_link(link, |condition| condition.apply(*effect))?;
                WorldEvent::of(fault)
            }
            Fault::Connections { from, to, end } => {
                let connections = self.end_connections(from, to, *end)?;
                WorldEvent::ended_connections(fault, connections)
            }
            Fault::Disk { host, is } => {
                let index = self.find(host)?;
                self.hosts[index].disk.behave(*is);
                WorldEvent::of(fault)
            }
            Fault::Host {
                host,
                power_loss,
                at: None,
            } => {
                self.run(host)?;
                // It reports the crash itself.
                self.bring_down(self.find(host)?, Death::of(*power_loss), Cause::Order);
                return Ok(());
            }
            of_party => return Err(WorldError::of_party(of_party)),
        };
        self.tell(event);
        Ok(())
    }

    fn heal(&mut self, place: &Place) -> Result<(), WorldError> {
        match place {
            Place::Link(link) => {
                let (from, to) = self.pair(&link.from, &link.to)?;
                match link.one_way {
                    true => self.heal_directions(&[(from, to)])?,
                    false => self.heal_directions(&[(from, to), (to, from)])?,
                }
            }
            Place::EveryLink => {
                let ill = self.neighbourhood.lock().links.ill();
                self.heal_directions(&ill)
                    .expect("links that work can be carried by any world");
            }
            Place::Disk(host) => {
                let index = self.find(host)?;
                self.hosts[index].disk.behave(DiskBehaviour::Works);
            }
            Place::Host(host) => return self.restart(host),
            Place::Queue | Place::Wrapper => return Err(WorldError::NotCarried("the behaviour of a party")),
        }
        self.tell(WorldEvent::Ended { place: place.clone() });
        Ok(())
    }
}

impl Drop for WitnessWorld {
    fn drop(&mut self) {
        // What still runs ends with turmoil, and must not touch the disks on its way out.
        self.hosts.iter().for_each(|host| host.disk.disconnect());
    }
}
