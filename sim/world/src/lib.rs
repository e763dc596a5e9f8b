//! The simulated world: machines, links, disks and a clock, in one thread, from one seed.
//!
//! # Usage
//!
//! 1. [`World::new`], then [`World::add_host`] for each host. A host is up at once, but runs nothing yet.
//! 2. [`World::run_until`], repeatedly. Hosts run and time advances only inside of it. Time never goes back,
//!    and jumps to the next event when the world is idle.
//! 3. Between two runs, or from an action of [`World::schedule`]: [`World::spawn`], [`World::apply`] for a
//!    [fault](turnstile_fault::Fault) of a link, of connections, of a host or of its disk, and
//!    [`World::heal`] for its end.
//! 4. Dropping the world ends all hosts. Their disks stay as they are.
//!
//! # Guarantees
//!
//! At one instant, the scheduled actions run first, then packets arrive, then timers fire, each in the order
//! in which they were requested. Then the hosts run, in the order in which they were added, until none has
//! work left. What they send arrives at a later instant. `done` is called when all hosts are idle.
//!
//! The same build, seed and calls give the same run, if the code on the hosts takes time, randomness and
//! connections only from its [`Machine`], iterates over nothing in random order, and starts no threads (as
//! `spawn_blocking` does). Hosts may share memory, such as a record of observations: a task that is woken by
//! a task of another host runs at the same instant.
//!
//! A world must stay on the thread that created it. A thread has at most one world, and not inside of a tokio
//! runtime.
//!
//! # Modules
//!
//! This file is the loop. `host` runs one machine, `power` lets it crash itself, `network` is the network as a machine
//! sees it, `fabric` carries packets between machines over `links` and holds those of `stalls`, `timers` is the clock,
//! `shifted` a clock that was set, `disk` the disks, `faults` applies faults, `activity` shows which host runs, `error`
//! has the errors, `streams` the randomness. `witness` is a second world, on turmoil's loop; `live` is a third, in real
//! time on real sockets; `any` is their common interface, `kind` creates the simulated ones. No other crate uses turmoil,
//! and this crate does not know the protocol.

mod activity;
mod any;
mod condition;
mod death;
mod disk;
mod error;
mod fabric;
mod faults;
mod host;
mod kind;
mod links;
pub mod live;
mod network;
mod panics;
mod power;
mod shifted;
mod stalls;
mod streams;
mod timers;
#[cfg(feature = "witness")]
mod witness;

pub use activity::{Activity, Turn};
pub use any::{AnyWorld, BootFunction, Listener, REPORTED_TIME_ERROR, Route, ScheduledAction};
pub use disk::{Disk, DiskFile};
pub use error::WorldError;
pub use faults::Reporting;
pub use host::Machine;
pub use kind::WorldKind;
pub use power::PowerSwitch;
pub use streams::Streams;
#[cfg(feature = "witness")]
pub use witness::WitnessWorld;

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, PoisonError};

use jiff::{SignedDuration, Timestamp};
use turnstile_events::world::{Cause, WorldEvent};
use turnstile_seams::{BoxFuture, Clock as _};

use death::Death;
use fabric::{Fabric, address};
use host::{Boot, HostStop, Run, StartContext};
use network::{Directory, ReadBuffer, Sockets};
use timers::Timeline;

/// Most hosts of a world that was created without a number.
const MOST_HOSTS: usize = 16;

thread_local! {
    static OCCUPIED: Cell<bool> = const { Cell::new(false) };
}

/// Why [`World::run_until`] returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// `done` returned true.
    Done,
    /// `done` was still false at the deadline, which is now.
    DeadlinePassed,
    /// Nothing can happen any more: no host has work, no packet is in flight, no timer is set.
    Deadlock {
        /// Hosts with an unfinished boot task or spawned task, in the order in which they were added.
        waiting: Vec<String>,
    },
    /// A task of a host panicked. The host has crashed; the world can go on.
    Panicked {
        /// Name of the host.
        host: String,
        /// Message and source location of the panic.
        message: String,
    },
    /// The server under test is missing or has ended.
    WithoutServer {
        /// The reason, in words.
        message: String,
    },
    /// The run was interrupted from outside.
    Interrupted,
    /// A host keeps running at this instant without end. No run gets past it until the host is crashed.
    Livelock {
        /// Name of the host.
        host: String,
    },
}

type Action = Box<dyn FnOnce(&mut World)>;
type EventListener = Box<dyn FnMut(Timestamp, WorldEvent)>;

/// A simulated world. See the [module](self) for the order of calls.
pub struct World {
    streams: Streams,
    timeline: Timeline,
    hosts: Vec<Host>,
    directory: Directory,
    read_buffer: ReadBuffer,
    agenda: BTreeMap<(Timestamp, u64), Action>,
    scheduled: u64,
    /// Panics that no run has reported yet, by host.
    panics: VecDeque<(usize, String)>,
    listener: Option<EventListener>,
    steps: u64,
    fabric: Fabric,
    activity: Activity,
}

