//! What a stage needs of a world, whichever it stands in.
//!
//! [`World`] is one, the [witness](super::WitnessWorld) another. Here is only what both can be asked; how
//! each does it is its own business.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Place};
use turnstile_seams::{BoxFuture, Clock};

use super::error::WorldError;
use super::host::Machine;
use super::streams::Streams;
#[cfg(feature = "witness")]
use super::witness::WitnessWorld;
use super::{Stopped, World};

/// Makes the first task of a host, at each of its starts.
pub type BootFunction = Box<dyn Fn(Machine) -> BoxFuture<'static, ()>>;
/// Something that is done to a world at a moment.
pub type Deed = Box<dyn FnOnce(&mut dyn AnyWorld)>;
/// Tells at which authority the wrapper of a session is.
pub type Route = Arc<dyn Fn(&str) -> String + Send + Sync>;
/// Who hears of what is done to a world.
pub type Listener = Box<dyn FnMut(Timestamp, WorldEvent)>;

/// How far a time that a server reports may lie behind the moment of the report: servers report whole milliseconds.
pub const REPORTED_TIME_ERROR: Duration = Duration::from_millis(1);

/// Which world is played in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WorldKind {
    /// [`World`], the engine of events.
    #[default]
    Events,
    /// The [witness](WitnessWorld), somebody else's loop.
    #[cfg(feature = "witness")]
    Witness {
        /// How far one turn of the loop moves the clock.
        tick: Duration,
    },
}

impl WorldKind {
    /// An empty world of that kind at the moment `epoch`, whose every choice follows from `seed`.
    ///
    /// # Panics
    ///
    /// As [`World::new`], if it is one.
    pub fn create(self, seed: u64, epoch: Timestamp) -> Box<dyn AnyWorld> {
        match self {
            Self::Events => Box::new(World::new(seed, epoch)),
            #[cfg(feature = "witness")]
            Self::Witness { tick } => Box::new(WitnessWorld::new(seed, epoch, tick)),
        }
    }
}

/// A world. Each operation means what the one of that name means on [`World`], and has its errors; one that a
/// world cannot carry is refused with [`WorldError::NotCarried`].
pub trait AnyWorld {
    /// The clock that records of this world are dated by.
    fn clock(&self) -> Arc<dyn Clock>;
    /// As [`World::now`].
    fn now(&self) -> Timestamp;
    /// As [`World::streams`].
    fn streams(&self) -> Streams;
    /// As [`World::set_listener`].
    fn set_listener(&mut self, listener: Listener);

    /// How much longer than in a simulated world transmission and processing may take.
    fn timing_tolerance(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether time passes by itself here, whoever is done with what or not.
    fn is_in_real_time(&self) -> bool {
        false
    }

    /// Whether the server that this world brings is there when the world is over, with all that was done to it.
    fn leaves_server_behind(&self) -> bool {
        false
    }

    /// How far a time that a server reports may lie behind the moment of the report.
    fn reported_time_error(&self) -> Duration {
        REPORTED_TIME_ERROR
    }

    /// The authority at which what is not in this world reaches what is reached at `authority` in it.
    ///
    /// # Errors
    ///
    /// [`WorldError::NoAddress`].
    fn reached_at(&self, authority: &str) -> Result<String, WorldError> {
        Ok(authority.to_owned())
    }

    /// Tells at which authority a session's wrapper is, for the server that this world brings.
    fn route(&mut self, _: Route) {}

    /// Whether this world has that host by itself, so that nobody is to add it.
    fn brings(&self, _: &str) -> bool {
        false
    }

    /// Puts a session of an older service's where the server that this world brings finds it when it first starts.
    fn store(&mut self, _user: &str, _record: &Value, _executions: &[Value]) -> Result<(), WorldError> {
        Err(WorldError::NotCarried("a session that is stored before the run"))
    }

    /// As [`World::add_host`].
    fn add_host_boxed(&mut self, name: &str, boot: BootFunction);
    /// As [`World::host_names`].
    fn host_names(&self) -> Box<dyn Iterator<Item = &str> + '_>;
    /// As [`World::is_up`].
    fn is_up(&self, host: &str) -> Result<bool, WorldError>;
    /// As [`World::machine`].
    fn machine(&self, host: &str) -> Result<Machine, WorldError>;
    /// As [`World::spawn`].
    fn spawn_boxed(&mut self, host: &str, task: BoxFuture<'static, ()>) -> Result<(), WorldError>;
    /// As [`World::schedule`].
    fn schedule_boxed(&mut self, at: Timestamp, deed: Deed);
    /// As [`World::run_until`].
    fn run_until_dyn(&mut self, deadline: Option<Timestamp>, done: &mut dyn FnMut() -> bool) -> Stopped;

    /// As [`World::apply`].
    fn apply(&mut self, fault: &Fault) -> Result<(), WorldError>;
    /// As [`World::heal`].
    fn heal(&mut self, place: &Place) -> Result<(), WorldError>;
}

/// The same with closures and futures as they come.
impl dyn AnyWorld + '_ {
    /// As [`World::add_host`].
    pub fn add_host(&mut self, name: &str, boot: impl Fn(Machine) -> BoxFuture<'static, ()> + 'static) {
        self.add_host_boxed(name, Box::new(boot));
    }

    /// As [`World::spawn`].
    ///
    /// # Errors
    ///
    /// As [`World::spawn`].
    pub fn spawn(
        &mut self,
        host: &str,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), WorldError> {
        self.spawn_boxed(host, Box::pin(future))
    }

    /// As [`World::schedule`].
    pub fn schedule(&mut self, at: Timestamp, deed: impl FnOnce(&mut dyn AnyWorld) + 'static) {
        self.schedule_boxed(at, Box::new(deed));
    }

    /// As [`World::run_until`].
    pub fn run_until(&mut self, deadline: Option<Timestamp>, mut done: impl FnMut() -> bool) -> Stopped {
        self.run_until_dyn(deadline, &mut done)
    }
}

impl AnyWorld for World {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.timeline.clone())
    }

    fn now(&self) -> Timestamp {
        self.now()
    }

    fn streams(&self) -> Streams {
        self.streams()
    }

    fn set_listener(&mut self, listener: Listener) {
        self.set_listener(listener);
    }

    fn add_host_boxed(&mut self, name: &str, boot: BootFunction) {
        self.add_host(name, boot);
    }

    fn host_names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.host_names())
    }

    fn is_up(&self, host: &str) -> Result<bool, WorldError> {
        self.is_up(host)
    }

    fn machine(&self, host: &str) -> Result<Machine, WorldError> {
        self.machine(host)
    }

    fn spawn_boxed(&mut self, host: &str, task: BoxFuture<'static, ()>) -> Result<(), WorldError> {
        self.spawn(host, task)
    }

    fn schedule_boxed(&mut self, at: Timestamp, deed: Deed) {
        self.schedule(at, move |world| deed(world));
    }

    fn run_until_dyn(&mut self, deadline: Option<Timestamp>, done: &mut dyn FnMut() -> bool) -> Stopped {
        self.run_until(deadline, done)
    }

    fn apply(&mut self, fault: &Fault) -> Result<(), WorldError> {
        self.apply(fault)
    }

    fn heal(&mut self, place: &Place) -> Result<(), WorldError> {
        self.heal(place)
    }
}
