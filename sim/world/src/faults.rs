//! Applies faults to a running world, and ends them.
//!
//! A fault of a link affects packets of all connections and lasts until it is healed. A fault of connections
//! affects those that exist at that moment, and is final. A connection can end in three ways, which differ in
//! what the peer observes: a FIN, an RST, or nothing.

use turnstile_events::world::{Cause, WorldEvent};
use turnstile_fault::{ConnectionEnd, Fault, Link, LinkEffect, Place};

use super::World;
use super::death::Death;
use super::error::WorldError;
use super::fabric::address;
use super::links::Direction;
use super::panics;

/// Whether an intervention is reported as a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reporting {
    /// As a black hole of each link.
    Reported,
    /// No event. Those who read the events do not know that data is lost.
    Unreported,
}

impl World {
    /// Applies a fault.
    ///
    /// A cut link holds packets, including those in flight, until it is healed; with TCP's retransmission, an
    /// interruption has this effect. A connection that lost data in a black hole never recovers.
    ///
    /// A crash drops the host's tasks before they can change the disk. Its peers receive what it had written
    /// and then a FIN, as far as the links allow. Until it is restarted, its machine refuses connections.
    /// After a loss of power nothing leaves the machine, and packets to it wait for its restart, because TCP
    /// would send them again until then.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`]; [`WorldError::OneHost`] for a network fault between a host and itself;
    /// [`WorldError::Down`] for a crash of a host that is down; [`WorldError::Up`] for a clock of a host
    /// that is up; [`WorldError::Unsupported`] for a fault of a party. The world is unchanged then.
    pub fn apply(&mut self, fault: &Fault) -> Result<(), WorldError> {
        let event = match fault {
            Fault::Link {
                link,
                effect: LinkEffect::Stall,
            } => {
                let (from, to) = self.pair(&link.from, &link.to)?;
                match link.one_way {
                    true => self.fabric.stall_next(from, to),
                    false => self.fabric.stall(from, to),
                }
                WorldEvent::of(fault)
            }
            Fault::Link { link, effect } => {
                self.on_link(link, |direction| direction.apply(*effect))?;
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
                let index = self.find(host)?;
                if self.is_up(host)? {
                    return Err(WorldError::Up(host.clone()));
                }
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
                let index = self.find(host)?;
                if !self.is_up(host)? {
                    return Err(WorldError::Down(host.clone()));
                }
                // `bring_down` reports the crash.
                self.bring_down(index, Death::of(*power_loss), Cause::Order);
                return Ok(());
            }
            of_party => return Err(WorldError::of_party(of_party)),
        };
        self.report(event);
        Ok(())
    }

    /// Ends all faults at a place: all effects on a link, or the behaviour of a disk. A host that is down is
    /// restarted with the same name, address and disk, and a new process. Connections that have ended stay
    /// ended.
    ///
    /// # Errors
    ///
    /// As [`World::apply`]; [`WorldError::Up`] for a host that is up.
    pub fn heal(&mut self, place: &Place) -> Result<(), WorldError> {
        let now = self.now();
        match place {
            Place::Link(link) => {
                self.on_link(link, |direction| direction.heal(now))?;
                let (from, to) = self.pair(&link.from, &link.to)?;
                self.fabric
                    .end_stalls(now, |pair| pair == (from, to) || pair == (to, from));
            }
            Place::EveryLink => {
                self.fabric.directions().for_each(|direction| direction.heal(now));
                self.fabric.end_stalls(now, |_| true);
            }
            Place::Disk(host) => {
                let index = self.find(host)?;
                self.hosts[index].disk.behave(Default::default());
            }
            Place::Host(host) => return self.restart(host),
            Place::Queue | Place::Wrapper => return Err(WorldError::Unsupported("the behaviour of a party")),
        }
        self.report(WorldEvent::Ended { place: place.clone() });
        Ok(())
    }

