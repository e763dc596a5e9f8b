//! The common interface of all worlds.
//!
//! [`World`] is one implementation, the [witness](super::WitnessWorld) another. How they work is not the
//! subject of this file.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Place};
use turnstile_seams::{BoxFuture, Clock};

use super::activity::Activity;
use super::error::WorldError;
use super::faults::Reporting;
use super::host::Machine;
use super::streams::Streams;
use super::{Stopped, World};

/// Creates the first task of a host at each of its starts.
pub type BootFunction = Box<dyn Fn(Machine) -> BoxFuture<'static, ()>>;
/// An action that a world performs at a scheduled time.
pub type ScheduledAction = Box<dyn FnOnce(&mut dyn AnyWorld)>;
/// Returns the authority of the wrapper of a session.
pub type Route = Arc<dyn Fn(&str) -> String + Send + Sync>;
/// Receives the events of a world.
pub type Listener = Box<dyn FnMut(Timestamp, WorldEvent)>;

/// How much a time that a server reports may differ from the time of the report. Servers report whole
/// milliseconds.
pub const REPORTED_TIME_ERROR: Duration = Duration::from_millis(1);

/// A world. Each method has the meaning and the errors of the method of the same name of [`World`]. A world
/// refuses what it does not support with [`WorldError::Unsupported`].
pub trait AnyWorld {
    /// The clock for the times of records.
    fn clock(&self) -> Arc<dyn Clock>;
    /// As [`World::now`].
    fn now(&self) -> Timestamp;
    /// As [`World::streams`].
    fn streams(&self) -> Streams;
    /// As [`World::reseed`]. Worlds that draw nothing for their network ignore it.
    fn reseed(&mut self, _: u64) {}
    /// As [`World::deafen`].
    ///
    /// # Errors
    ///
    /// The world does not support it, or as [`World::deafen`].
    fn deafen(&mut self, _host: &str, _unheard: &[String], _: Reporting) -> Result<(), WorldError> {
        Err(WorldError::Unsupported("a host that ignores others"))
    }

    /// As [`World::keep_down`].
    ///
    /// # Errors
    ///
    /// The world does not support it, or as [`World::keep_down`].
    fn keep_down(&mut self, _host: &str) -> Result<(), WorldError> {
        Err(WorldError::Unsupported("a host that stays down"))
    }

    /// As [`World::set_listener`].
    fn set_listener(&mut self, listener: Listener);

    /// As [`World::set_activity`]. Worlds that do not report theirs ignore it.
    fn set_activity(&mut self, _: Activity) {}

    /// How much longer than in a simulated world transmission and processing may take.
    fn timing_tolerance(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether time passes without [`World::run_until`].
    fn is_in_real_time(&self) -> bool {
        false
    }

    /// Lets later runs go on although the world was interrupted: a play that was cut still cleans up.
    fn ignore_interruption(&mut self) {}

    /// Whether the server of this world keeps running after the world ends, with its state.
    fn leaves_server_behind(&self) -> bool {
        false
    }

    /// How much a time that a server reports may differ from the time of the report.
    fn reported_time_error(&self) -> Duration {
        REPORTED_TIME_ERROR
    }

    /// The authority at which processes outside of this world reach what `authority` reaches inside.
    ///
    /// # Errors
    ///
    /// [`WorldError::NoAddress`].
    fn reached_at(&self, authority: &str) -> Result<String, WorldError> {
        Ok(authority.to_owned())
    }

    /// Sets how to find the wrapper of a session, for the server of this world.
    fn route(&mut self, _: Route) {}

    /// Announces the id of a session, in whose name a server asks for a wrapper.
    fn announce(&mut self, _: &str) {}

    /// Adds another authority at which parties reach a server that the world provides.
    fn add_server_authority(&mut self, _: &str) {}

    /// Whether this world has that host from the start, so that it must not be added.
    fn brings(&self, _: &str) -> bool {
        false
    }

    /// Stores a session of an older service for the server of this world, before its first start.
    fn store(&mut self, _user: &str, _record: &Value, _executions: &[Value]) -> Result<(), WorldError> {
        Err(WorldError::Unsupported("a session that is stored before the run"))
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
    fn schedule_boxed(&mut self, at: Timestamp, action: ScheduledAction);
    /// As [`World::run_until`].
    fn run_until_dyn(&mut self, deadline: Option<Timestamp>, done: &mut dyn FnMut() -> bool) -> Stopped;

    /// As [`World::apply`].
    fn apply(&mut self, fault: &Fault) -> Result<(), WorldError>;
    /// As [`World::heal`].
    fn heal(&mut self, place: &Place) -> Result<(), WorldError>;
}

/// The same methods, generic over closures and futures.
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
    pub fn schedule(&mut self, at: Timestamp, action: impl FnOnce(&mut dyn AnyWorld) + 'static) {
        self.schedule_boxed(at, Box::new(action));
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

    fn reseed(&mut self, seed: u64) {
        self.reseed(seed);
    }

    fn deafen(&mut self, host: &str, unheard: &[String], reporting: Reporting) -> Result<(), WorldError> {
        self.deafen(host, unheard, reporting)
    }

    fn keep_down(&mut self, host: &str) -> Result<(), WorldError> {
        self.keep_down(host)
    }

    fn set_listener(&mut self, listener: Listener) {
        self.set_listener(listener);
    }

    fn set_activity(&mut self, activity: Activity) {
        self.set_activity(activity);
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

    fn schedule_boxed(&mut self, at: Timestamp, action: ScheduledAction) {
        self.schedule(at, move |world| action(world));
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