struct Host {
    name: Arc<str>,
    boot: Boot,
    disk: Disk,
    /// How far its clock is ahead of the time of the world, from its next start on.
    clock_ahead: SignedDuration,
    restarts: u32,
    /// Whether it is not started again.
    stays_down: bool,
    /// `None` while the host is down.
    run: Option<Run>,
}

impl World {
    /// An empty world at the time `epoch`, for at most 16 hosts. All its choices follow from `seed`.
    ///
    /// # Panics
    ///
    /// If this thread already has a world.
    pub fn new(seed: u64, epoch: Timestamp) -> Self {
        Self::for_hosts(seed, epoch, MOST_HOSTS)
    }

    /// The same for at most `hosts` hosts. Room that is not used costs time; choices do not depend on it.
    ///
    /// # Panics
    ///
    /// As [`World::new`].
    pub fn for_hosts(seed: u64, epoch: Timestamp, hosts: usize) -> Self {
        assert!(
            !OCCUPIED.replace(true),
            "there is a world on this thread already, and a thread has room for one at a time"
        );
        let streams = Streams::new(seed);
        Self {
            streams,
            timeline: Timeline::new(epoch),
            hosts: Vec::new(),
            directory: Directory::default(),
            read_buffer: ReadBuffer::default(),
            agenda: BTreeMap::new(),
            scheduled: 0,
            panics: VecDeque::new(),
            listener: None,
            steps: 0,
            fabric: Fabric::new(streams, hosts),
            activity: Activity::default(),
        }
    }

