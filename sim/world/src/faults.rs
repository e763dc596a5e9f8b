//! What can be done to a running world: to its links, its connections, its hosts and their disks.
//!
//! A fault on a link is about packets, whichever connection they belong to, and lasts until it is healed. A
//! fault on connections is about those that are there at that moment, and is final. There are three ways for
//! a connection to end, and they differ in what the peer sees: a FIN, an RST, or nothing at all.

use std::time::Duration;

use turnstile_events::world::{CrashCause, DiskFault, WorldEvent};
use turnstile_fault::Link;

use super::World;
use super::error::WorldError;
use super::fabric::address;
use super::host::Death;
use super::links::{Direction, LinkFault};
use super::panics;

/// Links.
impl World {
    /// Holds everything on this link, including what is on its way, until it is healed; then it is given
    /// on, whole and in order. This is what an interruption looks like to TCP, which sends again.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`] or [`WorldError::OneHost`], as for every fault on a link.
    pub fn cut(&mut self, link: &Link) -> Result<(), WorldError> {
        self.on_link(link, |direction| direction.strike(LinkFault::Cut))?;
        self.tell(WorldEvent::Cut { link: link.clone() });
        Ok(())
    }

    /// Loses everything on this link for good, including what is on its way, until it is healed. A
    /// connection that lost something never recovers: the rest of what it carries is never read.
    ///
    /// # Errors
    ///
    /// As [`World::cut`].
    pub fn black_hole(&mut self, link: &Link) -> Result<(), WorldError> {
        self.on_link(link, |direction| direction.strike(LinkFault::BlackHole))?;
        self.tell(WorldEvent::BlackHoled { link: link.clone() });
        Ok(())
    }

    /// Makes everything that is sent on this link from now on take `extra` longer, until it is healed.
    ///
    /// # Errors
    ///
    /// As [`World::cut`].
    pub fn delay(&mut self, link: &Link, extra: Duration) -> Result<(), WorldError> {
        self.on_link(link, |direction| direction.delay(extra))?;
        self.tell(WorldEvent::Delayed {
            link: link.clone(),
            extra,
        });
        Ok(())
    }

    /// Ends every cut, black hole and delay on this link. Connections that were reset, finished or
    /// silenced stay so.
    ///
    /// # Errors
    ///
    /// As [`World::cut`].
    pub fn heal(&mut self, link: &Link) -> Result<(), WorldError> {
        let now = self.now();
        self.on_link(link, |direction| _ = direction.heal(now))?;
        self.tell(WorldEvent::Healed { link: link.clone() });
        Ok(())
    }

    /// [`World::heal`] on all links. Disks stay as they are.
    pub fn heal_everything(&mut self) {
        let now = self.now();
        self.fabric
            .directions()
            .for_each(|direction| _ = direction.heal(now));
        self.tell(WorldEvent::HealedEverything);
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
}

/// Connections.
impl World {
    /// Resets all connections between two hosts: both ends see an RST at this moment.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`] or [`WorldError::OneHost`], as for every fault on connections.
    pub fn reset(&mut self, from: &str, to: &str) -> Result<(), WorldError> {
        let (one, other) = self.pair(from, to)?;
        let connections = self.fabric.reset(one, other);
        self.tell(WorldEvent::Reset {
            from: from.to_owned(),
            to: to.to_owned(),
            connections,
        });
        Ok(())
    }

    /// Lets `from` close all its connections with `to`: it reads an end of stream and can write no more;
    /// `to` reads the same once it has read all that came before, and may go on writing.
    ///
    /// # Errors
    ///
    /// As [`World::reset`].
    pub fn finish(&mut self, from: &str, to: &str) -> Result<(), WorldError> {
        let (one, other) = self.pair(from, to)?;
        let run = self.hosts[one].run.as_ref();
        let connections = run.map_or(0, |run| run.sockets().finish(address(other)));
        self.tell(WorldEvent::Finished {
            from: from.to_owned(),
            to: to.to_owned(),
            connections,
        });
        Ok(())
    }

