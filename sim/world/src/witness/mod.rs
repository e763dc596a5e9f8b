//! The witness: a second simulated world for the same machines, on [`turmoil::Sim`].
//!
//! It cross-checks [`World`](super::World), whose errors cannot be detected from inside. The same server,
//! fakes and clients run on a loop, a scheduler and a TCP of another library, and must give the same results.
//! It is slow, and its time has the resolution of ticks, so it is used for nothing else.
//!
//! # Parts from turmoil
//!
//! From turmoil: the loop, the runtimes and their timers, the sockets, the links; holding, losing and
//! delaying packets; crashing and starting hosts. Added here, because turmoil has no function for it: faults
//! of one direction of a link (`links`); connections that are reset, finished, silenced or stalled, and the result of
//! connecting to a host that is down (`network`). Shared with the other world, and therefore not
//! cross-checked: the [`Disk`].
//!
//! # Differences
//!
//! * Everything within a tick happens at its start, in the order in which hosts were added.
//! * A host that pulls its power switch computes to the end of the tick. Its writes are lost and its disk is
//!   disconnected.
//! * Deadlocks and livelocks are not detected.
//! * The connections of a host that crashes end in the order in which turmoil drops its tasks.
//! * After a panic, turmoil's own clocks differ by a tick among the hosts.
//! * A fault that turmoil cannot implement is refused with [`WorldError::Unsupported`].

mod clock;
mod host;
mod links;
mod network;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use turmoil::Sim;
use turnstile_events::world::{Cause, WorldEvent};
use turnstile_fault::{ConnectionEnd, DiskBehaviour, Fault, FaultKind, Link, LinkEffect, Place};
use turnstile_seams::{BoxFuture, Clock, Randomness, Seams};

use self::clock::TickClock;
use self::host::{Host, Order, Run};
use self::links::{LATENCY, send_on};
use self::network::{Fate, HostNetwork, HostState, SEGMENTS, Shared, SharedNetwork};
use super::any::{AnyWorld, BootFunction, Listener, ScheduledAction};
use super::condition::Condition;
use super::death::Death;
use super::disk::Disk;
use super::error::WorldError;
use super::host::Machine;
use super::power::PowerSwitch;
use super::streams::Streams;
use super::{Stopped, panics, shifted};

/// Ticks for transmission and processing: between two attempts to deliver, for example, there are a
/// connection and two exchanges, each of which takes some ticks.
const TICKS_ON_THE_WAY: u32 = 8;
/// Label of the stream of randomness that seeds turmoil's.
const TURMOIL: &str = "turmoil";
/// Effects on links that turmoil can implement. A stall affects connections, and the lines hold it.
const CARRIED: [FaultKind; 3] = [FaultKind::Cut, FaultKind::BlackHole, FaultKind::Delay];

/// A world on [`turmoil::Sim`]. See the module.
pub struct WitnessWorld {
    sim: Sim<'static>,
    clock: TickClock,
    streams: Streams,
    hosts: Vec<Host>,
    shared_network: SharedNetwork,
    agenda: BTreeMap<(Timestamp, u64), ScheduledAction>,
    scheduled: u64,
    has_begun: bool,
    /// Panics that no run has reported yet, by host.
    panics: VecDeque<(usize, String)>,
    listener: Option<Listener>,
}

