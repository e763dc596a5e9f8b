//! The common interface of worlds for the world in real time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, LinkEffect, Place};
use turnstile_seams::error_chain::with_sources;
use turnstile_seams::{BoxFuture, Clock};

use super::host::Host;
use super::line::{Fate, Links};
use super::{Cutoff, LiveWorld, Server};
use crate::Stopped;
use crate::any::{AnyWorld, BootFunction, Listener, REPORTED_TIME_ERROR, Route, ScheduledAction};
use crate::condition::Condition;
use crate::error::WorldError;
use crate::host::Machine;
use crate::streams::Streams;

/// How often the world checks for events, by the machine's clock.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

impl AnyWorld for LiveWorld {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn timing_tolerance(&self) -> Duration {
        self.setup.lateness * self.setup.speed
    }

    fn is_in_real_time(&self) -> bool {
        true
    }

    fn ignore_interruption(&mut self) {
        self.setup.cutoff = Cutoff::default();
    }

    fn leaves_server_behind(&self) -> bool {
        matches!(self.server, Server::Given(_))
    }

    fn reported_time_error(&self) -> Duration {
        match self.server {
            // It uses the clock of the parties.
            Server::Started { .. } => REPORTED_TIME_ERROR,
            // Its clock is slower than the others by this factor, and its error grows accordingly.
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
        let address = self.shared_network.address_of(authority);
        let address = address.map_err(|_| WorldError::NoAddress(authority.to_owned()))?;
        Ok(address.to_string())
    }

    fn route(&mut self, route: Route) {
        self.route = Some(route);
    }

    fn announce(&mut self, session: &str) {
        if let Some(door) = &self.setup.door {
            door.add_session(session);
        }
    }

    fn add_server_authority(&mut self, authority: &str) {
        self.shared_network.add_alias(authority);
    }

    fn brings(&self, host: &str) -> bool {
        self.is_server(host)
    }

    fn store(&mut self, user: &str, record: &Value, executions: &[Value]) -> Result<(), WorldError> {
        self.import(json!({"user": user, "record": record, "executions": executions}))
    }

    fn add_host_boxed(&mut self, name: &str, boot: BootFunction) {
        let is_free = self.find(name).is_err() && !self.is_server(name);
        assert!(is_free, "the host `{name}` already exists");
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

    fn schedule_boxed(&mut self, at: Timestamp, action: ScheduledAction) {
        self.scheduled += 1;
        self.agenda.insert((at, self.scheduled), action);
    }

    fn run_until_dyn(&mut self, deadline: Option<Timestamp>, done: &mut dyn FnMut() -> bool) -> Stopped {
        if let Err(error) = self.begin() {
            let message = with_sources(&error);
            return Stopped::WithoutServer { message };
        }
        loop {
            // Checked first: hosts that end because of the same signal did not fail.
            if self.setup.cutoff.is_reached() {
                return Stopped::Interrupted;
            }
            self.perform_due();
            if let Some(message) = self.without_server.take() {
                return Stopped::WithoutServer { message };
            }
            self.handle_ended_hosts();
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
            if let Err(error) = self.jump(next) {
                let message = with_sources(&error);
                return Stopped::WithoutServer { message };
            }
            let left = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
            let left = left.map_or(POLL_INTERVAL, |left| {
                self.pace.on_the_machine(left).min(POLL_INTERVAL)
            });
            sleep(left);
        }
    }

    fn apply(&mut self, fault: &Fault) -> Result<(), WorldError> {
        let event = match fault {
            Fault::Link {
                link,
                effect: LinkEffect::Stall,
            } => {
                self.pair(&link.from, &link.to)?;
                if link.one_way {
                    self.shared_network.stall_next(&link.from, &link.to);
                } else {
                    self.shared_network.stall(&link.from, &link.to);
                }
                WorldEvent::of(fault)
            }
            Fault::Link { link, effect } => {
                self.on_link(link, |condition| condition.apply(*effect))?;
                WorldEvent::of(fault)
            }
            Fault::Connections { from, to, end } => {
                self.pair(from, to)?;
                let connections = self
                    .shared_network
                    .strike(from, to, |is_first| Fate::of(*end, is_first));
                WorldEvent::ended_connections(fault, connections)
            }
            Fault::Host {
                host,
                power_loss: false,
                at: None,
            } => return self.crash(host),
            Fault::Host { at: None, .. } => return Err(WorldError::Unsupported("a loss of power")),
            Fault::Disk { .. } if !fault.is_none() => {
                return Err(WorldError::Unsupported("a fault of a disk"));
            }
            Fault::Disk { .. } => return Ok(()),
            Fault::Clock { .. } => return Err(WorldError::Unsupported("a clock that is set")),
            of_party => return Err(WorldError::of_party(of_party)),
        };
        self.report(event);
        Ok(())
    }

    fn heal(&mut self, place: &Place) -> Result<(), WorldError> {
        match place {
            Place::Link(link) => {
                self.on_link(link, |condition| *condition = Condition::default())?;
                self.shared_network.end_stalls(Some((&link.from, &link.to)));
            }
            Place::EveryLink => {
                self.shared_network.change_links(Links::heal_everything);
                self.shared_network.end_stalls(None);
            }
            Place::Host(host) => return self.restart(host),
            // Disks have no faults in this world.
            Place::Disk(_) => return Ok(()),
            Place::Queue | Place::Wrapper => return Err(WorldError::Unsupported("the behaviour of a party")),
        }
        self.report(WorldEvent::Ended { place: place.clone() });
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "in this world time passes by itself")]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}