    /// Lets everything vanish, for ever and both ways, on all connections that are there between two
    /// hosts. New connections work.
    ///
    /// # Errors
    ///
    /// As [`World::reset`].
    pub fn silence(&mut self, from: &str, to: &str) -> Result<(), WorldError> {
        let (one, other) = self.pair(from, to)?;
        let connections = self.fabric.silence(one, other);
        self.tell(WorldEvent::Silenced {
            from: from.to_owned(),
            to: to.to_owned(),
            connections,
        });
        Ok(())
    }
}

/// Hosts.
impl World {
    /// Kills a host's process. Its tasks are dropped without a chance to touch the disk, its peers are sent
    /// what it had written and then a FIN, as far as the links allow, and its disk loses what was not
    /// synced. Until it is restarted its machine refuses connections.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`] or [`WorldError::Down`].
    pub fn crash(&mut self, host: &str) -> Result<(), WorldError> {
        self.crash_by_order(host, Death::Process)
    }

    /// Takes a host's power away. As [`World::crash`], but not a word leaves it any more, not even a FIN,
    /// and what is sent to it waits for its restart, as TCP would send it again until then.
    ///
    /// # Errors
    ///
    /// As [`World::crash`].
    pub fn crash_silently(&mut self, host: &str) -> Result<(), WorldError> {
        self.crash_by_order(host, Death::Power)
    }

    fn crash_by_order(&mut self, host: &str, death: Death) -> Result<(), WorldError> {
        let index = self.find(host)?;
        if !self.is_up(host)? {
            return Err(WorldError::Down(host.to_owned()));
        }
        self.bring_down(index, death, CrashCause::Order);
        Ok(())
    }

    /// Ends a host's run, which there is.
    pub(super) fn bring_down(&mut self, index: usize, death: Death, cause: CrashCause) {
        let now = self.now();
        let host = &mut self.hosts[index];
        let run = host.run.take().expect("only a host that is up is brought down");
        let sockets = run.sockets().clone();
        if let Some(message) = panics::recorded(|| run.end()) {
            self.panics.push_back((index, message));
        }
        host.disk.lose_unsynced();
        self.fabric.bury(now, index, death, sockets.take_departures());
        let host = host.name.to_string();
        self.tell(WorldEvent::Crashed {
            host,
            cause,
            silently: death == Death::Power,
        });
    }

    /// Starts a host that is down: the same name and address, the same disk, a new process.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`] or [`WorldError::Up`].
    pub fn restart(&mut self, host: &str) -> Result<(), WorldError> {
        let index = self.find(host)?;
        if self.is_up(host)? {
            return Err(WorldError::Up(host.to_owned()));
        }
        self.hosts[index].restarts += 1;
        self.fabric.power_up(self.now(), index);
        self.tell(WorldEvent::Restarted {
            host: host.to_owned(),
        });
        self.start(index);
        Ok(())
    }
}

/// Disks.
impl World {
    /// Gives a host's disk a fault, which lasts until it is healed, over crashes too.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`].
    pub fn fail_disk(&mut self, host: &str, fault: DiskFault) -> Result<(), WorldError> {
        let index = self.find(host)?;
        self.hosts[index].disk.fail(fault);
        self.tell(WorldEvent::DiskFailed {
            host: host.to_owned(),
            fault,
        });
        Ok(())
    }

    /// Makes a host's disk well again.
    ///
    /// # Errors
    ///
    /// [`WorldError::UnknownHost`].
    pub fn heal_disk(&mut self, host: &str) -> Result<(), WorldError> {
        let index = self.find(host)?;
        self.hosts[index].disk.heal();
        self.tell(WorldEvent::DiskHealed {
            host: host.to_owned(),
        });
        Ok(())
    }
}
