//! The simulated world: machines, links, disks and a clock, in one thread, from one seed.
//!
//! # How it is used
//!
//! 1. [`World::new`], then [`World::add_host`] for each host. A host is up at once, but nothing runs yet.
//! 2. [`World::run_until`], again and again. Only in there do hosts run and does time move, and it only
//!    ever moves forwards. When the world is idle it jumps.
//! 3. Between two runs, or from an action that was left with [`World::schedule`]: [`World::spawn`],
//!    [`World::apply`] for a [fault](turnstile_fault::Fault) of a link, of connections, of a host or of its disk, and
//!    [`World::heal`] for its end.
//! 4. Dropping it ends all hosts, with their disks as they are.
//!
//! # What holds
//!
//! At one instant, first the scheduled actions are performed, then packets arrive, then timers fire, each
//! in the order in which they were asked for; then the hosts run, in the order of their adding, until none
//! has anything left to do. Whatever they send arrives later, never at the same instant. `done` is
//! asked when all are at rest.
//!
//! The same build, seed and calls make the same run, provided that what runs on the hosts asks nobody but
//! its [`Machine`] for time, randomness and connections, iterates over nothing with a random order, and
//! starts no threads (`spawn_blocking` does). Hosts may share memory, such as a record of what they see: a
//! task that is woken by another host's task runs at the same instant.
//!
//! A world lives on the thread that made it, one at a time, and outside any tokio runtime.
//!
//! # What lives where
//!
//! This file is the loop. `host` lets one machine run, `network` is what it sees of the network, `fabric`
//! carries packets from one machine to another over `links`, `timers` is the clock, `disk` the disks,
//! `faults` all that can go wrong, `error` why it refuses, `streams` the randomness. `witness` is a second
//! world, on somebody else's loop, `live` a third, in real time on the machine's sockets, and `any` what can be
//! asked of each. This folder is the only place that names turmoil, and nothing in it knows the protocol that is
//! played.

mod any;
mod condition;
mod disk;
mod error;
mod fabric;
mod faults;
mod host;
mod links;
pub mod live;
mod network;
mod panics;
mod streams;
mod timers;
#[cfg(feature = "witness")]
mod witness;

#[cfg(test)]
mod tests;

pub use any::{AnyWorld, BootFunction, Deed, Listener, REPORTED_TIME_ERROR, Route, WorldKind};
pub use disk::{Disk, DiskFile};
pub use error::WorldError;
pub use host::{Machine, PowerSwitch};
pub use streams::Streams;
#[cfg(feature = "witness")]
pub use witness::WitnessWorld;

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use turnstile_events::world::{Cause, WorldEvent};
use turnstile_seams::{BoxFuture, Clock as _};

use fabric::{Fabric, ROOM_FOR_HOSTS, address};
use host::{Boot, Death, Rested, Run, Surroundings};
use network::{Directory, Sockets};
use timers::Timeline;

thread_local! {
    static OCCUPIED: Cell<bool> = const { Cell::new(false) };
}

/// Why [`World::run_until`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// What was waited for has come about.
    Done,
    /// It had not by the deadline, which is now.
    DeadlinePassed,
    /// It never will: nobody has anything left to do, no packet is on its way, no timer is set.
    Deadlock {
        /// The hosts on which the boot task or a spawned task is not at its end, in the order of their
        /// adding.
        waiting: Vec<String>,
    },
    /// A task of a host panicked. The host has crashed of it; the world can be run on.
    Panicked {
        /// The host's name.
        host: String,
        /// The panic's message and place.
        message: String,
    },
    /// What is to be tested in the world is not there, or not any more.
    WithoutServer {
        /// Why, in words.
        message: String,
    },
    /// Somebody has asked for the end of everything.
    Interrupted,
    /// A host does not come to rest at this instant. Until it is crashed, no run gets past this.
    Livelock {
        /// The host's name.
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
    agenda: BTreeMap<(Timestamp, u64), Action>,
    scheduled: u64,
    /// Panics that no run has reported yet, by host.
    panics: VecDeque<(usize, String)>,
    listener: Option<EventListener>,
    steps: u64,
    fabric: Fabric,
}

struct Host {
    name: Arc<str>,
    boot: Boot,
    disk: Disk,
    restarts: u32,
    /// `None` while the host is down.
    run: Option<Run>,
}