    /// Adds a host, which is up. `boot` creates its first task, now and at each restart. The host stays up
    /// when that task ends.
    ///
    /// # Panics
    ///
    /// If the name is in use or the world has no room for another host.
    pub fn add_host(&mut self, name: &str, boot: impl Fn(Machine) -> BoxFuture<'static, ()> + 'static) {
        let index = self.hosts.len();
        assert!(
            self.fabric.has_room_for(index),
            "the world has room for {index} hosts"
        );
        assert!(self.find(name).is_err(), "the host `{name}` already exists");
        let name: Arc<str> = name.into();
        let mut directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        directory.insert(Arc::clone(&name), address(index));
        drop(directory);
        let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = self.streams.seed_of(&format!("disk:{name}"));
        self.hosts.push(Host {
            name,
            boot: Rc::new(boot),
            disk: Disk::new(u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7])),
            clock_ahead: SignedDuration::ZERO,
            restarts: 0,
            stays_down: false,
            run: None,
        });
        self.start(index);
    }

    fn start(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        host.disk = host.disk.reconnected();
        let sockets = Sockets::new(
            self.fabric.stack(index),
            Arc::clone(&host.name),
            address(index),
            Arc::clone(&self.directory),
            Arc::clone(&self.read_buffer),
        );
        let start_context = StartContext {
            streams: &self.streams,
            clock: shifted::ahead_of(Arc::new(self.timeline.clone()), host.clock_ahead),
        };
        let (run, panic) = Run::start(
            &host.name,
            host.restarts,
            &host.boot,
            host.disk.clone(),
            Arc::new(sockets),
            start_context,
        );
        host.run = Some(run);
        if let Some(message) = panic {
            self.panics.push_back((index, message));
            self.bring_down(index, Death::Process, Cause::Panic);
        }
    }

    fn find(&self, name: &str) -> Result<usize, WorldError> {
        let index = self.hosts.iter().position(|host| *host.name == *name);
        index.ok_or_else(|| WorldError::UnknownHost(name.to_owned()))
    }

    /// The names of all hosts, in the order in which they were added.
    pub fn host_names(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|host| &*host.name)
    }

    /// Whether a host is up: from its addition or restart until its crash.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`].
    pub fn is_up(&self, host: &str) -> Result<bool, WorldError> {
        Ok(self.hosts[self.find(host)?].run.is_some())
    }

    /// The machine that the host got at its latest start, for tasks to spawn on it.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`] or [`WorldError::Down`].
    pub fn machine(&self, host: &str) -> Result<Machine, WorldError> {
        let run = self.hosts[self.find(host)?].run.as_ref();
        let run = run.ok_or_else(|| WorldError::Down(host.to_owned()))?;
        Ok(run.machine().clone())
    }

    /// Starts another task on a host. The task ends when the host crashes.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`] or [`WorldError::Down`].
    pub fn spawn(
        &mut self,
        host: &str,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), WorldError> {
        let index = self.find(host)?;
        let run = self.hosts[index].run.as_mut();
        run.ok_or_else(|| WorldError::Down(host.to_owned()))?
            .spawn(future);
        Ok(())
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.timeline.now()
    }

    /// The streams of randomness of this world, for callers that draw on its behalf. Labels that begin with
    /// `host:`, `link:` or `disk:` are reserved.
    pub fn streams(&self) -> Streams {
        self.streams
    }

    /// Lets all that is drawn for the network from now on follow from another seed. Packets on their way still arrive when
    /// they would, and hosts keep their streams until they start again.
    pub fn reseed(&mut self, seed: u64) {
        self.streams = Streams::new(seed);
        self.fabric.draw_from(self.streams);
    }

    /// A measure of work: how often time advanced, plus how often a host ran.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Schedules `action` for the time `at`; a time in the past means as soon as the world runs.
    pub fn schedule(&mut self, at: Timestamp, action: impl FnOnce(&mut World) + 'static) {
        self.scheduled += 1;
        self.agenda.insert((at, self.scheduled), Box::new(action));
    }

    /// Calls `listener` for every event of this world from now on, as it happens.
    pub fn set_listener(&mut self, listener: EventListener) {
        self.listener = Some(listener);
    }

    /// Reports in `activity` from now on which host runs.
    pub fn set_activity(&mut self, activity: Activity) {
        self.activity = activity;
    }

    fn report(&mut self, event: WorldEvent) {
        let now = self.now();
        if let Some(listener) = &mut self.listener {
            listener(now, event);
        }
    }

    /// Runs the world until `done` returns true, at most up to and including `deadline`. `done` is called
    /// whenever all hosts are idle.
    pub fn run_until(&mut self, deadline: Option<Timestamp>, mut done: impl FnMut() -> bool) -> Stopped {
        loop {
            if let Err(stopped) = self.settle() {
                return stopped;
            }
            if done() {
                return Stopped::Done;
            }
            match (self.next_instant(), deadline) {
                (None, None) => {
                    return Stopped::Deadlock {
                        waiting: self.unfinished(),
                    };
                }
                (Some(next), None) => self.go_to(next),
                (Some(next), Some(deadline)) if next <= deadline => self.go_to(next),
                (_, Some(deadline)) => {
                    self.timeline.move_to(deadline);
                    return Stopped::DeadlinePassed;
                }
            }
        }
    }

    /// Runs every host until none has work left, and sends their packets.
    fn settle(&mut self) -> Result<(), Stopped> {
        loop {
            self.run_hosts()?;
            self.send();
            if !self.has_work() {
                return self.report_panic();
            }
        }
    }

    fn has_work(&self) -> bool {
        let mut running = self.hosts.iter().filter_map(|host| host.run.as_ref());
        running.any(Run::has_work)
    }

    fn run_hosts(&mut self) -> Result<(), Stopped> {
        for index in 0..self.hosts.len() {
            let Host { name, run, .. } = &mut self.hosts[index];
            let Some(run) = run.as_mut().filter(|run| run.has_work()) else {
                continue;
            };
            self.steps += 1;
            self.activity.begin(name, self.timeline.now());
            let stopped = run.run();
            self.activity.end();
            match stopped {
                HostStop::Idle => {}
                HostStop::Dying(death) => self.bring_down(index, death, Cause::Itself),
                HostStop::Panicked(message) => {
                    self.panics.push_back((index, message));
                    self.bring_down(index, Death::Process, Cause::Panic);
                }
                HostStop::Livelocked => {
                    return Err(Stopped::Livelock {
                        host: self.hosts[index].name.to_string(),
                    });
                }
            }
            self.report_panic()?;
        }
        Ok(())
    }

    fn report_panic(&mut self) -> Result<(), Stopped> {
        self.panics.pop_front().map_or(Ok(()), |(index, message)| {
            Err(Stopped::Panicked {
                host: self.hosts[index].name.to_string(),
                message,
            })
        })
    }

    fn send(&mut self) {
        let now = self.now();
        for run in self.hosts.iter().filter_map(|host| host.run.as_ref()) {
            self.fabric.note_departures(now, run.sockets().take_departures());
        }
        self.fabric.collect(now);
    }

    /// Time of the next action, packet or timer.
    fn next_instant(&self) -> Option<Timestamp> {
        let action = self.agenda.first_key_value().map(|((at, _), _)| *at);
        [action, self.fabric.next_arrival(), self.timeline.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Advances time, and performs everything that is due then.
    fn go_to(&mut self, instant: Timestamp) {
        self.steps += 1;
        if instant > self.now() {
            self.timeline.move_to(instant);
            let running = self.hosts.iter().filter_map(|host| host.run.as_ref());
            running.for_each(Run::reset_polls);
        }
        let now = self.now();
        while let Some(next) = self.agenda.first_entry()
            && next.key().0 <= now
        {
            next.remove()(self);
        }
        self.fabric.deliver_due(now);
        self.timeline.fire();
    }

    fn unfinished(&self) -> Vec<String> {
        let waiting = self
            .hosts
            .iter()
            .filter(|host| host.run.as_ref().is_some_and(Run::is_unfinished));
        waiting.map(|host| host.name.to_string()).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for run in self.hosts.iter_mut().filter_map(|host| host.run.take()) {
            run.end();
        }
        OCCUPIED.set(false);
    }
}