    /// Loses all data to a host from the hosts in `unheard`, from now on. They cannot open a connection to it
    /// either. What the host sends still arrives, also on connections that it opens. It is reported as a black hole,
    /// or not at all.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`]; [`WorldError::OneHost`] if it is to ignore itself. The world is unchanged then.
    pub fn deafen(&mut self, host: &str, unheard: &[String], reporting: Reporting) -> Result<(), WorldError> {
        let pairs = unheard.iter().map(|from| self.pair(from, host));
        let pairs: Vec<(usize, usize)> = pairs.collect::<Result<_, _>>()?;
        for (from, to) in pairs {
            self.fabric.ignore(from, to);
        }
        if reporting == Reporting::Reported {
            for from in unheard {
                let link = Link::one_way(from, host);
                self.report(WorldEvent::of(&Fault::on(&link, LinkEffect::BlackHole)));
            }
        }
        Ok(())
    }

    /// Lets a host that is down, now or later, stay down until the end.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`].
    pub fn keep_down(&mut self, host: &str) -> Result<(), WorldError> {
        let index = self.find(host)?;
        self.hosts[index].stays_down = true;
        Ok(())
    }

    fn on_link(&mut self, link: &Link, act: impl Fn(&mut Direction)) -> Result<(), WorldError> {
        let (from, to) = self.pair(&link.from, &link.to)?;
        act(self.fabric.direction(from, to));
        if !link.one_way {
            act(self.fabric.direction(to, from));
        }
        Ok(())
    }

    fn pair(&self, one: &str, other: &str) -> Result<(usize, usize), WorldError> {
        let pair = (self.find(one)?, self.find(other)?);
        if pair.0 == pair.1 {
            return Err(WorldError::OneHost(one.to_owned()));
        }
        Ok(pair)
    }

    /// Ends the connections between two hosts. Returns how many there were.
    fn end_connections(&mut self, from: &str, to: &str, end: ConnectionEnd) -> Result<usize, WorldError> {
        let (one, other) = self.pair(from, to)?;
        Ok(match end {
            ConnectionEnd::Reset => self.reset(one, other),
            ConnectionEnd::Silence => self.fabric.silence(one, other),
            ConnectionEnd::Finish => {
                let run = self.hosts[one].run.as_ref();
                run.map_or(0, |run| run.sockets().finish(address(other)))
            }
        })
    }

    /// Resets the connections between two hosts. Both ends get an error at once, even with data that they have not read.
    fn reset(&mut self, one: usize, other: usize) -> usize {
        let here = self.fabric.reset(one, other);
        let there = here.iter().map(|(local, peer)| (*peer, *local)).collect();
        for (host, connections) in [(one, &here), (other, &there)] {
            if let Some(run) = &self.hosts[host].run {
                run.sockets().reset(connections);
            }
        }
        here.len()
    }

    /// Reports that a host that is up goes down, and ends its run.
    pub(super) fn bring_down(&mut self, index: usize, death: Death, cause: Cause) {
        let now = self.now();
        let host = &mut self.hosts[index];
        let run = host.run.take().expect("only a host that is up is brought down");
        let fault = death.fault(&host.name);
        self.report(WorldEvent::began(fault, cause));
        let sockets = run.sockets().clone();
        if let Some(message) = panics::recorded(|| run.end()) {
            self.panics.push_back((index, message));
        }
        self.hosts[index].disk.lose_unsynced();
        self.fabric
            .clean_up_after(now, index, death, sockets.take_departures());
    }

    fn restart(&mut self, host: &str) -> Result<(), WorldError> {
        let index = self.find(host)?;
        if self.is_up(host)? {
            return Err(WorldError::Up(host.to_owned()));
        }
        if self.hosts[index].stays_down {
            return Ok(());
        }
        self.hosts[index].restarts += 1;
        self.fabric.power_up(self.now(), index);
        let place = Place::Host(host.to_owned());
        self.report(WorldEvent::Ended { place });
        self.start(index);
        Ok(())
    }
}
