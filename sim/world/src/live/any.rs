//! What is asked of any world, done to the one in real time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_events::world::{CrashCause, DiskFault, WorldEvent};
use turnstile_fault::Link;
use turnstile_seams::error_chain::with_sources;
use turnstile_seams::{BoxFuture, Clock};

use super::host::Host;
use super::line::{Direction, Fate, Links};
use super::{LiveWorld, Server, crashed};
use crate::Stopped;
use crate::any::{AnyWorld, BootFunction, Deed, Listener, REPORTED_TIME_ERROR, Route};
use crate::error::WorldError;
use crate::host::Machine;
use crate::links::LinkFault;
use crate::streams::Streams;

/// How long the world looks away between two looks at what has happened, by the machine's clock.
const GLANCE: Duration = Duration::from_millis(2);
/// What the machine may be late by, by its own clock: the way, the work and whoever else is at work on it.
const LATENESS: Duration = Duration::from_millis(150);

impl AnyWorld for LiveWorld {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn timing_tolerance(&self) -> Duration {
        LATENESS * self.setup.speed
    }

    fn is_in_real_time(&self) -> bool {
        true
    }

    fn leaves_server_behind(&self) -> bool {
        matches!(self.server, Server::Given(_))
    }

    fn reported_time_error(&self) -> Duration {
        match self.server {
            // Its clock is the parties'.
            Server::Started { .. } => REPORTED_TIME_ERROR,
            // What it says by a clock that all others' run ahead of is as much less exact.
            Server::Given(_) => REPORTED_TIME_ERROR * self.setup.speed,
        }
    }

    fn streams(&self) -> Streams {
        self.streams
    }

    fn set_listener(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }

    fn reached_at(&self, authority: &str) -> Result<String, WorldError> {
        if let Some(advertised) = self.setup.reached_at.get(authority) {
            return Ok(advertised.clone());
        }
        let address = self.neighbourhood.address_of(authority);
        let address = address.map_err(|_| WorldError::NoAddress(authority.to_owned()))?;
        Ok(address.to_string())
    }

    fn route(&mut self, route: Route) {
        self.route = Some(route);
    }

    fn brings(&self, host: &str) -> bool {
        self.is_server(host)
    }

    fn store(&mut self, user: &str, record: &Value, executions: &[Value]) -> Result<(), WorldError> {
        self.import(json!({"user": user, "record": record, "executions": executions}))
    }

    fn add_host_boxed(&mut self, name: &str, boot: BootFunction) {
        let is_free = self.find(name).is_err() && !self.is_server(name);
        assert!(is_free, "there is a host `{name}` already");
        self.hosts.push(Host {
            name: name.into(),
            boot,
            restarts: 0,
            run: None,
        });
        self.start(self.hosts.len() - 1);
    }