impl WitnessWorld {
    /// An empty world at the time `epoch`. All its choices follow from `seed`, and its clock advances by
    /// `tick`, a number of whole milliseconds.
    ///
    /// # Panics
    ///
    /// If `tick` is zero or not a whole number of milliseconds: turmoil's timers have a resolution of
    /// milliseconds.
    pub fn new(seed: u64, epoch: Timestamp, tick: Duration) -> Self {
        let whole = tick.subsec_nanos().is_multiple_of(1_000_000) && !tick.is_zero();
        assert!(whole, "a tick is a number of whole milliseconds, not {tick:?}");
        let streams = Streams::new(seed);
        let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = streams.seed_of(TURMOIL);
        let sim = turmoil::Builder::new()
            // By default, turmoil takes these from the operating system and the wall clock.
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
            shared_network: SharedNetwork::default(),
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

    fn report(&mut self, event: WorldEvent) {
        let now = self.clock.now();
        if let Some(listener) = &mut self.listener {
            listener(now, event);
        }
    }

    /// Prepares what turmoil takes when it starts the host.
    fn prepare(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        host.disk = host.disk.reconnected();
        let power = PowerSwitch::new(&host.disk);
        let label = format!("host:{}:{}", host.name, host.restarts);
        let network = HostNetwork {
            host: index,
            shared_network: self.shared_network.clone(),
            clock: self.clock.clone(),
            power: power.clone(),
        };
        let (run, steward) = Run::new(Machine {
            name: Arc::clone(&host.name),
            restarts: host.restarts,
            seams: Seams {
                network: Arc::new(network),
                clock: shifted::ahead_of(Arc::new(self.clock.clone()), host.clock_ahead),
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

    /// Runs one step of turmoil's loop.
    fn step(&mut self) {
        self.has_begun = true;
        let shared = self.shared_network.lock();
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

    /// Reports that a host that is up goes down, and ends its run.
    fn bring_down(&mut self, index: usize, death: Death, cause: Cause) {
        self.hosts[index].run = None;
        self.report(WorldEvent::began(death.fault(&self.hosts[index].name), cause));
        let host = &mut self.hosts[index];
        host.disk.disconnect();
        let mut shared = self.shared_network.lock();
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
    }

    fn restart(&mut self, host: &str) -> Result<(), WorldError> {
        let index = self.find(host)?;
        if self.is_up(host)? {
            return Err(WorldError::Up(host.to_owned()));
        }
        self.hosts[index].restarts += 1;
        self.shared_network.lock().hosts[index].down = None;
        let place = Place::Host(host.to_owned());
        self.report(WorldEvent::Ended { place });
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
        let Shared { links, addresses, .. } = &mut *self.shared_network.lock();
        links.change(&self.sim, addresses, directions, change)
    }

    fn heal_directions(&mut self, directions: &[(usize, usize)]) -> Result<(), WorldError> {
        let Shared { links, addresses, .. } = &mut *self.shared_network.lock();
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
        let shared = self.shared_network.lock();
        let (here, there) = (shared.lines(one, other), shared.lines(other, one));
        drop(shared);
        here.iter().chain(&there).for_each(|line| line.end(fate));
        Ok(here.len().max(there.len()))
    }

    /// Makes a host send a FIN on its connections with another. Returns how many there were.
    fn finish(&mut self, one: usize, other: usize) -> usize {
        let lines = self.shared_network.lock().lines(one, other);
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
        assert!(self.find(name).is_err(), "the host `{name}` already exists");
        let index = self.hosts.len();
        let name: Arc<str> = name.into();
        let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = self.streams.seed_of(&format!("disk:{name}"));
        let next = Rc::new(RefCell::new(None));
        self.hosts.push(Host {
            name: Arc::clone(&name),
            disk: Disk::new(u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7])),
            clock_ahead: SignedDuration::ZERO,
            restarts: 0,
            next: Rc::clone(&next),
            run: None,
        });
        let mut shared = self.shared_network.lock();
        shared.addresses.push(self.sim.lookup(&*name));
        shared.hosts.push(HostState {
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

    fn schedule_boxed(&mut self, at: Timestamp, action: ScheduledAction) {
        self.scheduled += 1;
        self.agenda.insert((at, self.scheduled), action);
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
            // Before the first tick no host has run.
            if self.has_begun && deadline.is_some_and(|deadline| self.clock.now() >= deadline) {
                return Stopped::DeadlinePassed;
            }
            self.step();
        }
    }

    fn apply(&mut self, fault: &Fault) -> Result<(), WorldError> {
        let event = match fault {
            Fault::Link {
                link,
                effect: LinkEffect::Stall,
            } => {
                let (from, to) = self.pair(&link.from, &link.to)?;
                let mut shared = self.shared_network.lock();
                match link.one_way {
                    true => shared.stall_next(from, to),
                    false => shared.stall(from, to),
                }
                WorldEvent::of(fault)
            }
            Fault::Link { link, effect } => {
                if !CARRIED.contains(&effect.kind()) {
                    return Err(WorldError::Unsupported("this effect on a link"));
                }
                self.on_link(link, |condition| condition.apply(*effect))?;
                WorldEvent::of(fault)
            }
            Fault::Connections { from, to, end } => {
                let connections = self.end_connections(from, to, *end)?;
                WorldEvent::ended_connections(fault, connections)
            }
            Fault::Disk { host, is, at } => {
                let index = self.find(host)?;
                self.hosts[index].disk.apply(*is, *at);
                WorldEvent::of(fault)
            }
            Fault::Clock { host, set } => {
                if self.is_up(host)? {
                    return Err(WorldError::Up(host.clone()));
                }
                let index = self.find(host)?;
                self.hosts[index].clock_ahead += set.ahead();
                WorldEvent::of(fault)
            }
            Fault::Host {
                host,
                power_loss,
                at: Some(point),
            } if let Some(operation) = point.operation() => {
                let index = self.find(host)?;
                self.hosts[index].disk.crash_at(operation, Death::of(*power_loss));
                // `bring_down` reports the crash.
                return Ok(());
            }
            Fault::Host {
                host,
                power_loss,
                at: None,
            } => {
                self.run(host)?;
                // `bring_down` reports the crash.
                self.bring_down(self.find(host)?, Death::of(*power_loss), Cause::Order);
                return Ok(());
            }
            of_party => return Err(WorldError::of_party(of_party)),
        };
        self.report(event);
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
                let is_between = |pair| pair == (from, to) || pair == (to, from);
                self.shared_network.lock().end_stalls(is_between);
            }
            Place::EveryLink => {
                let affected = self.shared_network.lock().links.affected();
                self.heal_directions(&affected)
                    .expect("links that work can be carried by any world");
                self.shared_network.lock().end_stalls(|_| true);
            }
            Place::Disk(host) => {
                let index = self.find(host)?;
                self.hosts[index].disk.behave(DiskBehaviour::Works);
            }
            Place::Host(host) => return self.restart(host),
            Place::Queue | Place::Wrapper => return Err(WorldError::Unsupported("the behaviour of a party")),
        }
        self.report(WorldEvent::Ended { place: place.clone() });
        Ok(())
    }
}

impl Drop for WitnessWorld {
    fn drop(&mut self) {
        // Tasks that still run end with turmoil, and must not change the disks while they end.
        self.hosts.iter().for_each(|host| host.disk.disconnect());
    }
}