impl World {
    /// An empty world at the moment `epoch`, whose every choice follows from `seed`.
    ///
    /// # Panics
    ///
    /// If this thread has a world already.
    pub fn new(seed: u64, epoch: Timestamp) -> Self {
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
            agenda: BTreeMap::new(),
            scheduled: 0,
            panics: VecDeque::new(),
            listener: None,
            steps: 0,
            fabric: Fabric::new(streams),
        }
    }

    /// Adds a host, which is up. `boot` makes its first task, now and at each restart; the host stays up
    /// when that task ends.
    ///
    /// # Panics
    ///
    /// If the name is taken or the world has 16 hosts already.
    pub fn add_host(&mut self, name: &str, boot: impl Fn(Machine) -> BoxFuture<'static, ()> + 'static) {
        let index = self.hosts.len();
        assert!(
            index < ROOM_FOR_HOSTS,
            "a world has room for {ROOM_FOR_HOSTS} hosts"
        );
        assert!(self.find(name).is_err(), "there is a host `{name}` already");
        let name: Arc<str> = name.into();
        let mut directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        directory.insert(Arc::clone(&name), address(index));
        drop(directory);
        let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = self.streams.seed_of(&format!("disk:{name}"));
        self.hosts.push(Host {
            name,
            boot: Rc::new(boot),
            disk: Disk::new(u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7])),
            restarts: 0,
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
        );
        let surroundings = Surroundings {
            streams: &self.streams,
            timeline: &self.timeline,
        };
        let (run, panic) = Run::start(
            &host.name,
            host.restarts,
            &host.boot,
            host.disk.clone(),
            Arc::new(sockets),
            &surroundings,
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

    /// The names of all hosts, in the order of their adding.
    pub fn host_names(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|host| &*host.name)
    }

    /// Whether a host is up, as it is from its adding or restart to its crash.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`].
    pub fn is_up(&self, host: &str) -> Result<bool, WorldError> {
        Ok(self.hosts[self.find(host)?].run.is_some())
    }

    /// What was given to a host at its latest start, for the tasks that are spawned on it.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`] or [`WorldError::Down`].
    pub fn machine(&self, host: &str) -> Result<Machine, WorldError> {
        let run = self.hosts[self.find(host)?].run.as_ref();
        let run = run.ok_or_else(|| WorldError::Down(host.to_owned()))?;
        Ok(run.machine().clone())
    }

    /// Starts one more task on a host. It ends with the host's crash.
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

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.timeline.now()
    }

    /// The streams of randomness that this world draws from, for whoever draws on its behalf. Labels that
    /// begin with `host:`, `link:` or `disk:` are taken.
    pub fn streams(&self) -> Streams {
        self.streams
    }

    /// How much work the world has done so far: how often it went to another instant, and how often it let
    /// a host run.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Lets `action` be performed at the moment `at`, or as soon as the world runs if that is past.
    pub fn schedule(&mut self, at: Timestamp, action: impl FnOnce(&mut World) + 'static) {
        self.scheduled += 1;
        self.agenda.insert((at, self.scheduled), Box::new(action));
    }

    /// Lets `listener` hear of everything that is done to this world from now on, as it is done.
    pub fn set_listener(&mut self, listener: EventListener) {
        self.listener = Some(listener);
    }

    fn tell(&mut self, event: WorldEvent) {
        let now = self.now();
        if let Some(listener) = &mut self.listener {
            listener(now, event);
        }
    }

    /// Lets the world run until `done`, which is asked whenever all hosts are at rest; at most up to
    /// and including the moment `deadline`, if there is one.
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

    /// Lets every host run until none has anything left to do, and sends what they have to send.
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
            let run = self.hosts[index].run.as_mut();
            let Some(run) = run.filter(|run| run.has_work()) else {
                continue;
            };
            self.steps += 1;
            match run.run() {
                Rested::Idle => {}
                Rested::Dying(death) => self.bring_down(index, death, Cause::Itself),
                Rested::Panicked(message) => {
                    self.panics.push_back((index, message));
                    self.bring_down(index, Death::Process, Cause::Panic);
                }
                Rested::Restless => {
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

    /// When something is due next: an action, a packet or a timer.
    fn next_instant(&self) -> Option<Timestamp> {
        let action = self.agenda.first_key_value().map(|((at, _), _)| *at);
        [action, self.fabric.next_arrival(), self.timeline.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Moves time on, and lets everything happen that is due then.
    fn go_to(&mut self, instant: Timestamp) {
        self.steps += 1;
        if instant > self.now() {
            self.timeline.move_to(instant);
            let running = self.hosts.iter().filter_map(|host| host.run.as_ref());
            running.for_each(Run::forgive_polls);
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