    fn host_names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        let server = std::iter::once(&*self.setup.party);
        Box::new(server.chain(self.hosts.iter().map(|host| &*host.name)))
    }

    fn is_up(&self, host: &str) -> Result<bool, WorldError> {
        if self.is_server(host) {
            return Ok(match &self.server {
                Server::Started {
                    process, has_begun, ..
                } => process.is_up() || !has_begun,
                Server::Given(_) => true,
            });
        }
        Ok(self.hosts[self.find(host)?].run.is_some())
    }

    fn machine(&self, host: &str) -> Result<Machine, WorldError> {
        let run = self.hosts[self.find(host)?].run.as_ref();
        let run = run.ok_or_else(|| WorldError::Down(host.to_owned()))?;
        Ok(run.machine.clone())
    }

    fn spawn_boxed(&mut self, host: &str, task: BoxFuture<'static, ()>) -> Result<(), WorldError> {
        let run = self.hosts[self.find(host)?].run.as_ref();
        run.ok_or_else(|| WorldError::Down(host.to_owned()))?.spawn(task);
        Ok(())
    }

    fn schedule_boxed(&mut self, at: Timestamp, deed: Deed) {
        self.scheduled += 1;
        self.agenda.insert((at, self.scheduled), deed);
    }

    fn run_until_dyn(&mut self, deadline: Option<Timestamp>, done: &mut dyn FnMut() -> bool) -> Stopped {
        if let Err(error) = self.begin() {
            let message = with_sources(&error);
            return Stopped::WithoutServer { message };
        }
        loop {
            // First of all: what ends of the same signal has not ended by itself.
            if self.setup.interruption.load(Ordering::Relaxed) {
                return Stopped::Interrupted;
            }
            self.perform_due();
            if let Some(message) = self.without_server.take() {
                return Stopped::WithoutServer { message };
            }
            self.notice_deaths();
            if let Some((host, message)) = self.panics.pop_front() {
                return Stopped::Panicked { host, message };
            }
            if done() {
                return Stopped::Done;
            }
            let now = self.clock.now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Stopped::DeadlinePassed;
            }
            let due = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let next = [deadline, due].into_iter().flatten().min();
            let left = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
            let left = left.map_or(GLANCE, |left| self.pace.on_the_machine(left).min(GLANCE));
            glance_away(left);
        }
    }

    fn cut(&mut self, link: &Link) -> Result<(), WorldError> {
        self.on_link(link, |direction| direction.fault = Some(LinkFault::Cut))?;
        self.tell(WorldEvent::Cut { link: link.clone() });
        Ok(())
    }

    fn black_hole(&mut self, link: &Link) -> Result<(), WorldError> {
        self.on_link(link, |direction| direction.fault = Some(LinkFault::BlackHole))?;
        self.tell(WorldEvent::BlackHoled { link: link.clone() });
        Ok(())
    }

    fn delay(&mut self, link: &Link, extra: Duration) -> Result<(), WorldError> {
        self.on_link(link, |direction| direction.extra = extra)?;
        let link = link.clone();
        self.tell(WorldEvent::Delayed { link, extra });
        Ok(())
    }

    fn heal(&mut self, link: &Link) -> Result<(), WorldError> {
        self.on_link(link, |direction| *direction = Direction::default())?;
        self.tell(WorldEvent::Healed { link: link.clone() });
        Ok(())
    }

    fn heal_everything(&mut self) {
        self.neighbourhood.change_links(Links::heal_everything);
        self.tell(WorldEvent::HealedEverything);
    }

    fn reset(&mut self, from: &str, to: &str) -> Result<(), WorldError> {
        self.pair(from, to)?;
        let connections = self.neighbourhood.strike(from, to, |_| Fate::Reset);
        let (from, to) = (from.to_owned(), to.to_owned());
        self.tell(WorldEvent::Reset {
            from,
            to,
            connections,
        });
        Ok(())
    }

    fn finish(&mut self, from: &str, to: &str) -> Result<(), WorldError> {
        self.pair(from, to)?;
        let connections = self
            .neighbourhood
            .strike(from, to, |by_host| Fate::Finished { by_host });
        let (from, to) = (from.to_owned(), to.to_owned());
        self.tell(WorldEvent::Finished {
            from,
            to,
            connections,
        });
        Ok(())
    }

    fn silence(&mut self, from: &str, to: &str) -> Result<(), WorldError> {
        self.pair(from, to)?;
        let connections = self.neighbourhood.strike(from, to, |_| Fate::Silenced);
        let (from, to) = (from.to_owned(), to.to_owned());
        self.tell(WorldEvent::Silenced {
            from,
            to,
            connections,
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
        // What its tasks still say on their way out is nobody's: the crash is told first.
        self.tell(crashed(host, CrashCause::Order));
        if let Some(message) = run.end() {
            self.panics.push_back((host.to_owned(), message));
        }
        Ok(())
    }

    fn crash_silently(&mut self, _: &str) -> Result<(), WorldError> {
        Err(WorldError::NotCarried("a loss of power"))
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
        self.tell(WorldEvent::Restarted {
            host: host.to_owned(),
        });
        Ok(())
    }

    fn fail_disk(&mut self, _: &str, _: DiskFault) -> Result<(), WorldError> {
        Err(WorldError::NotCarried("a fault of a disk"))
    }

    fn heal_disk(&mut self, _: &str) -> Result<(), WorldError> {
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "in this world time passes by itself")]
fn glance_away(time: Duration) {
    std::thread::sleep(time);
}
